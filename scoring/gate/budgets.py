"""Rules that look at money and time: a release may cost and take somewhat more than the baseline, and not more than a limit.

Pure. Unknown is None and never counts as 0: cases with a figure on both sides are compared, and a side without figures is said to be
unknown. Ratios are medians or totals over cases, and must lie above the budget by more than chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from scoring.gate.pairing import Pair, Pairing
from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules
from scoring.gate.significance import exceeding_p, rise_p
from scoring.gate.standing import count
from scoring.gate.verdict import Figure, Ruling
from scoring.gate.words import State


class Figures(NamedTuple):
    """A quantity of the same cases on both sides, averaged over runs."""

    before: list[float]
    after: list[float]


def _figures(pairs: Sequence[Pair], key: str) -> Figures:
    before, after = [], []
    if all(getattr(row, key) is None for pair in pairs for row in pair.candidate):
        return Figures([], [])
    for pair in pairs:
        one, other = _mean(pair.base, key), _mean(pair.candidate, key)
        if one is not None and other is not None:
            before.append(one)
            after.append(other)
    return Figures(before, after)


def _mean(rows: Sequence[Result], key: str) -> float | None:
    known = [value for row in rows if (value := getattr(row, key)) is not None]
    return sum(known) / len(known) if known else None


def _ratio_p(found: Figures) -> float:
    """Zeros on one side cannot be divided by; the larger figure then counts as a rise or fall beyond any."""
    ratios = [b / a if a > 0 and b > 0 else (1.0 if a == b else 1e6 if b > a else 1e-6) for a, b in zip(*found, strict=True)]
    return rise_p(ratios)


def cost(pairing: Pairing, base: Results, candidate: Results, rules: Rules) -> Ruling:
    """Whether the cases cost more than the budget lets them, against the baseline and each run."""
    budget = rules.budget
    pairs = (*pairing.active, *pairing.known_failing)
    found = _figures(pairs, "cost_usd")
    figures: dict[str, Figure] = {"compared": len(found.after)}
    spent = [row.cost_usd for row in candidate.rows if row.cost_usd is not None]
    each = sum(spent) / len(spent) if spent else None
    figures["usd_per_run"] = each
    if budget.cost_usd_per_run is not None and each is not None and each > budget.cost_usd_per_run:
        return Ruling("cost", State.FAILED, f"a run costs ${each:.6f} and ${budget.cost_usd_per_run:.6f} is the limit", (), figures)
    if budget.cost_ratio is None or not any(row.cost_usd is not None for row in base.rows):
        return Ruling("cost", State.SKIPPED, "no budget is set" if budget.cost_ratio is None else "the baseline has no costs", (), figures)
    if base.header.prices and candidate.header.prices and base.header.prices != candidate.header.prices:
        text = f"priced by {base.header.prices} in the baseline and by {candidate.header.prices} now: reprice one of them to compare"
        return Ruling("cost", State.INCONCLUSIVE, text, (), figures)
    if not any(row.passed is not None for row in candidate.rows):
        return Ruling("cost", State.SKIPPED, "nothing was measured that could have cost something", (), figures)
    if not found.after:
        return Ruling("cost", State.INCONCLUSIVE, "the baseline has costs and the candidate has none: have it priced", (), figures)
    before, after = sum(found.before), sum(found.after)
    ratio = after / before if before > 0 else (1.0 if after == 0 else float("inf"))
    p = _ratio_p(found)
    figures |= {"ratio": ratio if before > 0 else None, "p": p, "budget": budget.cost_ratio}
    moved = f"{count(len(found.after))} cost ${after:.4f}, ${before:.4f} in the baseline"
    return _judged("cost", moved, ratio, budget.cost_ratio, p, budget.alpha, figures)


def latency(pairing: Pairing, candidate: Results, rules: Rules) -> Ruling:
    """Whether the typical case takes longer than the budget lets it, or too many runs take longer than the limit."""
    budget = rules.budget
    found = _figures((*pairing.active, *pairing.known_failing), "latency_ms")
    figures: dict[str, Figure] = {"compared": len(found.after)}
    taken = [row.latency_ms for row in candidate.rows if row.latency_ms is not None]
    if budget.latency_p95_ms is not None and taken:
        over = sum(value > budget.latency_p95_ms for value in taken)
        figures["over_limit"] = over
        if exceeding_p(over, len(taken), 0.05) < budget.alpha:
            text = f"{over:,} of {count(len(taken), 'run')} took longer than {budget.latency_p95_ms:,.0f} ms, and 5% may"
            return Ruling("latency", State.FAILED, text, (), figures)
    if budget.latency_ratio is None or not found.after:
        return Ruling(
            "latency", State.SKIPPED, "no budget is set" if budget.latency_ratio is None else "no latencies on both sides", (), figures
        )
    ratios = [b / a for a, b in zip(*found, strict=True) if a > 0]
    if not ratios:
        return Ruling("latency", State.SKIPPED, "the baseline took no time", (), figures)
    ratio, rise = median(ratios), median(b - a for a, b in zip(*found, strict=True))
    p = _ratio_p(found)
    figures |= {"ratio": ratio, "rise_ms": rise, "p": p, "budget": budget.latency_ratio}
    moved = f"the typical case takes {ratio:.2f} times as long as in the baseline"
    if ratio > budget.latency_ratio and rise <= budget.latency_rise_ms:  # a busier machine, another network: nobody waits for so little
        text = f"{moved}, which is {rise:,.0f} ms; a rise counts from {budget.latency_rise_ms:,.0f} ms"
        return Ruling("latency", State.PASSED, text, (), figures)
    return _judged("latency", moved, ratio, budget.latency_ratio, p, budget.alpha, figures)


def _judged(rule: str, moved: str, ratio: float, allowed: float, p: float, alpha: float, figures: dict[str, Figure]) -> Ruling:
    limit = f"{(allowed - 1) * 100:.0f}% more is allowed"
    if ratio <= allowed:
        return Ruling(rule, State.PASSED, f"{moved} ({limit})", (), figures)
    if p < alpha:
        return Ruling(rule, State.FAILED, f"{moved}; {limit}", (), figures)
    return Ruling(
        rule, State.INCONCLUSIVE, f"{moved}; {limit}, but so few or so uneven figures do not show that it is no accident", (), figures
    )
