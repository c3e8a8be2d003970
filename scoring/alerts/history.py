"""What a rule would have seen in a time that has been, from the log: asked once, judged as often as thresholds are tried.

Windows move in the steps of the shortest one. Roll-ups are kept by five minutes for about 15 days and by the hour before that, so that
older hours are judged as a whole, with no shorter window beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from config.settings import ConfigError
from proxy.service.client import Access
from scoring.alerts import burn, cost, errors, latency, measuring, quality
from scoring.alerts.kinds import Burn, Cost, Errors, Latency, Quality, Rule, Slo
from scoring.alerts.looking import USUAL, Key, key_of
from scoring.alerts.rules import RuleFile
from scoring.alerts.series import Counted, Spent
from scoring.alerts.states import Reading

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
FINE: Final = timedelta(days=14)
"""So long ago the roll-ups still tell five minutes apart."""
CELLS: Final = 48
"""Windows that are asked for in one query: six queries of 48 took a quarter of the time of one with 288."""
CAN: Final = ("quality", "errors", "latency", "cost", "burn")
"""Kinds that can be replayed: the others speak of the present state of something that keeps no history."""

Judged = Callable[[Rule], list[list[Reading]]]
"""From a rule, its thresholds changed or not, to its readings: a list a slice, oldest first."""


def gather(access: Access, rule: Rule, file: RuleFile, start: datetime, end: datetime, now: datetime) -> Judged:
    """Asks the log what the rule goes by between two times. Raises ServiceError, and ConfigError for a kind that cannot be replayed."""
    match rule:
        case Quality():
            return _quality(access, rule, start, end)
        case Errors():
            return _errors(access, rule, start, end, now)
        case Latency():
            return _latency(access, rule, start, end)
        case Cost():
            return _cost(access, rule, start, end)
        case Burn():
            return _burn(access, rule, file, start, end, now)
    raise ConfigError(f"the rule {rule.name} is of kind {rule.kind}, which keeps no history to replay: kinds that do are {', '.join(CAN)}")


def _quality(access: Access, rule: Quality, start: datetime, end: datetime) -> Judged:
    since = start.date() - timedelta(days=quality.HISTORY)
    streams = measuring.days(access, rule.sli, rule.slices, since, (end - timedelta(microseconds=1)).date(), rule.most_slices)

    def judged(changed: Rule) -> list[list[Reading]]:
        assert isinstance(changed, Quality)
        return [[one for one in told if start < one.at <= end] for told in quality.readings(changed, streams)]

    return judged


@dataclass(frozen=True, slots=True)
class _Cells:
    """Running sums of one slice: entry i holds what came before the start of cell i."""

    slice: Mapping[str, str]
    n: np.ndarray[tuple[int], np.dtype[np.int64]]
    failed: np.ndarray[tuple[int], np.dtype[np.int64]]

    def between(self, first: int, end: int) -> Counted:
        first = max(first, 0)
        return Counted(int(self.n[end] - self.n[first]), int(self.failed[end] - self.failed[first]))


def _cells(
    access: Access, sli: str, dimensions: Sequence[str], most: int, start: datetime, cell: timedelta, count: int, within: Mapping[str, str]
) -> list[_Cells]:
    found: dict[Key, tuple[Mapping[str, str], np.ndarray[tuple[int, int], np.dtype[np.int64]]]] = {}
    for at in range(0, count, CELLS):
        spans = [(start + index * cell, start + (index + 1) * cell) for index in range(at, min(at + CELLS, count))]
        for slice_, counted in measuring.counts(access, sli, dimensions, spans, most, within or None):
            held = found.setdefault(key_of(slice_), (slice_, np.zeros((2, count + 1), np.int64)))[1]
            held[:, at + 1 : at + 1 + len(counted)] = [[one.n for one in counted], [one.failed for one in counted]]
    return [_Cells(slice_, *np.cumsum(table, axis=1)) for slice_, table in found.values()]


def _parts(start: datetime, end: datetime, now: datetime, cell: timedelta) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """The time in parts of one width of cell each: whole hours as far back as nothing finer is kept."""
    fine = _floor(min(max(now - FINE, start), end), HOUR)
    if start < fine:
        yield start, fine, HOUR
    if fine < end:
        yield max(fine, start), end, cell


def _errors(access: Access, rule: Errors, start: datetime, end: datetime, now: datetime) -> Judged:
    gathered = []
    for first, last, cell in _parts(start, end, now, _common(rule.long, rule.long / 4, rule.short)):
        before = max(rule.long, DAY)
        count = math.ceil((last - first + before) / cell)
        usual = measuring.counts(access, rule.sli, rule.slices, [(first - USUAL, first - before)], rule.most_slices)
        known = {key_of(slice_): counted[0] for slice_, counted in usual}
        cells = _cells(access, rule.sli, rule.slices, rule.most_slices, first - before, cell, count, {})
        gathered.append((first - before, cell, round(before / cell), count, cells, known))

    def judged(changed: Rule) -> list[list[Reading]]:
        assert isinstance(changed, Errors)
        found: dict[Key, list[Reading]] = {}
        for begin, cell, skipped, count, cells, known in gathered:
            wide = max(round(changed.long / cell), 1)
            widths = (wide, *((round(length / cell) if length >= cell else wide) for length in (changed.long / 4, changed.short)))
            for one in cells:
                said = found.setdefault(key_of(one.slice), [])
                before = known.get(key_of(one.slice), Counted())
                for at in range(skipped + 1, count + 1):
                    long, middle, short = (one.between(at - width, at) for width in widths)
                    if long.n == 0 and said and said[-1].breached is None:
                        continue
                    past = one.between(0, at - wide)
                    usual = Counted(before.n + past.n, before.failed + past.failed)
                    said.append(errors.reading(changed, one.slice, begin + at * cell, long=long, middle=middle, short=short, usual=usual))
        return list(found.values())

    return judged


def _latency(access: Access, rule: Latency, start: datetime, end: datetime) -> Judged:
    begin = _floor(start - rule.window - rule.baseline, DAY)
    count = max(math.ceil((end - begin) / rule.bucket), 1)
    found: dict[Key, tuple[Mapping[str, str], list[latency.Bucket]]] = {}
    at = begin
    while at < end:
        until = min(at + DAY / 4, end)  # some 70,000 rows, where there are hundreds of slices
        for one in measuring.timings(access, rule.quantile, rule.slices, rule.bucket, (at, until), rule.most_slices):
            held = found.setdefault(key_of(one.slice), (one.slice, [latency.Bucket(0, None)] * count))[1]
            held[int((one.start - begin) / rule.bucket)] = latency.Bucket(one.n, one.milliseconds)
        at = until

    def judged(changed: Rule) -> list[list[Reading]]:
        assert isinstance(changed, Latency)
        return [_slow(changed, slice_, buckets, begin, max(round((start - begin) / rule.bucket), 0)) for slice_, buckets in found.values()]

    return judged


def _slow(rule: Latency, slice_: Mapping[str, str], buckets: Sequence[latency.Bucket], begin: datetime, first: int) -> list[Reading]:
    wide, back = max(round(rule.window / rule.bucket), 1), round(rule.baseline / rule.bucket)
    busy = [index for index, bucket in enumerate(buckets) if bucket.n >= rule.min_count]
    said: list[Reading] = []
    usual: latency.Bucket | None = None
    hour = -1
    for end in range(max(first, wide), len(buckets)):
        at = begin + (end + 1) * rule.bucket
        oldest = max(0, end + 1 - wide - back)
        if at.hour != hour:  # as the watcher does it: what is usual is asked once an hour
            hour = at.hour
            before = [one.ms for one in buckets[oldest : end + 1 - wide] if one.ms is not None and one.n >= rule.min_count]
            usual = latency.Bucket(rule.min_count, float(np.median(before))) if before else None
        since = next((index for index in busy if index >= oldest), end)
        known = max((end + 1 - wide - since) * rule.bucket, timedelta(0))
        recent = buckets[end + 1 - wide : end + 1]
        said.append(latency.reading(rule, slice_, at, recent=recent, before=[usual] if usual else [], known_for=known))
    return said


def _cost(access: Access, rule: Cost, start: datetime, end: datetime) -> Judged:
    lengths = cost.lengths(rule)
    cell = _common(HOUR, DAY, *lengths)
    days = max(int(rule.baseline / DAY), 1)
    begin = _floor(start, HOUR) - days * DAY - max(lengths)
    count = max(int((end - begin) / cell), 1)
    streams = [
        (slice_, np.cumsum([[0.0, *(one.cost_usd for one in spent)], [0, *(one.tasks for one in spent)]], axis=1))
        for slice_, spent in measuring.costs(access, rule.slices, begin, cell, count, rule.most_slices)
    ]
    steps = range(round((_floor(start, HOUR) - begin) / cell), count + 1, max(round(HOUR / cell), 1))

    def judged(changed: Rule) -> list[list[Reading]]:
        assert isinstance(changed, Cost)
        found = []
        for slice_, sums in streams:
            said = []
            for at in steps:
                windows = [cost.Window(length, *_spent(sums, at, round(length / cell), round(DAY / cell), days)) for length in lengths]
                said.append(cost.reading(changed, slice_, begin + at * cell, windows=windows))
            found.append(said)
        return found

    return judged


def _spent(
    sums: np.ndarray[tuple[int, ...], np.dtype[np.float64]], at: int, wide: int, day: int, days: int
) -> tuple[Spent, tuple[Spent, ...]]:
    """A window's sum, and those of the same hours of the days before, oldest first."""
    ends = [at - back * day for back in range(days + 1) if at - back * day - wide >= 0]
    made = [Spent(float(sums[0, end] - sums[0, end - wide]), int(sums[1, end] - sums[1, end - wide])) for end in ends]
    return made[0], tuple(made[:0:-1])


