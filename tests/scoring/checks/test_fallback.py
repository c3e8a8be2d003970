"""Answers that stand in for one."""

from __future__ import annotations

import pytest

from scoring.checks import fallback
from tests.scoring.checks.made import PROSE, answered, called, finding, passed


@pytest.mark.parametrize(
    "text",
    [
        "I don't have access to real-time information.",
        "I’m sorry, I do not have enough information to say.",
        "I couldn't find any relevant documents in the provided context.",
        "No information found in the given sources.",
        "Something went wrong. Please try again later.",
        "I can't access that file right now.",
        "I don't know.",
        "Ich habe leider keinen Zugriff auf das Wetter.",
    ],
)
def test_stand_ins_are_recognised(text):
    """No access, no information, an error."""
    found = finding(fallback, answered(text))
    assert found is not None
    assert found.passed is False
    assert found.flags is fallback.MEASURED.validated


@pytest.mark.parametrize(
    "text",
    [
        "Paris.",
        PROSE,
        "If I don't know a word, I look it up.",
        "I don't have any doubts: it is Paris.",
        "You have no access to it without a key.",
    ],
)
def test_answers_pass(text):
    """Talk about knowing is no fallback."""
    assert passed(fallback, answered(text)) is True


def test_the_applications_own_phrase_flags_wherever_it_stands():
    """White space and case do not matter."""
    found = finding(fallback, answered("Hm. Our  TEAM\nwill get back to you."), phrases=["our team will get back to you"])
    assert found is not None
    assert found.flags


def test_it_does_not_apply():
    """Tool calls and long answers go on to help."""
    assert passed(fallback, answered("I don't have access to it.", calls=called("f", {}))) is None
    assert passed(fallback, answered("I don't have access to it. " + PROSE * 10)) is None
    assert passed(fallback, answered("")) is None
