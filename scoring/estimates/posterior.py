"""The failure rate as a distribution: a Jeffreys posterior for each verdict, summed by Monte Carlo over the population's shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import betaincinv

from scoring.estimates.cells import Cells, Group
from scoring.estimates.sample import Floats

DRAWS: Final = 4_000
"""Monte Carlo draws: the limits then wander by 5% of a standard deviation."""
SEED: Final = 20_250_101
"""The default seed: the same file gives the same interval."""
JEFFREYS: Final = 0.5
"""Failures, and passes, that a group is given before its labels are seen."""
SHARED: Final = 0.7
"""What all groups together are given instead, in proportion to their labels, of the kind that few labels show: failures for the lower
limit, passes for the upper one. Halves add up: with a half in each the lower limit lies above the truth too often, and 0.5% failures at
50 labels are covered to 0.87, with a third group of unscored rows to 0.76 (docs/estimates.md)."""
LEAN: Final = 0.6
"""What a group is given of the other kind while few labels show it: a little over the half, for the waves in the coverage of a discrete
count (Brown, Cai and DasGupta 2001)."""
NONE_SEEN: Final = 1.0
"""What a group with all the labels is given of a kind that no label shows, others in proportion, at least LEAN: 0 failures in 100 labels
then reach up to 3.6%, as Clopper and Pearson's do, where Jeffreys' 2.5% lies below a true 2.7% whenever chance shows none, in 6.5% of all
samples (the modified Jeffreys interval of Brown, Cai and DasGupta 2001)."""
FADES: Final = 10.0
"""Labelled failures (or passes) at which those two have gone half the way back to Jeffreys' prior: with many, the halves do not matter."""
DARK: Final = 0.25
"""What a group without labels is given; its 95% interval is 0 to 1 for all that matters."""
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
    """Draws of the failure rate, (D,) each, by the priors for the lower and for the upper limit: low <= high in each draw."""

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
    labels = sum(group.labels for group in found.groups)
    failures = sum(group.labels * group.rate for group in found.groups) / worth.labels
    few_failures, few_passes = (_Few.of(seen) for seen in (failures, labels / worth.labels - failures))
    low, high, mass = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    for group in (*found.groups, *(() if found.unlabelled is None else (found.unlabelled,))):
        behind = max(group.rows / worth.rows, 0.5)
        part = random.standard_gamma(behind, draws) * (group.mass / behind)
        prior = _prior(group, labels, few_failures, few_passes)
        lower, upper = _rates(group.rate, group.labels / worth.labels, prior, random, draws)
        low += part * lower
        high += part * upper
        mass += part
    return Draws(low / mass, high / mass)


class _Prior(NamedTuple):
    """Counts before the labels; for the upper limit failures are the more, for the lower one passes."""

    failures_low: float
    failures_high: float
    passes_low: float  # in the draws of the lower limit: the more
    passes_high: float


class _Few(NamedTuple):
    """How few labels show a kind, failures or passes: both from 1 (none) downwards."""

    fades: float
    none: float  # 0 from one label on

    @classmethod
    def of(cls, seen: float) -> _Few:
        return cls(FADES / (FADES + seen), max(0.0, 1.0 - seen))


def _prior(group: Group, labels: float, failures: _Few, passes: _Few) -> _Prior:
    if group.labels <= 0:
        return _Prior(DARK, 1 - DARK, 1 - DARK, DARK)
    share = group.labels / labels
    less = min(JEFFREYS, SHARED * share) - JEFFREYS
    more_failures, more_passes = (max(LEAN, NONE_SEEN * few.none * share) - JEFFREYS for few in (failures, passes))
    return _Prior(
        JEFFREYS + failures.fades * less,
        JEFFREYS + failures.fades * more_failures,
        JEFFREYS + passes.fades * more_passes,
        JEFFREYS + passes.fades * less,
    )


def _rates(rate: float, n: float, prior: _Prior, random: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
    """Draws of one group's failure rate, (draws,) each, by both priors; lower <= upper in each, since a gamma sum is a gamma."""
    failures = random.standard_gamma(n * rate + prior.failures_low, draws)
    passes = random.standard_gamma(n * (1 - rate) + prior.passes_high, draws)
    more_failures = failures + random.standard_gamma(prior.failures_high - prior.failures_low, draws)
    more_passes = passes + random.standard_gamma(prior.passes_low - prior.passes_high, draws)
    return failures / np.maximum(failures + more_passes, TINY), more_failures / np.maximum(more_failures + passes, TINY)
