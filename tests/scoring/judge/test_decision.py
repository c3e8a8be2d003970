"""What two judges and the checks conclude together."""

from __future__ import annotations

import pytest

from scoring.judge.decision import DISAGREE, Verdict, decide, needs_second

PASS, FAIL, UNREAD = Verdict(True, None, 0.9, ()), Verdict(False, None, 0.9, ()), Verdict(None, "no seal", None, ())
OVERRIDE = ("near_duplicate", "12 questions got this answer")


@pytest.mark.parametrize(
    ("first", "second", "override", "expected"),
    [
        (PASS, None, None, ("scored", True, "judge", False)),
        (FAIL, None, None, ("scored", False, "judge", False)),
        (FAIL, FAIL, None, ("scored", False, "both", False)),
        (FAIL, PASS, None, ("scored", False, "judge", True)),
        (PASS, FAIL, None, ("scored", True, "judge", True)),
        (FAIL, UNREAD, None, ("scored", False, "judge", False)),
        (UNREAD, None, None, ("unscored", None, "judge", True)),
        (UNREAD, UNREAD, None, ("unscored", None, "judge", True)),
        (UNREAD, FAIL, None, ("scored", False, "second_judge", True)),
        (PASS, None, OVERRIDE, ("scored", False, "check:near_duplicate", True)),
        (UNREAD, None, OVERRIDE, ("scored", False, "check:near_duplicate", True)),
        (FAIL, FAIL, OVERRIDE, ("scored", False, "both", False)),
    ],
)
def test_decisions(first, second, override, expected):
    """(state, passed, who decided, whether people must look)."""
    found = decide(first, second, override)
    assert (found.state, found.passed, found.decided_by, found.people) == expected


def test_disagreement_is_said():
    """People see why the item came to them."""
    assert decide(FAIL, PASS, None).why == DISAGREE


@pytest.mark.parametrize(
    ("first", "asked"),
    [(PASS, False), (FAIL, True), (UNREAD, True), (PASS._replace(confidence=0.5), True), (PASS._replace(confidence=None), False)],
)
def test_the_second_judge_is_asked_about_fails_and_doubts(first, asked):
    """A pass without any stated confidence is no doubt."""
    assert needs_second(first, 0.8) is asked
