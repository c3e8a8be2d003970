"""Counts in time: what rules are evaluated on, with days and windows that hold nothing kept as such."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from scoring.alerts.normal import Numbers


@dataclass(frozen=True, slots=True)
class Days:
    """Events of a stream a day (UTC), from its first day to its last, with no gap: a day without events holds 0."""

    first: date
    n: Numbers  # events that were counted
    failed: Numbers  # of those, the bad ones

    @classmethod
    def of(cls, rows: Iterable[tuple[date, float, float]], last: date | None = None) -> Days:
        """From (day, n, failed) in any order, several rows of a day added up; no rows = no days. last: the day it goes on to."""
        sums: dict[date, list[float]] = {}
        for day, n, failed in rows:
            held = sums.setdefault(day, [0.0, 0.0])
            held[0] += n
            held[1] += failed
        if not sums:
            return cls(last or date(1970, 1, 1), np.zeros(0), np.zeros(0))
        first, end = min(sums), max(*sums, last or min(sums))
        table = np.zeros(((end - first).days + 1, 2))
        for day, held in sums.items():
            table[(day - first).days] = held
        return cls(first, table[:, 0].copy(), table[:, 1].copy())

    def __len__(self) -> int:
        return len(self.n)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Many streams over the same days, a row a stream."""

    first: date
    n: Numbers
    failed: Numbers

    @classmethod
    def of(cls, streams: Sequence[Days]) -> Calendar:
        """Lays streams beside each other; days that one lacks hold 0."""
        held = [stream for stream in streams if len(stream)]
        if not held:
            return cls(date(1970, 1, 1), np.zeros((len(streams), 0)), np.zeros((len(streams), 0)))
        first = min(stream.first for stream in held)
        long = max((stream.first - first).days + len(stream) for stream in held)
        n, failed = np.zeros((len(streams), long)), np.zeros((len(streams), long))
        for row, stream in enumerate(streams):
            at = (stream.first - first).days
            if len(stream):
                n[row, at : at + len(stream)] = stream.n
                failed[row, at : at + len(stream)] = stream.failed
        return cls(first, n, failed)

    def day(self, column: int) -> date:
        """The day of a column."""
        return self.first + timedelta(days=column)


def end_of(day: date) -> datetime:
    """The moment a day is over: midnight UTC after it."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Counted:
    """Events of one window."""

    n: int = 0
    failed: int = 0

    @property
    def share(self) -> float | None:
        """Of bad events; None = there were none to count."""
        return self.failed / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Spent:
    """What the tasks (or exchanges, where no task is named) of one window cost; those without a price are in neither."""

    cost_usd: float = 0.0
    tasks: int = 0
