"""Says what a baseline is worth before anything is held against it: its rate, its noise, and the drop it will let be seen.

A baseline is a fresh rerun of the release that is running now, never what production happened to answer. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from scoring.gate.pairing import SET_ASIDE
from scoring.gate.results import BadInput, Results
from scoring.gate.rules import Rules
from scoring.gate.significance import detectable_drop, share


@dataclass(frozen=True, slots=True)
class Worth:
    """A baseline in figures; rates are of the cases that are neither known_failing nor set aside."""

    cases: int
    runs: int  # planned runs a case
    rate: float
    low: float  # of the two-sided interval of the floor's confidence
    high: float
    flickering: tuple[str, ...]  # passed in some runs and failed in others: none can be seen with one run
    failing: tuple[str, ...]  # failed in every run
    known_failing: tuple[str, ...]
    unmeasured: tuple[str, ...]  # a run reached no target or no judge
    detectable_drop: float | None  # found 4 times in 5 with as many runs; None with one run, which does not show its own noise


def worth(results: Results, rules: Rules) -> Worth:
    """Figures of a result file as a baseline. Raises BadInput where no case counts."""
    rates: list[tuple[float, str]] = []
    flickering, failing, known, unmeasured = ([] for _ in range(4))
    spread = 0.0
    for case, rows in sorted(results.by_case.items()):
        measured = [row for row in rows if row.passed is not None]
        if rows[0].status in SET_ASIDE:
            continue
        if len(measured) < len(rows):
            unmeasured.append(case)
        if rows[0].status == "known_failing":
            known.append(case)
        elif measured:
            n, passed = len(measured), [row.passed for row in measured].count(True)
            rates.append((passed / n, rows[0].cluster or f"\0{case}"))
            if 0 < passed < n:
                flickering.append(case)
                spread += 2 * passed * (n - passed) / (n * (n - 1)) / n  # twice the variance of the case's rate, without bias
            elif not passed:
                failing.append(case)
    if not rates:
        raise BadInput(f"{results.name}: no case in it counts: a baseline needs confirmed cases that were measured")
    whole, runs = share(rates), results.runs()
    alpha, margin = rules.regression.alpha, rules.regression.margin
    return Worth(
        cases=whole.cases,
        runs=runs,
        rate=whole.rate,
        low=whole.lower(rules.floor.confidence),
        high=whole.upper(rules.floor.confidence),
        flickering=tuple(flickering),
        failing=tuple(failing),
        known_failing=tuple(known),
        unmeasured=tuple(unmeasured),
        detectable_drop=detectable_drop(spread / whole.cases, whole.cases, margin, alpha) if runs > 1 else None,
    )
