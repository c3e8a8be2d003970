"""What is expected of an answer and code alone can see: its JSON, the facts in it, the tools it calls, whether it refuses."""

from __future__ import annotations

from typing import Final

from scoring.gate.evaluators.checks import of
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.golden.case import Expected
from scoring.golden.grading import expectations

PARTS: Final = ("json_", "facts", "tools", "refusal")
"""Parts of Expected that are graded here; each other part has an evaluator of its own."""


async def evaluate(subject: Subject) -> Found:
    """A grade for each of these parts that the case gives; that of `refusal` says what was expected, for the figures of the set."""
    return Found(tuple(_with_detail(subject, grade) for grade in parts(subject, *PARTS)))


def parts(subject: Subject, *names: str, field: str = "") -> list[Grade]:
    """Grades of some parts of what is expected."""
    expected = subject.case.expected
    given = {name: getattr(expected, name) for name in names} if expected is not None else {}
    if not any(value not in (None, ()) for value in given.values()):
        return []
    alone = Expected.model_construct(**given)  # a whole Expected would be refused where only these are left of it
    return [of(graded) for graded in expectations(subject.exchange, alone, field)]


def _with_detail(subject: Subject, grade: Grade) -> Grade:
    if grade.name != "expected.refusal" or grade.passed is None or subject.case.expected is None:
        return grade
    wanted = bool(subject.case.expected.refusal)
    return Grade(
        grade.name,
        grade.passed,
        grade.reason,
        grade.evidence,
        detail={"expected": wanted, "refused": wanted if grade.passed else not wanted},
    )
