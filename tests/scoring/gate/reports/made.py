"""Reports made by hand: any number of cases, any words in them."""

from __future__ import annotations

from typing import Any

from scoring.gate.alone import decide_alone
from scoring.gate.reports import Known, Report
from scoring.gate.results import Header, Result, Results
from scoring.gate.rules import Rules
from tests.helpers.gate import TODAY, verdict
from tests.scoring.gate.evaluators.made import case


def row(name: str, passed: bool | None, output: str = "an answer", **more: Any) -> Result:
    """One run, as the gate writes it."""
    extra = dict(more.pop("extra", {}))
    reason = more.pop("reason", "does not say '14 days'")
    if passed is False:
        extra["grades"] = [{"name": "expected.facts", "passed": False, "reason": reason, "evidence": output[:160], **more.pop("grade", {})}]
    said = {"question": more.pop("question", f"Question {name}?"), "output": output, **extra}
    return Result(name, 1, passed, extra=said, error="connection refused" if passed is None else None, **more)


def results(rows: list[Result], name: str, **target: Any) -> Results:
    """A file of them."""
    described = {"name": "app", "kind": "endpoint", **target}
    return Results(tuple(rows), Header(target="app", made_at="2026-11-21T00:00:00+00:00", extra={"target": described}), name)


def report(good: int, bad: int, *, known: dict[str, Known] | None = None, before: dict[str, Any] | None = None, **more: Any) -> Report:
    """So many cases that stay good, and so many that break; `more` goes to the rows that break."""
    same = [row(f"g{number:04d}", True) for number in range(good)]
    was = [row(f"b{number:04d}", True, "In 14 days.") for number in range(bad)]
    now = [row(f"b{number:04d}", False, **more) for number in range(bad)]
    base = results([*same, *was], "base", **(before or {}))
    candidate = results([*same, *now], "candidate", **more.get("target", {}))
    return Report(base, candidate, verdict(base, candidate), known or {})


def alone(rows: list[Result]) -> Report:
    """Without a baseline."""
    candidate = results(rows, "candidate")
    return Report(None, candidate, decide_alone(candidate, Rules(), today=TODAY))


def place(file: str = "golden/cases.jsonl", line: int = 7, **parts: Any) -> Known:
    """Where a case stands."""
    return Known(case(**parts), file, line)
