"""Serves the decision's wishes: runs again on both sides what is in doubt, or what would prove a case mended, until the verdict stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from scoring.gate.alone import decide_alone
from scoring.gate.decide import deliberate
from scoring.gate.headers import check_judges
from scoring.gate.lifecycle import owed_to_release
from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules
from scoring.gate.targets.variants import Variant
from scoring.gate.timing import is_doubtful, timed
from scoring.gate.verdict import Verdict
from scoring.gate.words import Status

Rerun = Callable[[Variant, Mapping[str, int], Callable[[str], int]], Awaitable[list[Result]]]
"""(variant, case -> further runs, case -> number of the first) -> rows."""


class Decided(NamedTuple):
    """The verdict with the rows it was made on, those that were added among them."""

    verdict: Verdict
    base: Results | None
    candidate: Results


async def decided(
    candidate: Results,
    base: Results | None,
    rules: Rules,
    *,
    variant: Variant,
    base_variant: Variant | None,
    anchor: Results | None,
    today: date,
    strict: bool,
    may_rerun: bool,
    prove: bool,
    rerun: Rerun,
) -> Decided:
    """The verdict on a candidate. Raises BadInput."""
    if base is None:
        return Decided(decide_alone(candidate, rules, today=today, strict=strict), None, candidate)
    check_judges(base, candidate)
    if prove and base_variant is not None:
        base, candidate = await _proved(base, candidate, rules, variant, base_variant, rerun)
    steps = deliberate(
        base,
        candidate,
        rules,
        today=today,
        anchor=anchor,
        strict=strict,
        may_rerun=may_rerun and base_variant is not None,
        settled_later=frozenset({"latency"}),
    )
    try:
        wish = next(steps)
        while base_variant is not None:
            first, wanted = wish.first, dict.fromkeys(wish.cases, wish.runs)
            more_base = await rerun(base_variant, wanted, _from(first))
            more = await rerun(variant, wanted, _from(first))
            base, candidate = _with(base, more_base), _with(candidate, more)
            wish = steps.send((more_base, more))
    except StopIteration as end:
        verdict: Verdict = end.value
        if is_doubtful(verdict):
            beside = base_variant if may_rerun else None
            verdict = await timed(verdict, base, candidate, rules, variant, beside, rerun, strict=strict)
        return Decided(verdict, base, candidate)
    raise AssertionError("reruns were asked for although nothing can be run again")


async def _proved(
    base: Results, candidate: Results, rules: Rules, variant: Variant, base_variant: Variant, rerun: Rerun
) -> tuple[Results, Results]:
    """Runs known failures that seem mended often enough to prove it, on both sides."""
    owed = owed_to_release(statuses(candidate), base, candidate, rules)
    before = {case: one.base for case, one in owed.items() if one.base}
    after = {case: one.candidate for case, one in owed.items() if one.candidate}
    if before:
        base = _with(base, await rerun(base_variant, before, numbered(base)))
    if after:
        candidate = _with(candidate, await rerun(variant, after, numbered(candidate)))
    return base, candidate


def statuses(results: Results) -> dict[str, Status]:
    """Case -> its status, where it has one."""
    return {row.case: row.status for row in results.rows if row.status is not None}


def numbered(results: Results) -> Callable[[str], int]:
    """The number of a case's next run."""
    last = {case: max(row.run for row in rows) for case, rows in results.by_case.items()}
    return lambda case: last.get(case, 0) + 1


def _from(first: int) -> Callable[[str], int]:
    return lambda _: first


def _with(results: Results, rows: list[Result]) -> Results:
    return results.with_more(replace(row, confirming=True) for row in rows)
