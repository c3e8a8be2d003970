"""Answers that cost too much."""

from __future__ import annotations

from scoring.checks import cost
from tests.scoring.checks.made import answered, finding, passed


def test_a_dear_answer_fails():
    """The cost is the score."""
    found = finding(cost, answered("x", cost_usd="0.25"), max_usd=0.2)
    assert found is not None
    assert found.passed is False
    assert found.score == 0.25


def test_a_cheap_answer_passes_and_an_unknown_price_is_not_told():
    """NULL is not nought."""
    assert passed(cost, answered("x", cost_usd="0.25"), max_usd=0.25) is True
    assert passed(cost, answered("x")) is None
