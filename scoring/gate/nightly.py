"""Writes a scheduled run into the log, through the spool: the verdict as a row of gate_runs, each run of each case as one of gate_results.

So a provider's silent update is seen: the same cases, the same target, night after night, with the model and the fingerprint that answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from config.settings import Settings
from proxy.service.opinions import uuid7
from scoring.gate.results import Result
from scoring.gate.running import Outcome
from scoring.outbox import Outbox, record_id


def store(settings: Settings, outcomes: Iterable[Outcome]) -> list[str]:
    """The ids of the runs, once they are in the log. Raises SpoolFull, LogError, ServiceError."""
    ids = []
    with Outbox(settings, "gate") as outbox:
        for outcome in outcomes:
            identity = uuid7()
            run_id = str(UUID(bytes=identity))
            ids.append(run_id)
            outbox.add("gate_runs", run_row(outcome, run_id), identity)
            for row in outcome.results.rows:
                outbox.add("gate_results", result_row(outcome, row, run_id), record_id("gate", run_id, row.case, row.run))
        outbox.deliver()
    return ids


def run_row(outcome: Outcome, run_id: str) -> dict[str, Any]:
    """A row of gate_runs. `model` is the one that answered most often, and `properties` says how often each did."""
    results, verdict, head = outcome.results, outcome.verdict, outcome.results.header
    measured = [row for row in results.rows if row.passed is not None]
    answered = Counter(str(row.extra["response_model"]) for row in results.rows if row.extra.get("response_model"))
    prints = Counter(str(row.extra["system_fingerprint"]) for row in results.rows if row.extra.get("system_fingerprint"))
    return {
        "run_id": run_id,
        "at": head.made_at,
        "target": head.target,
        "model": answered.most_common(1)[0][0] if answered else None,
        "dataset": head.dataset,
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "is_inconclusive": verdict.is_inconclusive,
        "cases": len(results.by_case),
        "runs": len(results.rows),
        "passed": sum(bool(row.passed) for row in measured) / len(measured) if measured else None,
        "unmeasured": len(results.rows) - len(measured),
        "cost_usd": head.extra.get("cost_usd"),
        "prices": head.prices,
        "judge": head.judge,
        "rules": verdict.fingerprint,
        "verdict": verdict.as_json(),
        "properties": {"answered_as": dict(answered), "system_fingerprints": dict(prints), "results": str(outcome.path)},
    }


def result_row(outcome: Outcome, row: Result, run_id: str) -> dict[str, Any]:
    """A row of gate_results; the answer itself stands in `exchanges`, under its exchange_id, where it went through the proxy."""
    return {
        "run_id": run_id,
        "at": outcome.results.header.made_at,
        "exchange_id": row.extra.get("exchange_id"),
        "target": outcome.results.header.target,
        "golden_case": row.case,
        "case_version": row.version,
        "run": row.run,
        "status": row.status,
        "slice": row.slice,
        "critical": row.must_pass,
        "passed": row.passed,
        "error": row.error,
        "cost_usd": row.cost_usd,
        "latency_ms": row.latency_ms,
        "response_model": row.extra.get("response_model"),
        "system_fingerprint": row.extra.get("system_fingerprint"),
        "grades": row.extra.get("grades"),
    }