def _burn(access: Access, rule: Burn, file: RuleFile, start: datetime, end: datetime, now: datetime) -> Judged:
    lengths = burn.lengths(rule)
    gathered: list[tuple[Slo, datetime, timedelta, int, int, list[_Cells]]] = []
    for slo in file.slos:
        for first, last, cell in _parts(start, end, now, _common(*lengths)):
            before = max(lengths)
            count = math.ceil((last - first + before) / cell)
            cells = _cells(access, slo.sli, ["all"], 1, first - before, cell, count, slo.slice)
            gathered.append((slo, first - before, cell, round(before / cell), count, cells))

    def judged(changed: Rule) -> list[list[Reading]]:
        assert isinstance(changed, Burn)
        found: dict[str, list[Reading]] = {}
        for slo, begin, cell, skipped, count, cells in gathered:
            said = found.setdefault(slo.name, [])
            for one in cells:
                for at in range(skipped + 1, count + 1):
                    windows = {length: one.between(at - max(round(length / cell), 1), at) for length in burn.lengths(changed)}
                    said.append(burn.reading(changed, slo, begin + at * cell, windows=windows))
        return list(found.values())

    return judged


def _common(*lengths: timedelta) -> timedelta:
    return timedelta(seconds=math.gcd(*(max(int(length.total_seconds()), 1) for length in lengths)))


def _floor(at: datetime, span: timedelta) -> datetime:
    return at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % span
