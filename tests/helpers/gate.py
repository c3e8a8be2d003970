"""Result files in one call, for tests of the gate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from scoring.gate.decide import decide
from scoring.gate.results import Header, Result, Results
from scoring.gate.rules import Rules
from scoring.gate.verdict import Verdict

TODAY = date(2026, 11, 20)


def results(passed: str | Iterable[str], name: str = "results", header: Header | None = None, **every: Any) -> Results:
    """A file from marks, one a case and one string a run: '1' passed, '0' failed, '?' not measured, ' ' not there."""
    marks = [passed] if isinstance(passed, str) else list(passed)
    rows = [
        Result(f"c{i}", run, {"1": True, "0": False, "?": None}[mark], error="timed out" if mark == "?" else None, **every)
        for run, text in enumerate(marks, 1)
        for i, mark in enumerate(text)
        if mark != " "
    ]
    return Results(tuple(rows), header or Header(), name)


def verdict(base: Results, candidate: Results, rules: Rules | None = None, **more: Any) -> Verdict:
    """What the gate says of them under the shipped rules, on a fixed day."""
    return decide(base, candidate, rules or Rules(), today=TODAY, **more)
