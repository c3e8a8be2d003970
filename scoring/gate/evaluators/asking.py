"""Puts one question about a reply to the judges, and makes grades of their opinions; rubric, reference and pairs share it.

The first judge that may grade the case decides. Another of another family is asked where the first could not tell, and where a case that
must pass failed: such a failure counts only when two families, or a check, saw it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.gate.evaluators.judges import Asker, Down, Judges, Opinion, Unanswered, family
from scoring.judge.prompt import Question
from scoring.judge.rubric import Rubric

NO_JUDGE = "a judge's question, and no judge is configured: [judge] in config/scoring.toml names one"
Asked = Callable[[Judges, Asker], Awaitable[tuple[Grade, float | None]]]
"""One judge's grade with what it cost. May raise Unanswered, Down."""


async def ask(subject: Subject, name: str, rubric: Rubric, posed: Question) -> Found:
    """A grade for each judge that was asked this question."""

    async def one(judges: Judges, asker: Asker) -> tuple[Grade, float | None]:
        opinion = await judges.opinion(asker, rubric, posed, subject.case.id)
        return _grade(name, opinion), opinion.cost_usd

    return await each(subject, name, one)


async def each(subject: Subject, name: str, asked: Asked) -> Found:
    """Asks as many judges as are needed; a judge that gave no verdict does not stand in the way of one that did."""
    judges = subject.judges
    if judges is None:
        return Found((Grade(name, None, NO_JUDGE),))
    able = judges.may_grade(subject.case.judge_families)
    if not able:
        return Found((Grade(name, None, _barred(subject.case.judge_families, judges)),))
    grades: list[Grade] = []
    costs: list[float | None] = []
    for asker in able:
        try:
            grade, cost = await asked(judges, asker)
        except (Unanswered, Down) as error:
            grade, cost = Grade(name, None, f"the judge {asker.judge.model} gave no verdict: {error}", family=family(asker.judge)), 0.0
        grades.append(grade)
        costs.append(cost)
        if grade.passed or (grade.passed is False and not must_pass(subject)):
            break
    told = [grade for grade in grades if grade.passed is not None]
    return Found(tuple(told or grades[:1]), added(costs))


def must_pass(subject: Subject) -> bool:
    """Whether one failure of the case is enough to fail the release."""
    return subject.case.critical or "safety" in subject.case.tags


def added(costs: list[float | None]) -> float | None:
    """Dollars; None where one of them is not known."""
    return None if any(cost is None for cost in costs) else sum(cost for cost in costs if cost is not None)


def _barred(confirmed_by: frozenset[str], judges: Judges) -> str:
    fix = (
        "have a person confirm it" if judges.second is not None else "name a [second_judge] of another family, or have a person confirm it"
    )
    return f"judges of {', '.join(sorted(confirmed_by))} confirmed the case, and none of them may grade it: {fix}"


def _grade(name: str, opinion: Opinion) -> Grade:
    verdict = opinion.verdict
    detail = {"fingerprint": opinion.fingerprint, "judge": opinion.response_model, "confidence": verdict.confidence}
    kept = {key: value for key, value in detail.items() if value is not None}
    if verdict.passed is None:
        return Grade(name, None, f"the judge could not tell: {verdict.unscored}", family=opinion.family, detail=kept)
    reason = verdict.reason or ("the judge passes it" if verdict.passed else "the judge fails it, without a word why")
    return Grade(name, verdict.passed, reason, verdict.evidence, None, opinion.family, detail=kept)
