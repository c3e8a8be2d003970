"""Whether the last days of a stream lie under its baseline beyond chance: a 7-day mean, and a CUSUM on daily means beside it.

For every possible beginning of a change, 1 to 21 days back, the days since are compared with the days before on the normal scale
(scoring/alerts/normal.py). The CUSUM takes the best of their likelihood ratios "lower by the drop" against "the same" (Page 1954;
window-limited after Lai 1995), for the drop, twice and four times it. The uncertainty of the baseline is part of each deviation, so a young
stream needs no other rule than an old one, only more evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.alerts.baseline import Usual, learn
from scoring.alerts.normal import Numbers, skewness, unskewed, unstudied

WINDOWS: Final = 21
"""Days back that a change may have begun and be looked for."""
GUARD: Final = 7
"""The last days teach nothing about the spread, lest a change that is under way hides itself."""
BEFORE: Final = 7
"""Days with data that must lie before a change."""
ARMED: Final = 14
"""Days of data from which it may speak at all: two of each weekday."""
GROWN: Final = 28
"""Days of data from which it needs no more evidence than in the long run."""
YOUNG: Final = 0.5
"""Added to the threshold of the normal score at ARMED days, none at GROWN."""
MULTIPLES: Final = ((1.0, 0.0), (2.0, 0.7), (4.0, 1.4))
"""Drops that the CUSUM looks for, in multiples of the one asked for, and what each costs: ln of the multiple."""
FEWEST_FAILED: Final = 5
"""Failures that the days since a change must hold: below, one of them more or less would decide."""
CALIBRATED: Final = (0.05, 5.95, 3.36)
"""False alarms in 90 quiet days, both tests together, and the thresholds of CUSUM and week that give them: by simulation
(scripts/drift; docs/alerts.md has the table)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds on the normal scale."""

    cusum: float  # of the logarithm of the likelihood ratio
    week: float  # of the week's deviation

    @classmethod
    def of(cls, false_alarms: float) -> Limits:
        """Those that a quiet stream crosses with that probability in 90 days: extreme deviations of a normal fall off as exp(−z²/2)."""
        level, cusum, week = CALIBRATED
        rarer = math.log(level / false_alarms)
        return cls(cusum + rarer, math.sqrt(max(week**2 + 2 * rarer, 1.0)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last day showed, a row a stream."""

    armed: NDArray[np.bool_]  # enough days and events to say anything
    week_trips: NDArray[np.bool_]
    cusum_trips: NDArray[np.bool_]
    better: NDArray[np.int64]  # days since which it is better than before, beyond chance; 0 = it is not
    usual_rate: Numbers  # failure rate of the baseline before the week
    cusum: Numbers  # logarithm of the likelihood ratio, at its best beginning
    began: NDArray[np.int64]  # days ago that the change began, for the test that trips (1 = today)
    before: Numbers  # failure rate before it began
    usual: Usual


