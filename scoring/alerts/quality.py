"""`kind = "quality"`: follows an indicator day by day, from a change through its recovery, and says what it saw.

An alert that fires keeps the baseline from before the change. It is clear again when the days since speak for that baseline, 20 to 1,
against the level it fell to; a level that has lasted 28 days is the new baseline. Days of a past incident are never part of a baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from scoring.alerts.drift import ARMED, WINDOWS, Limits, Seen, look
from scoring.alerts.kinds import Quality
from scoring.alerts.normal import Numbers
from scoring.alerts.series import Calendar, Days, end_of
from scoring.alerts.slis import SLIS
from scoring.alerts.states import Reading

RECOVERED: Final = math.log(20)
"""Likelihood ratio of "as before" against "as since the change" that clears an alert."""
ACCEPTED: Final = 28
"""Days of firing after which the level is the new baseline."""
HISTORY: Final = 150
"""Days of history that an evaluation should be given: baseline, windows, and an incident with its recovery."""


@dataclass(slots=True)
class _Episode:
    """One stream while it fires."""

    began: int  # column of the first changed day
    told: int  # column of the day it fired
    before: float  # failure rate before
    weekday: Numbers
    rho: float
    by: str
    back: float = 0.0  # log likelihood ratio for "as before", a CUSUM of its own
    bad: float = 0.0  # since the change, without the days that speak for "as before"
    events: float = 0.0
    back_bad: float = 0.0  # of those days
    back_events: float = 0.0

    @property
    def level(self) -> float:
        """Failure rate since the change."""
        return self.bad / self.events if self.events else self.before

    def take(self, n: float, failed: float, weekday: int, drop: float) -> bool:
        """Counts a day in; whether the alert is clear with it."""
        if n <= 0:
            return False
        weight = 1 / (1 + max(n - 1, 0) * self.rho)
        shifted = min(max(failed - n * self.weekday[weekday], 0.0), n)
        low = min(max(self.before, 1e-4), 1 - 1e-3)
        high = min(max(self.level, low + drop / 2), 1 - 1e-4)
        gain = weight * (shifted * math.log(low / high) + (n - shifted) * math.log((1 - low) / (1 - high)))
        self.back = max(0.0, self.back + gain)
        self.back_bad, self.back_events = self.back_bad + failed, self.back_events + n
        if self.back <= 0:
            self.bad, self.events = self.bad + self.back_bad, self.events + self.back_events
            self.back_bad = self.back_events = 0.0
        return self.back >= RECOVERED


@dataclass(frozen=True, slots=True)
class _Day:
    """What one stream showed on one day."""

    breached: bool | None
    by: str = ""
    began: int | None = None
    value: float | None = None  # failure rates here; turned into shares of good events for the reading
    baseline: float | None = None
    n: int = 0


def readings(rule: Quality, streams: Sequence[tuple[Mapping[str, str], Days]]) -> list[list[Reading]]:
    """For each stream a reading a day, oldest first; the last one is now.

    streams: slice and its days; give HISTORY of them, and the same end for all. A stream without days has no readings.
    """
    calendar = Calendar.of([days for _, days in streams])
    told = _follow(rule, calendar)
    made: list[list[Reading]] = []
    for row, (slice_, days) in enumerate(streams):
        skipped = (days.first - calendar.first).days if len(days) else 0
        shown = range(skipped, skipped + len(days))
        made.append([_reading(rule, slice_, calendar, column, told[row][column]) for column in shown])
    return made


def _follow(rule: Quality, calendar: Calendar) -> list[list[_Day]]:
    streams, long = calendar.n.shape
    limits = Limits.of(rule.false_alarms if rule.over == "slice" else 1 - (1 - rule.false_alarms) ** (1 / max(streams, 1)))
    weekdays = (np.arange(long) + calendar.first.weekday()) % 7
    counted = calendar.n.copy()  # what may be part of a baseline
    firing: dict[int, _Episode] = {}
    told: list[list[_Day]] = [[] for _ in range(streams)]
    for column in range(long):
        since = max(0, column + 1 - rule.baseline_days - max(WINDOWS, rule.window_days))
        seen = look(
            counted[:, since : column + 1],
            np.where(counted[:, since : column + 1] > 0, calendar.failed[:, since : column + 1], 0.0),
            weekdays[since : column + 1],
            limits=limits,
            drop=rule.drop,
            week=rule.window_days,
            baseline=rule.baseline_days,
            fewest=rule.min_count,
            cusum=rule.cusum,
        )
        for row in range(streams):
            n, failed = float(calendar.n[row, column]), float(calendar.failed[row, column])
            if row in firing:
                told[row].append(_go_on(rule, firing, row, column, n, failed, int(weekdays[column]), counted))
            else:
                told[row].append(_start(rule, calendar, seen, firing, row, column, n, counted))
    return told


def _start(
    rule: Quality,
    calendar: Calendar,
    seen: Seen,
    firing: dict[int, _Episode],
    row: int,
    column: int,
    n: float,
    counted: Numbers,
) -> _Day:
    if not seen.armed[row] or n <= 0:
        return _Day(None, n=int(n))
    if seen.better[row]:
        counted[row, : column + 1 - int(seen.better[row])] = 0.0  # it is better than it was: that is what it is held to from now on
    if not (seen.cusum_trips[row] or seen.week_trips[row]):
        week = slice(max(0, column + 1 - rule.window_days), column + 1)
        events = float(calendar.n[row, week].sum())
        return _Day(False, value=float(calendar.failed[row, week].sum()) / events, baseline=float(seen.usual_rate[row]), n=int(events))
    by = "cusum" if seen.cusum_trips[row] else "week"
    began = column + 1 - int(seen.began[row])
    episode = _Episode(began, column, float(seen.before[row]), seen.usual.weekday[row], float(seen.usual.rho[row]), by)
    episode.bad, episode.events = float(calendar.failed[row, began : column + 1].sum()), float(calendar.n[row, began : column + 1].sum())
    firing[row] = episode
    counted[row, began : column + 1] = 0.0
    return _Day(True, by, began, episode.level, episode.before, int(episode.events))


def _go_on(
    rule: Quality, firing: dict[int, _Episode], row: int, column: int, n: float, failed: float, weekday: int, counted: Numbers
) -> _Day:
    episode = firing[row]
    held = counted[row, column]
    counted[row, column] = 0.0
    if n <= 0:
        return _Day(None, episode.by, episode.began, n=0)
    if episode.take(n, failed, weekday, rule.drop):
        del firing[row]
        counted[row, column] = held
        now = episode.back_bad / episode.back_events
        return _Day(False, episode.by, episode.began, now, episode.before, int(episode.back_events))
    if column - episode.told >= ACCEPTED:
        del firing[row]
        counted[row, : episode.began] = 0.0
        counted[row, column] = held
        return _Day(False, episode.by, episode.began, episode.level, episode.level, int(n))
    return _Day(True, episode.by, episode.began, episode.level, episode.before, int(episode.events))


def _reading(rule: Quality, slice_: Mapping[str, str], calendar: Calendar, column: int, day: _Day) -> Reading:
    good = None if day.value is None else 1 - day.value
    usual = None if day.baseline is None else 1 - day.baseline
    began = None if day.began is None else calendar.day(day.began)
    return Reading(
        rule=rule.name,
        slice=slice_,
        at=end_of(calendar.day(column)),
        value=good,
        threshold=None if usual is None else usual - rule.drop,
        baseline=usual,
        n=day.n,
        breached=day.breached,
        message=_message(rule, day, began),
        by=day.by,
        onset=None if began is None else end_of(began) - timedelta(days=1),
    )


def _message(rule: Quality, day: _Day, began: object) -> str:
    sli = SLIS[rule.sli]
    if day.value is None or day.baseline is None:
        return (
            f"no {sli.counted} on that day" if day.n == 0 else f"not enough to compare with yet: {ARMED} days of {sli.counted} are needed"
        )
    if day.breached:
        how = "7-day mean under its baseline" if day.by == "week" else "CUSUM of daily means"
        return f"{sli.bad}: {day.value:.1%} of {day.n} {sli.counted} since {began}, {day.baseline:.1%} before ({how})"
    return f"{sli.bad}: {day.value:.1%}, usually {day.baseline:.1%}"
