"""How golden cases move between statuses: a failure found in production is known_failing until a release mends it, and then guards.

Pure: results and statuses in, statuses out; whoever owns the golden set writes them down. The steps are

    confirmed ── the baseline is proven to fail it ──> known_failing ── the release is proven to pass it ──> guarding, for good

Proven means every one of `confirm_runs` runs. A single run would do harm twice. Cases that flicker would be set aside where the baseline
happened to fail them and kept where it happened to pass them, and the kept ones would then look like a regression. And one failure of a
guarding case blocks a deploy, so a case that merely flickers must not become one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules
from scoring.gate.words import Status


class Owed(NamedTuple):
    """Further runs of a case, on each side."""

    base: int
    candidate: int


def owed_to_baseline(statuses: Mapping[str, Status], baseline: Results, rules: Rules) -> dict[str, int]:
    """Confirmed cases that the baseline has failed in every run so far -> further runs that would prove it."""
    rows = baseline.by_case
    return {
        case: rules.confirm_runs - len(rows[case])
        for case, status in statuses.items()
        if status == "confirmed" and case in rows and len(rows[case]) < rules.confirm_runs and _all(rows[case], passed=False)
    }


def after_baseline(statuses: Mapping[str, Status], baseline: Results, rules: Rules) -> dict[str, Status]:
    """Statuses once the baseline has been run: a confirmed case that it is proven to fail is known_failing."""
    rows = baseline.by_case
    return {
        case: "known_failing" if status == "confirmed" and _proven(rows.get(case, ()), rules, passed=False) else status
        for case, status in statuses.items()
    }


def owed_to_release(statuses: Mapping[str, Status], baseline: Results, candidate: Results, rules: Rules) -> dict[str, Owed]:
    """Known failures that the candidate has passed in every run so far -> further runs that would prove them mended, on both sides."""
    before, after = baseline.by_case, candidate.by_case
    owed = {}
    for case, status in statuses.items():
        one, other = before.get(case, ()), after.get(case, ())
        missing = Owed(max(rules.confirm_runs - len(one), 0), max(rules.confirm_runs - len(other), 0))
        if status == "known_failing" and other and any(missing) and _all(other, passed=True) and not _flickers(one):
            owed[case] = missing
    return owed


def after_release(statuses: Mapping[str, Status], baseline: Results, released: Results, rules: Rules) -> dict[str, Status]:
    """Statuses once a release went out with these results: a known failure that it is proven to pass now guards.

    The baseline, run as often, must not flicker: it fails every run (this release mended the case) or passes every run (an earlier did).
    """
    before, after = baseline.by_case, released.by_case

    def mended(case: str) -> bool:
        one = before.get(case, ())
        return _proven(after.get(case, ()), rules, passed=True) and len(one) >= rules.confirm_runs and not _flickers(one)

    return {case: "guarding" if status == "known_failing" and mended(case) else status for case, status in statuses.items()}


def _all(rows: Sequence[Result], *, passed: bool) -> bool:
    return all(row.passed is passed for row in rows)


def _proven(rows: Sequence[Result], rules: Rules, *, passed: bool) -> bool:
    return len(rows) >= rules.confirm_runs and _all(rows, passed=passed)


def _flickers(rows: Sequence[Result]) -> bool:
    return len({row.passed for row in rows}) > 1
