"""Rules that look at pass rates: floor, regression against the baseline, drift against the anchor, slices.

One function a rule, each pure and with one ruling as its answer. Rates weigh every case equally, however often it ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from scoring.gate.pairing import Pair, Pairing
from scoring.gate.results import Results
from scoring.gate.rules import Rules
from scoring.gate.significance import Share, holm, share, sign_flip_p, smallest_drop
from scoring.gate.standing import count
from scoring.gate.verdict import Ruling
from scoring.gate.words import State


class Drop(NamedTuple):
    """How far the candidate lies below the other side, over some cases."""

    before: Fraction
    after: Fraction
    p: float
    worse: tuple[str, ...]
    better: tuple[str, ...]
    clusters: tuple[Fraction, ...]  # summed drop of each conversation
    cases: int

    @property
    def size(self) -> Fraction:
        """Share of cases lost; below 0 where the candidate is better."""
        return self.before - self.after

    def over(self, margin: float) -> bool:
        """Whether it exceeds the margin; exactly the margin does not."""
        return self.size > Fraction(str(margin))


def drop_of(pairs: Sequence[Pair]) -> Drop | None:
    """The drop over these pairs; None where there are none."""
    if not pairs:
        return None
    clusters: dict[str, Fraction] = {}
    worse: list[Pair] = []
    better: list[Pair] = []
    zero = Fraction(0)
    for pair in pairs:
        if pair.base_passed != pair.candidate_passed:
            drop = pair.drop
            clusters[pair.cluster] = clusters.get(pair.cluster, zero) + drop
            (worse if drop > 0 else better).append(pair)
    n = len(pairs)
    passed: dict[int, int] = {}  # by number of runs, so that few fractions are added
    for pair in pairs:
        passed[pair.runs] = passed.get(pair.runs, 0) + pair.base_passed
    before = sum((Fraction(total, runs) for runs, total in passed.items()), zero) / n
    after = before - sum(clusters.values(), zero) / n
    p = sign_flip_p(list(clusters.values()))
    by_size = sorted(worse, key=lambda pair: (-pair.drop, pair.case)), sorted(better, key=lambda pair: (pair.drop, pair.case))
    names = [tuple(pair.case for pair in side) for side in by_size]
    return Drop(before, after, p, names[0], names[1], tuple(clusters.values()), n)


def percent(rate: float | Fraction) -> str:
    """`93.5%`."""
    return f"{float(rate) * 100:.1f}%"


def points(drop: float | Fraction) -> str:
    """`6.0 points`."""
    return f"{abs(float(drop)) * 100:.1f} points"


def regression(rule: str, other: str, drop: Drop | None, rules: Rules, alpha: float, *, in_doubt: State) -> Ruling:
    """Whether the candidate passes less than the other side, by more than the margin and by more than chance.

    `in_doubt` is the state of a drop over the margin that chance could have made.
    """
    if drop is None:
        return Ruling(rule, State.SKIPPED, f"no case stands on both sides, here and in {other}")
    margin = rules.regression.margin
    reach = smallest_drop(drop.clusters, drop.cases, margin, alpha)
    figures: dict[str, float | int | str | None] = {
        "before": float(drop.before),
        "after": float(drop.after),
        "drop": float(drop.size),
        "worse": len(drop.worse),
        "better": len(drop.better),
        "cases": drop.cases,
        "p": drop.p,
        "alpha": alpha,
        "margin": margin,
        "smallest_drop": reach,
    }
    turned = f"{len(drop.worse)} worse, {len(drop.better)} better, of {count(drop.cases)}"
    moved = f"{percent(drop.before)} in {other}, {percent(drop.after)} now ({turned})"
    chance = f"chance alone does this in {_odds(drop.p)}"
    if not drop.over(margin):
        kind = "no drop" if drop.size <= 0 else f"{points(drop.size)} down, within the margin of {points(margin)}"
        return Ruling(rule, State.PASSED, f"{moved}: {kind}", drop.worse, figures)
    if drop.p < alpha:
        return Ruling(
            rule, State.FAILED, f"{moved}: {points(drop.size)} down; {chance}, below the {percent(alpha)} allowed", drop.worse, figures
        )
    text = f"{moved}: {points(drop.size)} down, but {chance}, above the {percent(alpha)} allowed; --repeat 3 would tell more"
    return Ruling(rule, in_doubt, text, drop.worse, figures)


def _odds(p: float) -> str:
    return "fewer than 0.1% of comparisons" if p < 0.001 else f"{percent(p)} of comparisons"


def floor(pairing: Pairing, candidate: Results, rules: Rules) -> Ruling:
    """Whether the share that passes may still lie at the floor, overall and in each slice (the slices by Holm's method)."""
    cases = _counted(pairing, candidate, rules)
    if not cases:
        return Ruling("floor", State.SKIPPED, "no case counts for the floor: the baseline passes none of those it shares")
    level = rules.floor.confidence
    alpha = (1 - level) / 2
    whole = share([(rate, cluster) for rate, cluster, _ in cases])
    figures: dict[str, float | int | str | None] = {
        "rate": whole.rate,
        "upper": whole.upper(level),
        "floor": rules.floor.rate,
        "cases": whole.cases,
        "effective_cases": whole.effective,
        "all_rate": _all_rate(pairing),
    }
    low: list[str] = []
    if whole.p_below(rules.floor.rate) < alpha:
        low.append(_below("overall", whole, rules.floor.rate, level))
    groups: dict[str, list[tuple[float, str]]] = {}
    for rate, cluster, name in cases:
        if name is not None:
            groups.setdefault(name, []).append((rate, cluster))
    shares = {name: share(group) for name, group in sorted(groups.items())}
    floors = {name: rules.floor.slices.get(name, rules.floor.rate) for name in shares}
    p_values = {name: one.p_below(floors[name]) for name, one in shares.items()}
    for name, threshold in holm(p_values, alpha).items():
        if p_values[name] < threshold:
            low.append(_below(f"slice {name}", shares[name], floors[name], 1 - 2 * threshold))
    kind = "cases that the baseline passes" if _counts_held(pairing, rules) else "cases"
    if low:
        return Ruling("floor", State.FAILED, f"of the {kind}: {'; '.join(low)}{_shaky(pairing, rules)}", (), figures)
    kind = kind.removesuffix("s") if kind == "cases" and whole.cases == 1 else kind
    reach, most = f"{percent(whole.rate)} of the {whole.cases:,} {kind} pass", percent(whole.upper(level))
    text = f"{reach} (may be up to {most}); {percent(rules.floor.rate)} must"
    if whole.rate < rules.floor.rate:
        text = f"{reach}, and {percent(rules.floor.rate)} must; but so few leave it possible that up to {most} would"
    return Ruling("floor", State.PASSED, text + _remark(pairing, rules), (), figures)


def _counts_held(pairing: Pairing, rules: Rules) -> bool:
    """Whether only cases that the baseline passes count: not where it fails so many that it is no measure."""
    failing = sum(not pair.is_held for pair in pairing.active)
    return rules.floor.counts == "held" and failing <= rules.floor.baseline_may_fail * len(pairing.active)


def _counted(pairing: Pairing, candidate: Results, rules: Rules) -> list[tuple[float, str, str | None]]:
    """Pass rate, cluster and slice of each case that the floor is about."""
    if _counts_held(pairing, rules):
        return [(pair.candidate_passed / pair.runs, pair.cluster, pair.slice) for pair in pairing.active if pair.is_held]
    known = {pair.case for pair in pairing.known_failing} | set(pairing.set_aside)
    found = []
    for case, rows in candidate.by_case.items():
        measured = [row for row in rows if row.passed is not None]
        if case not in known and measured and rows[0].status != "known_failing":
            rate = sum(bool(row.passed) for row in measured) / len(measured)
            found.append((rate, rows[0].cluster or f"\0{case}", rows[0].slice))
    return found


def _all_rate(pairing: Pairing) -> float | None:
    if not pairing.active:
        return None
    return sum(pair.candidate_passed / pair.runs for pair in pairing.active) / len(pairing.active)


def _below(name: str, one: Share, floor_rate: float, level: float) -> str:
    return f"{name} {percent(one.rate)} of {one.cases:,} pass, at most {percent(one.upper(level))} ({percent(floor_rate)} must)"


def _shaky(pairing: Pairing, rules: Rules) -> str:
    """Where cases flicker so much that the baseline would not hold the floor either, the set is at fault and not the release."""
    if not pairing.active:
        return ""
    before = sum(pair.base_passed / pair.runs for pair in pairing.active) / len(pairing.active)
    return f"; the baseline passes {percent(before)} of all: the set or its grader is at fault too" if before < rules.floor.rate else ""


def _remark(pairing: Pairing, rules: Rules) -> str:
    """What the floor does not say: how many cases the baseline itself fails."""
    failing = sum(not pair.is_held for pair in pairing.active)
    rate = _all_rate(pairing)
    if _counts_held(pairing, rules) and rate is not None and rate < rules.floor.rate and failing:
        stand, them = ("stands", "it") if failing == 1 else ("stand", "them")
        return f"; {count(failing)} that the baseline fails {stand} outside, and with {them} the rate is {percent(rate)}"
    return ""


def slices(pairing: Pairing, rules: Rules, alpha: float) -> Ruling:
    """Whether a slice fell while the whole held: each by the same test, all together by Holm's method."""
    drops = {name: drop for name, pairs in pairing.slices().items() if (drop := drop_of(pairs))}
    if len(drops) < 2:
        return Ruling("slices", State.SKIPPED, "there are not two slices to tell apart")
    thresholds = holm({name: drop.p for name, drop in drops.items()}, alpha)
    fallen = [name for name, drop in drops.items() if drop.over(rules.regression.margin) and drop.p < thresholds[name]]
    figures: dict[str, float | int | str | None] = {"slices": len(drops), "alpha": alpha}
    for name, drop in drops.items():
        figures[f"drop:{name}"] = float(drop.size)
        figures[f"p:{name}"] = drop.p
    if fallen:
        told = [
            f"{name} {percent(drops[name].before)} before, {percent(drops[name].after)} now "
            f"({points(drops[name].size)} down; chance does this in {_odds(drops[name].p)})"
            for name in fallen
        ]
        broken = tuple(case for name in fallen for case in drops[name].worse)
        return Ruling("slices", State.FAILED, "; ".join(told), broken, figures)
    lowest = max(drops, key=lambda name: drops[name].size)
    if drops[lowest].size <= 0:
        return Ruling("slices", State.PASSED, f"none of {len(drops)} slices fell", (), figures)
    most = f"{lowest}, by {points(drops[lowest].size)} of {count(drops[lowest].cases)}"
    text = f"none of {len(drops)} slices fell by more than chance; the most, {most}"
    return Ruling("slices", State.PASSED, text, (), figures)
