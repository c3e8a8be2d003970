"""A case's checks: exact text, contains, regex, JSON and its fields, schema, tool calls, and every check of docs/checks.md."""

from __future__ import annotations

from scoring.gate.evaluators import own
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.golden.grading import Graded, checked
from scoring.golden.run_checks import RUN_CHECKS


async def evaluate(subject: Subject) -> Found:
    """Each check of the case but those that are evaluators of their own. Raises BadOptions."""
    plain = [one for one in subject.case.checks if one.name not in RUN_CHECKS and not own.is_evaluator(one.name)]
    return Found(tuple(of(graded) for one in plain for graded in checked(subject.exchange, one)))


def of(graded: Graded, prefix: str = "") -> Grade:
    """A part's grade as evaluators give it."""
    return Grade(prefix + graded.name, graded.passed, graded.reason, graded.evidence, graded.score, applies=graded.applies)
