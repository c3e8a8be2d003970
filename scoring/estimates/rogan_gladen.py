"""The failure rate of rows that nobody labelled, from the judge's error rates on older labels (Rogan and Gladen 1978).

Labels of another time say how often the judge errs on a failure and on a pass; they say nothing of how many failures there are now. The
interval holds while the judge errs as it did, whatever became of the failure rate; where topics moved, so may its errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.estimates.sample import Floats, Sample

GRID: Final = 2_001
"""Failure rates that are tried."""
PRIOR: Final = 0.5


@dataclass(frozen=True, slots=True)
class Corrected:
    """The corrected rate; None where the judge cannot tell failures from passes."""

    rate: float | None
    low: float
    high: float


def corrected(sample: Sample, level: float, seed: int, draws: int, design_effect: float = 1.0) -> Corrected:
    """The failure rate of the rows without a label, the labelled rows being of an earlier time.

    The interval holds every rate r for which judge share = r * TPR + (1 - r) * (1 - TNR) is credible (Fieller's construction, by Monte
    Carlo over Jeffreys posteriors): a judge that hardly tells the two apart gives an interval as wide as it deserves.
    """
    has, scored = sample.has_label, ~np.isnan(sample.verdict)
    random = np.random.default_rng(seed)
    new, old = ~has & scored, has & scored
    weights = 1.0 / sample.p
    judged = _posterior(random, sample.verdict[new], weights[new], design_effect, draws)
    seen, alarm = (
        _posterior(random, sample.verdict[rows], sample.label_weight[rows], design_effect, draws)
        for rows in (old & (sample.label == 1), old & (sample.label == 0))
    )
    rates = np.linspace(0.0, 1.0, GRID)
    tail = (1 - level) / 2
    above, slope = judged.draws - alarm.draws, seen.draws - alarm.draws
    share = np.array([np.count_nonzero(above > rate * slope) for rate in rates]) / draws
    credible = rates[(share >= tail) & (share <= 1 - tail)]
    gap = seen.mean - alarm.mean
    rate = None if np.isnan(gap) or np.isnan(judged.mean) or gap <= 0 else min(max((judged.mean - alarm.mean) / gap, 0.0), 1.0)
    if not len(credible):  # the judged share lies beyond what any rate explains: the nearest end is the estimate
        end = 0.0 if share[0] < tail else 1.0
        return Corrected(end if rate is None else rate, *((0.0, rates[1]) if end == 0.0 else (rates[-2], 1.0)))
    low, high = float(credible.min()), float(credible.max())
    return Corrected(rate, low if rate is None else min(low, rate), high if rate is None else max(high, rate))


@dataclass(frozen=True, slots=True, eq=False)
class _Posterior:
    mean: float  # nan without rows
    draws: Floats


def _posterior(random: np.random.Generator, values: Floats, weights: Floats, design_effect: float, draws: int) -> _Posterior:
    if not len(values):
        return _Posterior(np.nan, random.beta(PRIOR, PRIOR, draws))
    mean = float(np.average(values, weights=weights))
    n = float(weights.sum() ** 2 / (weights**2).sum()) / design_effect
    return _Posterior(mean, random.beta(n * mean + PRIOR, n * (1 - mean) + PRIOR, draws))