def look(
    n: Numbers,
    failed: Numbers,
    weekdays: NDArray[np.int64],
    *,
    limits: Limits,
    drop: float,
    week: int = 7,
    baseline: int = 56,
    fewest: int = 100,
    cusum: bool = True,
) -> Seen:
    """Judges the last column. n, failed: streams × days, oldest first; a day that shall not count has n = 0."""
    long = n.shape[1]
    learned = slice(0, max(long - GUARD, min(long, BEFORE)))
    usual = learn(n[:, learned], failed[:, learned], weekdays[learned])
    inflation = 1 + np.maximum(n - 1, 0) * usual.rho[:, None]
    events = n / inflation
    bad = (failed - n * usual.weekday[:, weekdays]) / inflation
    windows = np.arange(1, min(max(WINDOWS, week), long - 1) + 1)
    if not windows.size:
        return _nothing(len(n), usual)
    starts = long - windows
    since_n, since_bad, before_n, before_bad = _split(events, bad, starts, baseline)
    raw_failed = _since(failed, starts)
    typical = np.where(n > 0, n, 0).sum(1) / np.maximum((n > 0).sum(1), 1)
    rate = np.clip((before_bad + 0.5) / (before_n + 1), 1e-4, 1 - 1e-4)
    share = since_n / np.maximum(_since(n, starts), 1e-9)  # of an event that counts
    now = np.clip((since_bad - share / 2) / np.maximum(since_n, 1e-9), 0.0, 1.0)  # half a failure less: counts move in steps
    weight = before_n * since_n / np.maximum(before_n + since_n, 1e-9)
    unsure = np.sqrt(rate * (1 - rate) / np.maximum(before_n, 1e-9))
    cautious = np.minimum(rate + unsure / 2, 1 - 1e-4)  # a rate that is too low by chance must not make the days look too steady
    error = np.sqrt(np.maximum(cautious * (1 - cautious), rate * (1 - rate)) / np.maximum(weight, 1e-9))
    skew = _skew(typical, usual, rate, since_n, weight, n, events)
    skew = np.maximum(skew, 0.0)  # above 50% failures it would be negative, and make a firing easier
    score = unstudied(unskewed((now - rate) / error, skew), usual.freedom[:, None])
    told = (since_n > 0) & (_since((n > 0).astype(float), np.array([0])) - _since((n > 0).astype(float), starts) >= BEFORE)
    days = (n > 0).sum(1)
    armed = (days >= ARMED) & (_since(n, np.array([0]))[:, 0] >= fewest) & (n[:, -1] > 0)
    hard = YOUNG * np.clip((GROWN - days) / (GROWN - ARMED), 0.0, 1.0)
    can = told & (raw_failed >= FEWEST_FAILED) & armed[:, None]
    score_worse = np.where(can, score - hard[:, None], -9.0)
    ratio = np.full(score.shape, -9.0)
    for multiple, cost in MULTIPLES if cusum else ():
        reach = drop * multiple / error
        ratio = np.maximum(ratio, np.where(can, reach * score_worse - reach**2 / 2 - cost, -9.0))
    best = ratio.argmax(1)
    rows = np.arange(len(n))
    at = min(week, windows.size) - 1
    fell = now[:, at] - rate[:, at]
    week_trips = (score_worse[:, at] >= limits.week) & (fell + error[:, at] > drop) & (windows.size >= week)
    cusum_trips = ratio[rows, best] >= limits.cusum
    began = np.where(cusum_trips, windows[best], np.where(week_trips, windows[at], 0))
    chosen = np.where(cusum_trips, best, at)
    gain = np.where(told & armed[:, None] & (windows >= BEFORE) & (rate - now > drop / 2), -score, -9.0)
    better = np.where(gain.max(1) >= limits.week, windows[gain.argmax(1)], 0)
    return Seen(armed, week_trips, cusum_trips, better, rate[:, at], ratio[rows, best], began, rate[rows, chosen], usual)


def _split(events: Numbers, bad: Numbers, starts: NDArray[np.int64], baseline: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Sums since each start, and of the baseline before it."""
    sums = []
    for values in (events, bad):
        running = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, 1)], 1)
        first = np.maximum(starts - baseline, 0)
        sums += [running[:, [-1]] - running[:, starts], running[:, starts] - running[:, first]]
    return sums[0], sums[2], sums[1], sums[3]


def _since(values: Numbers, starts: NDArray[np.int64]) -> Numbers:
    running = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, 1)], 1)
    return np.asarray(running[:, [-1]] - running[:, starts])


def _skew(typical: Numbers, usual: Usual, rate: Numbers, since_n: Numbers, weight: Numbers, n: Numbers, events: Numbers) -> Numbers:
    """Of the deviation of the days since each start: that of a day, less with more days and with an unsure baseline."""
    of_day = skewness(np.maximum(typical, 1.0)[:, None], rate, usual.rho[:, None])
    a_day = events.sum(1) / np.maximum((n > 0).sum(1), 1)
    days = since_n / np.maximum(a_day, 1e-9)[:, None]
    return np.asarray(of_day / np.sqrt(np.maximum(days, 1e-2)) * (weight / np.maximum(since_n, 1e-9)) ** 1.5)


def _nothing(streams: int, usual: Usual) -> Seen:
    no, none, unknown = np.zeros(streams, bool), np.zeros(streams, np.int64), np.full(streams, np.nan)
    return Seen(no, no, no, none, unknown, np.full(streams, -9.0), none, unknown, usual)
