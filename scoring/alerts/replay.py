"""Replays a rule over days that have been: which days it would have begun to fire, and which it would have been clear again."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from config.settings import ConfigError
from scoring.alerts.kinds import Quality, Rule
from scoring.alerts.quality import readings
from scoring.alerts.series import Days
from scoring.alerts.states import Reading, Standing, Timing, Transition, advance

COLUMNS: Final = ("day", "feature", "n", "failures")
MOST_DAYS: Final = 3660
"""From the first day of a file to its last: more is a date that was mistyped."""
MOST_EVENTS: Final = 10**12
MONDAY: Final = date(1970, 1, 5)
"""Day 0 where days are numbers."""
TOLD: Final = frozenset({"pending", "firing", "resolved"})


@dataclass(frozen=True, slots=True)
class Table:
    """A file of days, by feature in the order of their names."""

    streams: Mapping[str, Days]
    numbered: bool  # its days are numbers, not dates

    def shown(self, day: date) -> str | int:
        """A day as the file writes it."""
        return (day - MONDAY).days if self.numbered else day.isoformat()


def parse(text: str, name: str) -> Table:
    """Reads CSV with the columns day, feature, n, failures, its rows in any order; rows of one day and feature add up.

    day: a date such as 2026-03-01, or a whole number (0 is a Monday). Further columns do not matter. Raises ConfigError with the line
    and the fix.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        return _table(rows, name)
    except csv.Error as error:
        raise ConfigError(f"{name}, line {rows.line_num}: this is no CSV: {error}") from error


def _table(rows: Any, name: str) -> Table:
    head = [cell.strip().lower() for cell in next(rows, [])]
    missing = [column for column in COLUMNS if column not in head]
    if missing:
        raise ConfigError(f"{name}, line 1: there is no column {missing[0]!r}: the first line must name {', '.join(COLUMNS)}")
    at = {column: head.index(column) for column in COLUMNS}
    found: dict[str, list[tuple[date, float, float]]] = {}
    numbered: bool | None = None
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        place = f"{name}, line {rows.line_num}"
        if len(row) <= max(at.values()):
            raise ConfigError(f"{place}: {len(row)} cells, {len(head)} are named in line 1: add the missing ones")
        day, is_number = _day(row[at["day"]].strip(), place)
        if numbered is not None and numbered != is_number:
            raise ConfigError(f"{place}: day = {row[at['day']]!r}: write all days alike, as dates or as numbers")
        numbered = is_number
        n, failed = (_count(row[at[column]].strip(), column, place) for column in ("n", "failures"))
        if failed > n:
            raise ConfigError(f"{place}: failures = {failed:g} of n = {n:g}: there cannot be more failures than events")
        found.setdefault(row[at["feature"]].strip(), []).append((day, n, failed))
    days = [day for held in found.values() for day, _, _ in held]
    if days and (max(days) - min(days)).days >= MOST_DAYS:
        raise ConfigError(f"{name}: its days go from {min(days)} to {max(days)}: correct the one that is mistyped")
    return Table({feature: Days.of(found[feature]) for feature in sorted(found)}, bool(numbered))


def _day(text: str, place: str) -> tuple[date, bool]:
    try:
        if text.isdecimal() and len(text) < 8:
            return MONDAY + timedelta(days=int(text)), True
        return date.fromisoformat(text[:10] if len(text) > 10 and text[10] in " T" else text), False
    except (ValueError, OverflowError):
        raise ConfigError(f"{place}: day = {text!r}: write a date such as 2026-03-01, or a whole number") from None


def _count(text: str, column: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MOST_EVENTS or value != int(value):
        raise ConfigError(f"{place}: {column} = {text!r}: write a whole number from 0 on")
    return value


def quality(rule: Rule, table: Table) -> list[dict[str, Any]]:
    """The transitions of a rule over a file, by day: {rule, feature, day, state} and what was seen. Raises ConfigError."""
    if not isinstance(rule, Quality):
        raise ConfigError(
            f"the rule {rule.name} is of kind {rule.kind}: days in a file suit a rule of kind quality, others the log (--from)"
        )
    streams = [({"feature": feature}, days) for feature, days in table.streams.items()]
    found = [transition for told in readings(rule, streams) for transition in transitions(rule, told)]
    found.sort(key=lambda one: (one.reading.at, one.reading.slice["feature"]))
    return [_as_json(one, table.shown) for one in found if one.after in TOLD]


def logged(rule: Rule, told: Iterable[Sequence[Reading]]) -> list[dict[str, Any]]:
    """The same of what the log held; rows carry their whole slice and the time besides."""
    found = [one for stream in told for one in transitions(rule, stream) if one.after in TOLD]
    found.sort(key=lambda one: (one.reading.at, sorted(one.reading.slice.items())))
    return [
        {**_as_json(one, date.isoformat), "slice": dict(one.reading.slice), "at": one.reading.at.isoformat(timespec="seconds")}
        for one in found
    ]


def transitions(rule: Timing, told: Iterable[Reading]) -> list[Transition]:
    """What readings of one slice, oldest first, do to its state."""
    standing: Standing | None = None
    found: list[Transition] = []
    for reading in told:
        standing, moved = advance(standing, reading, rule)
        if moved is not None:
            found.append(moved)
    return found


def _as_json(one: Transition, shown: Callable[[date], str | int]) -> dict[str, Any]:
    reading = one.reading
    return {
        "rule": reading.rule,
        "feature": reading.slice.get("feature"),
        "day": shown((reading.at - timedelta(microseconds=1)).date()),
        "state": one.after,
        "by": reading.by,
        "since": None if reading.onset is None else shown(reading.onset.date()),
        "value": _rounded(reading.value),
        "baseline": _rounded(reading.baseline),
        "n": reading.n,
        "message": reading.message,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
