"""Whether so few cases could fail a release at all: a pass of a handful of them is no proof, and the verdict has to say so. Pure.

The rules themselves are asked, with made-up runs in which the baseline passes everything and some of the cases fail now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scoring.gate import rates
from scoring.gate.pairing import Pair, Pairing, pair
from scoring.gate.results import Result, Results
from scoring.gate.rules import Rules
from scoring.gate.standing import count
from scoring.gate.words import State

ENOUGH: Final = 50
"""From so many cases on nobody is warned: `smallest_drop` says what they can see."""
MORE: Final = "add cases, or confirm with --critical those that must never fail"


def warning(pairing: Pairing, rules: Rules, allowed: Mapping[str, float] | None) -> str | None:
    """Why a pass says little: so few cases that half of them may fail unseen; None where there are enough.

    allowed: the error of each comparison with the baseline, as `allowances` gives it; None: there is no baseline.
    """
    cases = pairing.active
    if len(cases) >= ENOUGH:
        return None
    alone = frozenset((*pairing.must_pass, *pairing.guarding))
    if not cases:
        return None if alone else f"no case counts for a pass rate, so that a pass proves next to nothing; {MORE}"
    groups = sorted(_pieces(cases), key=lambda group: (not alone.isdisjoint(group), len(group)))

    def fails(broken: Sequence[Sequence[str]]) -> bool:
        return any(not alone.isdisjoint(group) for group in broken) or _fails(cases, broken, rules, allowed)

    if fails(groups[: len(groups) // 2]):
        return None
    few = f"only {count(len(cases))} {'counts' if len(cases) == 1 else 'count'}"
    if len(groups) < len(cases):
        few += f", cut from {count(len(groups), 'conversation')}"
    needed = next((n for n in range(1, len(groups) + 1) if fails(groups[:n])), None)
    if needed is None:
        every = "it failed" if len(cases) == 1 else "all of them failed"
        return f"{few}: even if {every}, the gate would pass, so that a pass proves next to nothing; {MORE}"
    unseen = sum(map(len, groups[: needed - 1]))
    apart = ", those that must pass apart," if alone else ""
    return f"{few}: {unseen} of them{apart} may fail, and the gate still passes; {MORE}" if unseen else None


def _pieces(cases: Sequence[Pair]) -> list[list[str]]:
    """The cases of each conversation, which are one piece of evidence."""
    found: dict[str, list[str]] = {}
    for one in cases:
        found.setdefault(one.cluster, []).append(one.case)
    return list(found.values())


def _fails(cases: Sequence[Pair], groups: Sequence[Sequence[str]], rules: Rules, allowed: Mapping[str, float] | None) -> bool:
    """Whether a rule on rates would fail if just these cases failed."""
    broken = {case for group in groups for case in group}
    before, after = (
        Results(tuple(Result(one.case, 1, is_base or one.case not in broken, cluster=one.cluster, slice=one.slice) for one in cases))
        for is_base in (True, False)
    )
    made = pair(before, after)
    rulings = [rates.floor(made, after, rules)]
    if allowed is not None:
        drop = rates.drop_of(made.active)
        rulings.append(rates.regression("regression", "", drop, rules, allowed["baseline"], in_doubt=State.INCONCLUSIVE))
        rulings.append(rates.slices(made, rules, allowed.get("slices", 0.0)))
    return any(ruling.state is State.FAILED for ruling in rulings)
