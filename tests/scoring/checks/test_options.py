"""Options of checks, read from tables."""

from __future__ import annotations

import pytest

from scoring.checks import latency, required_fields
from scoring.checks.options import BadOptions, options_of


def test_values_are_converted_to_their_types():
    """A list becomes a tuple, a whole number a real one."""
    assert options_of(required_fields.Options, {"fields": ["a"]}).fields == ("a",)
    assert options_of(latency.Options, {"max_ms": 5}).max_ms == 5.0


def test_a_mistake_names_the_key_and_the_fix():
    """The nearest key, or the value and what it should be."""
    with pytest.raises(BadOptions, match="did you mean max_ms"):
        options_of(latency.Options, {"max_mss": 5})
    with pytest.raises(BadOptions, match="no such option"):
        options_of(latency.Options, {"zebra": 5})
    with pytest.raises(BadOptions, match="max_ms = 'soon'"):
        options_of(latency.Options, {"max_ms": "soon"})


def test_a_users_check_takes_its_table_as_it_is():
    """Where it declares no options."""
    assert options_of(dict, {"anything": 1}) == {"anything": 1}
