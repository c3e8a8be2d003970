"""Labels of a classifier."""

from __future__ import annotations

from scoring.checks import label
from tests.scoring.checks.made import answered, passed

LABELS = ["positive", "negative"]


def test_a_label_passes_in_any_dress():
    """Case, quotation marks and a full stop do not matter; JSON may hold it."""
    assert passed(label, answered(' "Positive". '), labels=LABELS) is True
    assert passed(label, answered('{"result": {"label": "negative"}}'), labels=LABELS, field="result.label") is True


def test_anything_else_fails():
    """A sentence, another label, a missing field."""
    assert passed(label, answered("It is positive."), labels=LABELS) is False
    assert passed(label, answered("neutral"), labels=LABELS) is False
    assert passed(label, answered('{"label": 3}'), labels=LABELS, field="label") is False


def test_it_does_not_apply():
    """Without labels, and for empty answers, nothing is said."""
    assert passed(label, answered("positive")) is None
    assert passed(label, answered(""), labels=LABELS) is None
