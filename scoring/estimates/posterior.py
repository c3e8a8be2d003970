"""The failure rate as a distribution: a Jeffreys posterior a verdict, summed by Monte Carlo with the population shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaincinv

from scoring.estimates.cells import Cells
from scoring.estimates.sample import Floats

DRAWS: Final = 4_000
"""Monte Carlo draws: the limits then wander by 5% of a standard deviation."""
SEED: Final = 20_250_101
"""The default seed: the same file gives the same interval."""
SHARED: Final = 0.7
"""Failures that all groups together are given, before labels are seen, for the lower limit (and passes for the upper one), in
proportion to their labels. Jeffreys' half in every group covers 0.87 at 0.5% failures and 50 labels, 0.76 with a third group of unscored
rows, because the halves add up; shared it covers at least 0.93 (docs/estimates.md)."""
MOST: Final = 0.5
"""What one group is given at most: Jeffreys' prior."""
DARK: Final = 0.25
"""What a group without labels is given; its 95% interval is 0 to 1 for all that matters."""
LEAN: Final = 0.6
"""Passes that every group is given for the lower limit (and failures for the upper one): a little over the half, for the oscillation
that a discrete count brings (Brown, Cai and DasGupta 2001)."""
SEEN: Final = 20
"""Draws that must lie beyond a limit for it to be read off them."""
TINY: Final = 1e-300
"""Keeps a draw of nothing out of nothing at 0."""


@dataclass(frozen=True, slots=True)
class Worth:
    """How many rows of traces are worth one independent row: in the population's shares, and among the labels. At least 1."""

    rows: float = 1.0
    labels: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Draws of the failure rate, (D,) each, with the prior leaning either way: low <= high in each draw."""

    low: Floats
    high: Floats

    def interval(self, level: float) -> tuple[float, float]:
        """The central interval of that level."""
        tail = (1.0 - level) / 2.0
        return _quantile(self.low, tail), _quantile(self.high, 1.0 - tail)


def _quantile(values: Floats, share: float) -> float:
    """That quantile of draws; beyond what they can show, of the beta distribution with their mean and variance."""
    if min(share, 1.0 - share) * len(values) >= SEEN:
        return float(np.quantile(values, share))
    mean, variance = float(values.mean()), float(values.var())
    if variance <= 0.0 or not 0.0 < mean < 1.0:
        return mean
    n = max(mean * (1.0 - mean) / variance - 1.0, TINY)
    return float(betaincinv(n * mean, n * (1.0 - mean), share))


def draw(found: Cells, worth: Worth, seed: int, draws: int = DRAWS) -> Draws:
    """Draws of the population's failure rate."""
    random = np.random.default_rng(seed)
    low, high, mass = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    labels = sum(group.labels for group in found.groups)
    for group in (*found.groups, *(() if found.unlabelled is None else (found.unlabelled,))):
        behind = max(group.rows / worth.rows, 0.5)
        part = random.standard_gamma(behind, draws) * (group.mass / behind)
        prior = min(MOST, SHARED * group.labels / labels) if group.labels > 0 else DARK
        lower, upper = _rates(group.rate, group.labels / worth.labels, prior, random, draws)
        low += part * lower
        high += part * upper
        mass += part
    return Draws(low / mass, high / mass)


def _rates(rate: float, n: float, prior: float, random: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
    """Draws of one group's failure rate, (draws,) each: the prior leaning to passes, and to failures; lower <= upper in each."""
    failures, passes = random.standard_gamma(n * rate + prior, draws), random.standard_gamma(n * (1 - rate) + prior, draws)
    more_failures, more_passes = random.standard_gamma(LEAN - prior, draws), random.standard_gamma(LEAN - prior, draws)
    lower = failures / np.maximum(failures + passes + more_passes, TINY)
    upper = (failures + more_failures) / np.maximum(failures + more_failures + passes, TINY)
    return lower, upper
