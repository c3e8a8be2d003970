"""The statistics a verdict stands on: an exact paired test, an upper bound for a rate, Holm's correction, the smallest drop that shows.

Pure; numbers in, numbers out. Rates and drops are shares (0.02 = two points), p-values are one-sided against "no worse than before".

Sources: mid-p McNemar: Fagerland, Lydersen and Laake, BMC Med Res Methodol 13:91 (2013). Sign-flip test: Fisher's paired randomisation
test; with one run a case it is McNemar's exact test. Bound for clustered shares: Korn and Graubard, Survey Methodology 24 (1998): Clopper
and Pearson's interval at the effective sample size. Holm: Scand J Statist 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, TypeVar

import numpy as np
from scipy.special import betainc, betaincinv, ndtr, ndtri, stdtrit  # scipy.stats takes half a second to import

CELLS: Final = 2_000_000
"""Size up to which the exact distribution is worked out; beyond it (hundreds of thousands of runs) the normal one is as good."""

Size = TypeVar("Size", int, float)

POWER: Final = 0.8
"""Chance with which the smallest detectable drop is found."""


def sign_flip_p(drops: Sequence[Fraction | int], cells: int = CELLS) -> float:
    """One-sided mid-p of the sum of `drops`, one a cluster (baseline minus candidate), if each could as well have had the other sign.

    That is what no change means: a case's results on the two sides could be swapped. Exact, and 1.0 where nothing differs. With drops of
    +1 and −1 it is McNemar's mid-p test.
    """
    exact = [Fraction(drop) for drop in drops if drop]
    if not exact:
        return 1.0
    unit = math.lcm(*(drop.denominator for drop in exact))
    steps = [int(drop * unit) for drop in exact]
    total, observed = sum(map(abs, steps)), sum(steps)
    if total > cells:
        return float(ndtr(-observed / math.sqrt(sum(step * step for step in steps))))
    positive = np.ones(1)  # chances of the sum of those steps whose sign is plus
    for size, count in sorted(_counted(map(abs, steps)).items()):
        share = _halves(count)
        wider = np.zeros(len(positive) + size * count)
        for k, chance in enumerate(share):
            wider[k * size : k * size + len(positive)] += chance * positive
        positive = wider
    at = (observed + total) // 2
    return float(positive[at + 1 :].sum() + positive[at] / 2)


def _counted(sizes: Iterable[Size]) -> dict[Size, int]:
    counts: dict[Size, int] = {}
    for size in sizes:
        counts[size] = counts.get(size, 0) + 1
    return counts


def _halves(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Chances of 0 … count heads of a fair coin."""
    k = np.arange(count + 1)
    log = math.lgamma(count + 1) - np.array([math.lgamma(i + 1) + math.lgamma(count - i + 1) for i in k])
    chances: np.ndarray[tuple[int], np.dtype[np.float64]] = np.exp(log - count * math.log(2))
    return chances


class Share(NamedTuple):
    """A pass rate and how much independent evidence it stands on."""

    rate: float
    effective: float  # independent cases it is worth
    clusters: int
    cases: int

    def upper(self, confidence: float) -> float:
        """Upper end of the two-sided interval of that confidence."""
        passed, n = self.rate * self.effective, self.effective
        return 1.0 if n - passed < 1e-9 else float(betaincinv(passed + 1, n - passed, 1 - (1 - confidence) / 2))

    def lower(self, confidence: float) -> float:
        """Lower end of the two-sided interval of that confidence."""
        passed, n = self.rate * self.effective, self.effective
        return 0.0 if passed < 1e-9 else float(betaincinv(passed, n - passed + 1, (1 - confidence) / 2))

    def p_below(self, floor: float) -> float:
        """Chance of a rate this low or lower if the true one were the floor."""
        passed, n = self.rate * self.effective, self.effective
        return 1.0 if n - passed < 1e-9 else float(1 - betainc(passed + 1, n - passed, floor))


def share(rates: Sequence[tuple[float, Hashable]]) -> Share:
    """The mean of `rates` (a case's pass rate, its cluster), with the effective sample size that the clusters leave.

    Raises ValueError where there is no case.
    """
    if not rates:
        raise ValueError("a share of no cases")
    n = len(rates)
    mean = sum(rate for rate, _ in rates) / n
    deviations: dict[Hashable, float] = {}
    for rate, cluster in rates:
        deviations[cluster] = deviations.get(cluster, 0.0) + rate - mean
    m = len(deviations)
    if m < 2:
        return Share(mean, 1.0, m, n)
    variance = sum(value * value for value in deviations.values()) / (n * n) * m / (m - 1)
    binomial = mean * (1 - mean)
    if variance <= 0 or binomial <= 0:
        return Share(mean, float(m), m, n)
    few = float(stdtrit(n - 1, 0.975) / stdtrit(m - 1, 0.975)) ** 2 if m < n else 1.0
    return Share(mean, max(1.0, binomial / variance * few), m, n)


def holm(p_values: Mapping[str, float], alpha: float) -> dict[str, float]:
    """Name -> the threshold its p-value is held against by Holm's step-down method; a rejected one's p lies below its threshold."""
    thresholds: dict[str, float] = {}
    stopped: float | None = None
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        limit = stopped if stopped is not None else alpha / (len(p_values) - rank)
        thresholds[name] = limit
        if stopped is None and p_values[name] >= limit:
            stopped = limit
    return thresholds


def smallest_drop(drops: Sequence[Fraction | int], cases: int, margin: float, alpha: float) -> float:
    """The true drop that this comparison would fail with a chance of 0.8, given the noise seen in `drops` (one a cluster)."""
    seen = max(sum(float(drop) ** 2 for drop in drops) - abs(float(sum(drops))), 0.0)
    return detectable_drop(seen / cases, cases, margin, alpha)


def detectable_drop(noise: float, cases: int, margin: float, alpha: float) -> float:
    """The true drop found with a chance of 0.8 where a case's squared difference between two equal sides is `noise` on average.

    The rule asks for more than `margin` and for significance, so the answer never lies below the margin. 1.0 where even a total loss
    would not do.
    """
    needed, sure = float(-ndtri(alpha)), float(ndtri(POWER))

    def shows(drop: float) -> bool:
        spread = math.sqrt((noise + drop) / cases)
        return drop >= max(needed * spread, margin) + sure * math.sqrt(max(noise + drop - drop * drop, 0.0) / cases)

    low, high = 0.0, 1.0
    if not shows(high):
        return 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def rise_p(ratios: Sequence[float]) -> float:
    """One-sided mid-p of Wilcoxon's signed-rank test that ratios (candidate over baseline, one a case) lie above 1; 1.0 where none differs.

    The sign-flip test of the ranks, so exact with ties too; normal beyond some fifty cases.
    """
    logs = [math.log(ratio) for ratio in ratios if ratio != 1.0]
    sizes = _counted([abs(log) for log in logs])
    twice_rank: dict[float, int] = {}  # ties share the mean of their ranks
    below = 0
    for size, count in sorted(sizes.items()):
        twice_rank[size] = 2 * below + count + 1
        below += count
    return sign_flip_p([twice_rank[abs(log)] * (1 if log > 0 else -1) for log in logs], cells=3000)


def exceeding_p(over: int, n: int, share_allowed: float) -> float:
    """Chance of `over` or more of `n` above a limit, if the share above it were `share_allowed`."""
    return 1.0 if over == 0 else float(betainc(over, n - over + 1, share_allowed))
