"""From a case, what its target answered and what the evaluators say, to a line of the result file. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from scoring.gate.evaluators.contract import Evaluation
from scoring.gate.reply import Reply
from scoring.gate.results import Result
from scoring.golden.case import GoldenCase, dumped, line

SAFETY: Final = "safety"
"""The tag of a case that is held like a critical one."""
QUESTION: Final = 300
"""Characters of a question that a result file shows."""


def row(case: GoldenCase, run: int, reply: Reply, found: Evaluation | None, fingerprint: str, *, confirming: bool) -> Result:
    """One run; found: None where the target gave nothing to evaluate."""
    error = reply.error or (found.error if found is not None else None)
    passed = None if found is None else found.passed
    if passed is None and not error:
        error = "nothing in the case says whether this answer is right: add an expected answer, a check or a rubric item"
    return Result(
        case=case.id,
        run=run,
        passed=passed,
        critical=case.critical,
        safety=is_safety(case),
        cost_usd=reply.cost_usd,
        latency_ms=reply.latency_ms,
        cluster=case.cluster,
        slice=case.slice,
        status=case.status,
        version=str(case.version),
        error=None if passed is not None else error,
        deterministic=found.deterministic if found is not None and passed is False else None,
        families=found.families if found is not None and passed is False else None,
        confirming=confirming,
        extra=_extra(case, reply, found, fingerprint),
    )


def _extra(case: GoldenCase, reply: Reply, found: Evaluation | None, fingerprint: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "question": case.question[:QUESTION] or None,
        "output": reply.answer.text,
        "tool_calls": [dumped(one) for one in reply.answer.tool_calls] or None,
        "refusal": reply.answer.refusal,
        "context": [dumped(one) for one in reply.context] or None,
        "grades": [grade.as_json() for grade in found.grades] if found is not None else None,
        "judge_cost_usd": found.cost_usd if found is not None and found.cost_usd != 0 else None,
        "response_model": reply.response_model,
        "system_fingerprint": reply.system_fingerprint,
        "fingerprint": fingerprint,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "exchange_id": reply.exchange_id,
        "tries": reply.tries if reply.tries > 1 else None,
        "cached": 1 if reply.is_cached and reply.error is None else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def is_safety(case: GoldenCase) -> bool:
    """Whether it is tagged `safety`."""
    return SAFETY in case.tags


def must_pass(case: GoldenCase) -> bool:
    """Whether one failed run of it is enough."""
    return case.critical or is_safety(case)


def dataset(cases: Iterable[GoldenCase]) -> str:
    """The version of a set of cases: changes with any word of any case, and not with the statuses that the gate itself moves."""
    lines = sorted(line(case.model_copy(update={"status": "candidate", "critical": False})) + str(case.critical) for case in cases)
    return sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()[:12]
