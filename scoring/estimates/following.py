"""Bounds that may be looked at every day: `score --follow` shows these, or no verdict.

Who looks daily and stops when it looks bad is wrong far more often than 5%. Day t's look therefore spends level/(t (t + 1)) of the error,
which adds up to the level over all days (Bonferroni over looks, no end date needed). Days are looked at whole, and are the clusters:
failures vary from day to day by more than chance (SPREAD), and methods that bet on single answers cry wolf then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from scoring.estimates.cells import cells
from scoring.estimates.clustering import Guess, clustering
from scoring.estimates.estimate import LEVEL
from scoring.estimates.posterior import DRAWS, SEED, Worth, draw
from scoring.estimates.sample import Sample

FEWEST_DAYS: Final = 3
"""Whole days with labels before anything is said."""
SPREAD: Final = Guess(alike=0.01, firm=5.0, seen=5.0)
"""How alike rows of a day are taken to be before the days themselves say: a rate of 8% that wanders by 3 points from day to day."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The mean failure rate of the days so far."""

    rate: float
    low: float
    high: float
    level: float  # that all days' bounds hold together
    days: int
    n_labels: int


def follow(sample: Sample, days: Sequence[date], *, level: float = LEVEL, seed: int = SEED, draws: int = DRAWS) -> Bounds | None:
    """Bounds after the last of `days` (one entry a row, whole days only, in any order); None = no verdict yet."""
    ordinal = np.array([day.toordinal() for day in days], np.int64)
    looks = len(np.unique(ordinal[sample.has_label]))
    if looks < FEWEST_DAYS:
        return None
    found = cells(sample)
    spent = 1.0 - (1.0 - level) / (looks * (looks + 1))
    daily = clustering(replace(sample, cluster=ordinal), found, spent, SPREAD)
    traces = clustering(sample, found, spent)
    effects = [one.worth for one in (daily, traces) if one is not None]
    worth = Worth(max((one.rows for one in effects), default=1.0), max((one.labels for one in effects), default=1.0))
    rate = found.rate
    assert rate is not None  # there are labels
    low, high = draw(found, worth, seed, draws).interval(spent)
    return Bounds(rate, max(0.0, min(low, rate)), min(1.0, max(high, rate)), level, looks, int(sample.has_label.sum()))
