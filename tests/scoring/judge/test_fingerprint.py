"""The judge's serial number, and who counts as the judge that was asked."""

from __future__ import annotations

import pytest

from config.scoring import Judge
from scoring.judge.fingerprint import fingerprint, impostor
from scoring.judge.rubric import Item, Rubric

RUBRIC = Rubric(name="r", version="1", owner="tests", item=(Item(id="supported", question="Is every claim supported?"),))
JUDGE = Judge(upstream="openai", model="gpt-5.4-2026-03-05")


@pytest.mark.parametrize(
    "other",
    [
        JUDGE.model_copy(update={"model": "gpt-5.4-2026-06-01"}),
        JUDGE.model_copy(update={"params": {"temperature": 1}}),
        JUDGE.model_copy(update={"max_tokens": 500}),
        JUDGE.model_copy(update={"structured": "text"}),
        JUDGE.model_copy(update={"upstream": "azure"}),
    ],
)
def test_whatever_could_change_a_verdict_changes_the_fingerprint(other):
    """Model, parameters, form, endpoint, rubric, length shown."""
    mine = fingerprint(JUDGE, RUBRIC, 60_000).id
    assert fingerprint(other, RUBRIC, 60_000).id != mine
    assert fingerprint(JUDGE, RUBRIC.model_copy(update={"version": "2"}), 60_000).id != mine
    assert fingerprint(JUDGE, RUBRIC, 50_000).id != mine
    assert fingerprint(JUDGE.model_copy(update={"timeout": 5.0}), RUBRIC, 60_000).id == mine


@pytest.mark.parametrize(
    ("asked", "answered", "is_impostor"),
    [
        ("gpt-5.4-2026-03-05", "gpt-5.4-2026-03-05", False),
        ("gpt-5.4-2026-03-05", None, False),
        ("openai/gpt-5.4-2026-03-05", "gpt-5.4-2026-03-05", False),
        ("gpt-5.4", "gpt-5.4-2026-03-05", False),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", False),
        ("gpt-5.4", "gpt-5.4-mini", True),
        ("gpt-5.4", "gpt-5.4-mini-2026-03-05", True),
        ("gpt-5.4-2026-03-05", "gpt-5.4-2026-06-01", True),
        ("gpt-5.4-2026-03-05", "llama-3.3-70b", True),
        ("deployment-1", "gpt-4o-2024-08-06", True),
    ],
)
def test_a_judge_that_answers_as_another_is_found_out(asked, answered, is_impostor):
    """A date behind the asked name is the asked model; anything else is not."""
    assert (impostor(JUDGE.model_copy(update={"model": asked}), answered) is not None) is is_impostor


def test_an_operator_may_say_who_answers():
    """A deployment has its model's name in its answers."""
    assert impostor(Judge(upstream="azure", model="deployment-1", answers_as=("gpt-4o-2024-08-06",)), "gpt-4o-2024-08-06") is None
