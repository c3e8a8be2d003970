"""The shelf of evaluators: one line each. Whether a reply passes a golden case, which evaluator says so, and why."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from scoring import conversation
from scoring.gate.evaluators import (
    checks,
    classification,
    expectations,
    own,
    pairwise,
    reference,
    retrieval,
    rubric,
    unit_tests,
)
from scoring.gate.evaluators.asking import added
from scoring.gate.evaluators.contract import Evaluation, Evaluator, Found, Grade, Subject
from scoring.gate.evaluators.judges import Judges
from scoring.gate.reply import Reply
from scoring.golden.case import GoldenCase
from scoring.golden.grading import answered
from scoring.golden.store import DIRECTORY
from scoring.logged import LoggedExchange

SHELF: Final = (
    Evaluator("checks", "Each of the case's `checks`: assertions, and the checks of docs/checks.md.", checks.evaluate),
    Evaluator("own", "Checks named `my.module:function` that take (case, reply, options).", own.evaluate),
    Evaluator("expectations", "`expected.json`, `facts`, `tools` and `refusal`.", expectations.evaluate),
    Evaluator("classification", "`expected.label` and `expected.choice`.", classification.evaluate),
    Evaluator("retrieval", "`expected.retrieved_ids`, against the documents that the target gives back.", retrieval.evaluate),
    Evaluator("unit_tests", "`expected.test_file`: generated code passes its tests, in a sandbox.", unit_tests.evaluate),
    Evaluator("reference", "`expected.text`: the same words, or a judge finds that it says the same.", reference.evaluate),
    Evaluator("rubric", "`rubric`: one question to the judge.", rubric.evaluate),
    Evaluator("pairwise", "A `pairwise` check: a judge prefers it, or does not prefer the other, in both orders.", pairwise.evaluate),
)
"""All evaluators, those that cost nothing first."""
JUDGED: Final = frozenset({"reference", "rubric", "pairwise"})
"""Those that ask a judge: they are left out where code alone has failed the reply already."""
NOTHING_SAYS: Final = "nothing says what is right: the case has no check, no expectation and no rubric; `goldwash golden confirm` adds one"


async def evaluate(case: GoldenCase, reply: Reply, judges: Judges | None = None, *, directory: Path = DIRECTORY) -> Evaluation:
    """Whether a reply passes a case. directory: of the golden set, under which test files lie.

    A target that did not answer, and a judge that did not, measure nothing: `passed` is None and `error` says why. Where code alone finds a
    failure, no judge is asked. A reply to which no part of the case applies fails: nothing shows that it is right. Raises BadOptions for a
    check that cannot be run at all.
    """
    if reply.error is not None:
        return Evaluation(None, (), False, (), 0.0, reply.error)
    subject = Subject(case, reply, exchange_of(case, reply), judges, directory)
    grades: list[Grade] = []
    costs: list[float | None] = []
    for line in SHELF:
        if line.name in JUDGED and any(grade.passed is False for grade in grades):
            continue
        found: Found = await line.evaluate(subject)
        grades += found.grades
        costs.append(found.cost_usd)
    return concluded(tuple(grades), added(costs))


def concluded(grades: tuple[Grade, ...], cost_usd: float | None) -> Evaluation:
    """The evaluation that grades come to: one failure fails; None where none fails and one could not be measured."""
    failed = [grade for grade in grades if grade.passed is False]
    applying = [grade for grade in grades if grade.applies]
    if grades and not applying:
        unfit = Grade("applies", False, "no part of the case applies to this reply, so that nothing shows that it is right")
        return Evaluation(False, (*grades, unfit), True, (), cost_usd)
    families = tuple(dict.fromkeys(grade.family for grade in failed if grade.family is not None))
    deterministic = any(grade.family is None for grade in failed)
    if failed:
        return Evaluation(False, grades, deterministic, families, cost_usd)
    unmeasured = [f"{grade.name}: {grade.reason}" for grade in applying if grade.passed is None]
    if unmeasured or not grades:
        return Evaluation(None, grades, False, (), cost_usd, "; ".join(unmeasured) or NOTHING_SAYS)
    return Evaluation(True, grades, False, (), cost_usd)


def exchange_of(case: GoldenCase, reply: Reply) -> LoggedExchange:
    """The case with a reply as a row of the log: what the target retrieved stands in the place of the case's documents."""
    exchange = answered(case, reply.answer)
    found = tuple(conversation.Document(one.id, one.text, one.title, one.rank, one.relevance, one.source) for one in reply.context or ())
    return replace(
        exchange,
        response_model=reply.response_model,
        system_fingerprint=reply.system_fingerprint,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cost_usd=None if reply.cost_usd is None else Decimal(str(reply.cost_usd)),
        duration_ms=reply.latency_ms,
        contexts=found or exchange.contexts,
    )


__all__ = ["JUDGED", "SHELF", "Evaluation", "Evaluator", "Grade", "Judges", "Subject", "concluded", "evaluate", "exchange_of"]
