"""An operator's own patterns."""

from __future__ import annotations

import pytest

from scoring.checks import policy, prepare
from scoring.checks.options import BadOptions
from tests.scoring.checks.made import answered, finding, passed


def test_forbidden_words_fail_and_required_ones_are_missed():
    """By the pattern's name."""
    found = finding(policy, answered("Buy shares of it!"), forbidden={"advice": r"(?i)buy shares"})
    assert found is not None
    assert found.passed is False
    assert "advice" in found.reason
    assert not found.flags
    assert passed(policy, answered("It is fine."), required={"notice": "no advice"}) is False
    assert passed(policy, answered("It is fine: no advice."), required={"notice": "no advice"}, forbidden={"x": "shares"}) is True


def test_a_bad_pattern_is_an_error_that_names_it():
    """When the options are read, not in the night."""
    with pytest.raises(BadOptions, match="advice"):
        prepare({"policy": {"forbidden": {"advice": "("}}})


def test_it_does_not_apply():
    """Without patterns or without an answer."""
    assert passed(policy, answered("Buy shares!")) is None
    assert passed(policy, answered(""), forbidden={"x": "y"}) is None
