"""What a stream of days usually is: its rate, its weekdays, and how much more its days differ than chance explains.

Every function takes many streams at once (rows) over the same days (columns), so that hundreds of slices cost little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.alerts.normal import Numbers

TAU: Final = 0.02
"""How much the daily rate is thought to vary from day to day, as a standard deviation, before a stream has shown it."""
TAU_UNSURE: Final = 0.00025
"""How unsure that is, as the standard deviation of its square. The spread of a stream is drawn towards TAU as strongly as its days leave
it open: much at 50 events a day, little at 1,000."""
WEEKDAYS_FROM: Final = 14
"""Days of baseline from which weekdays are told apart."""
WEEKDAYS_EVIDENCE: Final = 2.0
"""Weekdays must differ by more than this many times what noise makes of them (an F ratio), and what lies beyond counts."""
OUTLIER: Final = 4.0
"""A day further off than so many standard deviations counts as if it were just so far off: one outage must not blind the test."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual, a row a stream."""

    weekday: Numbers  # streams × 7: how far the failure rate of a weekday lies from the mean
    rho: Numbers  # correlation of events within a day: 0 = days differ by chance alone
    freedom: Numbers  # degrees of freedom of that spread
    days: Numbers  # days with data that it was learned from
    events: Numbers  # events on those days


def learn(n: Numbers, failed: Numbers, weekdays: NDArray[np.int64]) -> Usual:
    """From counts a stream and day; days without events teach nothing."""
    has = n > 0
    days = has.sum(1).astype(float)
    events = n.sum(1)
    rate = (failed.sum(1) + 0.5) / (events + 1)
    chance = rate * (1 - rate)
    expected = chance[:, None] / np.maximum(n, 1) + TAU**2  # of a day's rate, before anything is learned
    off = np.where(has, failed / np.maximum(n, 1) - rate[:, None], 0.0)
    weight = np.where(has, 1 / expected, 0.0)
    off -= (off * weight).sum(1, keepdims=True) / np.maximum(weight.sum(1, keepdims=True), 1e-12) * has
    shift, used = _weekdays(off, weight, has, weekdays)
    rest = _held_in((off - shift[:, weekdays]) * has, expected, has)
    freedom = np.maximum(days - 1 - used, 1.0)
    loss = (days / freedom)[:, None]
    precise = np.where(has, 1 / expected**2, 0.0)
    found = (precise * (rest**2 * loss - chance[:, None] / np.maximum(n, 1))).sum(1) / np.maximum(precise.sum(1), 1e-12)
    prior = 2 * days / np.maximum(precise.sum(1), 1e-12) / TAU_UNSURE**2  # days that TAU is worth
    prior *= np.clip(2 * TAU**2 / np.maximum(found, 1e-12), 0.0, 1.0) ** 2  # a spread that is plainly larger is believed
    tau2 = np.clip((freedom * found + prior * TAU**2) / (freedom + prior), 0.0, None)
    return Usual(shift, np.minimum(tau2 / chance, 0.5), freedom + prior, days, events)


def _weekdays(off: Numbers, weight: Numbers, has: NDArray[np.bool_], weekdays: NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    """How far each weekday lies from the mean, drawn towards nothing as far as noise could have done it; and degrees of freedom used."""
    of_day = np.eye(7)[weekdays]  # days × 7
    mass = weight @ of_day
    effect = (off * weight) @ of_day / np.maximum(mass, 1e-12)
    kinds = (mass > 0).sum(1)
    within = (weight * (off - effect[:, weekdays]) ** 2).sum(1) / np.maximum(has.sum(1) - kinds, 1)
    between = (mass * effect**2).sum(1) / np.maximum(kinds - 1, 1)
    kept = np.clip(1 - WEEKDAYS_EVIDENCE * within / np.maximum(between, 1e-12), 0.0, 1.0) * (has.sum(1) >= WEEKDAYS_FROM)
    return effect * kept[:, None], np.maximum(kinds - 1, 0) * kept


def _held_in(off: Numbers, expected: Numbers, has: NDArray[np.bool_]) -> Numbers:
    known = has | ~has.any(1, keepdims=True)  # a stream without data has a median too: of nothing but zeros
    typical = 1.4826 * np.nanmedian(np.where(known, np.abs(off), np.nan), axis=1, keepdims=True)
    most = OUTLIER * np.maximum(np.sqrt(expected), typical)
    return np.clip(off, -most, most)
