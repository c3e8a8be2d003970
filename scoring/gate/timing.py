"""Whether a release is slower, measured fairly: both sides again, at the same time, on the same machine.

A baseline was timed on another day, perhaps on another machine, and a busy one makes every answer late. So a rise against it
fails nobody: where both sides can be asked, some cases are asked of both at once, and what that says counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from scoring.gate.budgets import latency
from scoring.gate.pairing import pair
from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules
from scoring.gate.targets.variants import Variant
from scoring.gate.verdict import Ruling, Verdict, outcome_of
from scoring.gate.words import State

TIMED: Final = 20
"""Cases that are asked of both sides."""
LATER: Final = "; the baseline was timed at another time, so that this is a warning"

Rerun = Callable[[Variant, Mapping[str, int], Callable[[str], int]], Awaitable[list[Result]]]


def is_doubtful(verdict: Verdict) -> bool:
    """Whether it says that the release is slower than its baseline; a limit of the rules' own that was passed is none of this."""
    ruling = verdict.ruling("latency")
    return ruling.state is State.FAILED and "ratio" in ruling.figures


async def timed(
    verdict: Verdict,
    base: Results,
    candidate: Results,
    rules: Rules,
    variant: Variant,
    base_variant: Variant | None,
    rerun: Rerun,
    *,
    strict: bool,
) -> Verdict:
    """The verdict with a latency that was measured on both sides at once, or with a warning where that cannot be done."""
    ruling = verdict.ruling("latency")
    others_fail = any(one.state in (State.FAILED, State.UNMEASURED) for one in verdict.rulings if one.rule != "latency")
    if base_variant is None or others_fail:  # it fails anyway, or cannot be measured: the figures as they are, and who reads them warned
        return _with(verdict, replace(ruling, state=State.INCONCLUSIVE, sentence=ruling.sentence + LATER), strict=strict)
    cases = dict.fromkeys([one.case for one in pair(base, candidate).active][:TIMED], 1)
    before, after = await asyncio.gather(
        rerun(replace(base_variant, name=f"{base_variant.name}, timed"), cases, lambda _: 1),
        rerun(replace(variant, name=f"{variant.name}, timed"), cases, lambda _: 1),
    )
    sides = [Results(tuple(rows), results.header, results.name) for rows, results in ((before, base), (after, candidate))]
    again = latency(pair(*sides), sides[1], rules)
    return _with(verdict, replace(again, sentence=f"asked of both sides at once, {again.sentence}"), strict=strict)


def _with(verdict: Verdict, ruling: Ruling, *, strict: bool) -> Verdict:
    rulings = tuple(ruling if one.rule == ruling.rule else one for one in verdict.rulings)
    outcome, unclear = outcome_of(rulings, strict=strict)
    return replace(verdict, rulings=rulings, outcome=outcome, is_inconclusive=unclear)
