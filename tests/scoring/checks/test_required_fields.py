"""Fields that a task wants filled."""

from __future__ import annotations

from scoring.checks import required_fields
from tests.scoring.checks.made import answered, finding, passed

ORDER = '{"name": "Ann", "address": {"city": ""}, "items": [{"price": 1}, {"price": null}], "note": 0}'


def test_fields_with_values_pass():
    """Nested fields, elements of arrays and noughts count as filled."""
    assert passed(required_fields, answered(ORDER), fields=["name", "note", "items[]"]) is True


def test_missing_null_and_empty_fields_fail():
    """The reason names each path, the score is the share that is there."""
    found = finding(required_fields, answered(ORDER), fields=["name", "address.city", "items[].price", "items[].name", "gone.deep[]"])
    assert found is not None
    assert found.passed is False
    assert found.reason == "no value for address.city, items[].price, items[].name, gone.deep[]"
    assert found.score == 0.2 or abs(found.score - 0.2) < 1e-9


def test_a_top_level_array_is_reached_by_empty_brackets():
    """`[].a` asks each element of the answer."""
    assert passed(required_fields, answered('[{"a": 1}, {"a": 2}]'), fields=["[].a"]) is True
    assert passed(required_fields, answered('[{"a": 1}, {}]'), fields=["[].a"]) is False


def test_it_does_not_apply():
    """Without fields, and for what is no JSON, nothing is said."""
    assert passed(required_fields, answered(ORDER)) is None
    assert passed(required_fields, answered("prose"), fields=["a"]) is None
