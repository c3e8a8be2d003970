"""From a rule to what it sees now: asks the log for what the kind of rule goes by, and hands it to that kind's own judgement.

What changes slowly is asked seldom: usual rates and latencies once an hour, costs at each full hour, days of an indicator every ten
minutes, and judged anew only where they changed. The rest is asked at each look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from proxy.service.client import Access
from scoring.alerts import burn, cost, divergence, errors, latency, measuring, quality, watchdogs
from scoring.alerts.kinds import Burn, Cost, Divergence, Errors, Latency, Quality, Rule, Watchdog
from scoring.alerts.measuring import Slice
from scoring.alerts.rules import RuleFile
from scoring.alerts.series import Counted, Spent
from scoring.alerts.states import Reading
from scoring.pages import rows

LATE: Final = timedelta(seconds=30)
"""What ended so long ago is in the log, unless the log lags, which has a watchdog of its own."""
USUAL: Final = timedelta(days=7)
"""Before an error window: what is usual."""
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
LATE_COSTS: Final = timedelta(hours=2)
"""How far back costs are asked again."""
DAYS_EVERY: Final = timedelta(minutes=10)

_GOLDEN: Final = """
    SELECT count(*)::BIGINT AS n, count(*) FILTER (rate < 0.5)::BIGINT AS failed FROM (
        SELECT golden_case, avg(CAST(passed AS INTEGER)) AS rate FROM gate_results
        WHERE run_id = (SELECT arg_max(run_id, "at") FROM gate_runs WHERE passed IS NOT NULL)
            AND passed IS NOT NULL AND coalesce(status, '') <> 'known_failing' GROUP BY golden_case)"""

_JUDGED: Final = "SELECT count(*) AS n, max(created_at) AS newest FROM score_items"

Key = tuple[tuple[str, str], ...]


def key_of(slice_: Slice) -> Key:
    """A slice as a key: its pairs in order."""
    return tuple(sorted(slice_.items()))


@dataclass(slots=True)
class Eyes:
    """What was seen before and still holds, by rule. Forgotten when the rules change."""

    kept: dict[tuple[str, str], tuple[Any, Any]] = field(default_factory=dict)
    costs: dict[str, dict[datetime, dict[Key, Spent]]] = field(default_factory=dict)  # rule -> beginning of a span -> slice

    def held(self, rule: Rule, what: str, at: object, made: Callable[[], Any]) -> Any:
        """What was made for this time (or whatever it holds for), or is made now."""
        known = self.kept.get((rule.name, what))
        if known is None or known[0] != at:
            known = self.kept[rule.name, what] = at, made()
        return known[1]

    def is_new(self, rule: Rule, what: str, at: datetime, value: Any) -> bool:
        """Whether this is another value than the last time, which is noted."""
        known = self.kept.get((rule.name, what))
        self.kept[rule.name, what] = at, value
        return known is None or known[1] != value


def look(access: Access, rule: Rule, file: RuleFile, now: datetime, eyes: Eyes) -> list[Reading] | None:
    """What a rule sees in each of its slices; None = nothing new since the last look. Raises ServiceError."""
    match rule:
        case Errors():
            return _errors(access, rule, now, eyes)
        case Latency():
            return _latency(access, rule, now, eyes)
        case Cost():
            return _cost(access, rule, now, eyes)
        case Quality():
            return _quality(access, rule, now, eyes)
        case Burn():
            return _burn(access, rule, file, now)
        case Divergence():
            return _divergence(access, rule, now, eyes)
        case Watchdog():
            return [watchdogs.reading(access, rule, now)]


def _errors(access: Access, rule: Errors, now: datetime, eyes: Eyes) -> list[Reading]:
    def usual() -> dict[Key, Counted]:
        before = (hour - USUAL, hour - rule.long)
        return {key_of(slice_): found[0] for slice_, found in measuring.counts(access, rule.sli, rule.slices, [before], rule.most_slices)}

    hour = _floor(now, HOUR)
    known = eyes.held(rule, "usual", hour, usual)
    spans = [(now - length, now) for length in (rule.long, rule.long / 4, rule.short)]
    return [
        errors.reading(rule, slice_, now, long=long, middle=middle, short=short, usual=known.get(key_of(slice_)))
        for slice_, (long, middle, short) in measuring.counts(access, rule.sli, rule.slices, spans, rule.most_slices)
    ]


def _latency(access: Access, rule: Latency, now: datetime, eyes: Eyes) -> list[Reading] | None:
    at = _floor(now - LATE, min(MINUTE, rule.bucket))  # buckets slide by the minute: a burst need not wait for a full five to begin
    if not eyes.is_new(rule, "at", at, at):
        return None

    def usual() -> dict[Key, measuring.Usual]:
        end = _floor(at - rule.window, rule.bucket)
        span = (end - rule.baseline, end)
        found = measuring.usual_timings(access, rule.quantile, rule.slices, rule.bucket, span, rule.most_slices, rule.min_count)
        return {key_of(one.slice): one for one in found}

    known: Mapping[Key, measuring.Usual] = eyes.held(rule, "usual", _floor(now, HOUR), usual)
    count = max(round(rule.window / rule.bucket), 1)
    recent: dict[Key, list[latency.Bucket]] = {}
    slices: dict[Key, Slice] = {}
    span = (at - count * rule.bucket, at)
    for one in measuring.timings(access, rule.quantile, rule.slices, rule.bucket, span, rule.most_slices):
        key = key_of(one.slice)
        slices[key] = one.slice
        buckets = recent.setdefault(key, [latency.Bucket(0, None)] * count)
        buckets[int((one.start - span[0]) / rule.bucket)] = latency.Bucket(one.n, one.milliseconds)
    return [_slow(rule, slices[key], at, buckets, known.get(key)) for key, buckets in recent.items()]


def _slow(rule: Latency, slice_: Slice, at: datetime, recent: Sequence[latency.Bucket], usual: measuring.Usual | None) -> Reading:
    before = [latency.Bucket(rule.min_count, usual.median)] * usual.buckets if usual else []
    known_for = max(at - rule.window - usual.first, timedelta(0)) if usual else timedelta(0)
    return latency.reading(rule, slice_, at, recent=recent, before=before, known_for=known_for)


def _cost(access: Access, rule: Cost, now: datetime, eyes: Eyes) -> list[Reading] | None:
    at = _floor(now - LATE, HOUR)
    if not eyes.is_new(rule, "at", at, at):
        return None
    lengths = cost.lengths(rule)
    day = timedelta(days=1)
    cell = timedelta(seconds=math.gcd(int(HOUR.total_seconds()), *(int(length.total_seconds()) for length in lengths)))
    days = max(int(rule.baseline / day), 1)
    cells = int((days * day + max(lengths)) / cell)
    spent = eyes.costs.setdefault(rule.name, {})
    _spend(access, rule, at, cell, cells, spent)
    recent = {key for place in range(int(rule.window / cell)) for key in spent.get(at - (place + 1) * cell, ())}
    found = []
    for key in sorted(recent):
        line = [spent.get(at - (cells - place) * cell, {}).get(key, Spent()) for place in range(cells)]  # oldest first
        windows = []
        for length in lengths:
            ends = [cells - int(back * day / cell) for back in range(days + 1)]  # now, a day ago, …
            sums = [_sum(line[end - int(length / cell) : end]) for end in ends]
            windows.append(cost.Window(length, sums[0], sums[:0:-1]))
        found.append(cost.reading(rule, dict(key), at, windows=windows))
    return found


def _spend(access: Access, rule: Cost, at: datetime, cell: timedelta, cells: int, spent: dict[datetime, dict[Key, Spent]]) -> None:
    """Bring `spent`, by the beginning of each span, up to `at`: what is known is not asked again, but for what may have come late."""
    first = at - cells * cell
    for start in [start for start in spent if start < first or start >= at]:
        del spent[start]
    since = max(max(spent, default=first - LATE_COSTS) - LATE_COSTS, first)
    count = int((at - since) / cell)
    asked: dict[datetime, dict[Key, Spent]] = {since + place * cell: {} for place in range(count)}
    for slice_, line in measuring.costs(access, rule.slices, since, cell, count, rule.most_slices):
        for place, one in enumerate(line):
            if one.tasks:
                asked[since + place * cell][key_of(slice_)] = one
    spent.update(asked)


def _quality(access: Access, rule: Quality, now: datetime, eyes: Eyes) -> list[Reading] | None:
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)

    def streams() -> list[tuple[Slice, Any]]:
        since = yesterday - timedelta(days=quality.HISTORY)
        return measuring.days(access, rule.sli, rule.slices, since, yesterday, rule.most_slices)

    every = _floor(now, DAYS_EVERY)
    holds: object = every
    if rule.sli == "judged_pass":  # asked of the rows: anew only where there are others
        holds = eyes.held(rule, "stamp", every, lambda: tuple(rows(access, _JUDGED)[0].values()))
    found = eyes.held(rule, "days", (yesterday, holds), streams)
    seen = [(key_of(slice_), days.first, days.n.tobytes(), days.failed.tobytes()) for slice_, days in found]
    if not eyes.is_new(rule, "seen", now, (yesterday, sorted(seen))):
        return None
    return [told[-1] for told in quality.readings(rule, found) if told]


def _burn(access: Access, rule: Burn, file: RuleFile, now: datetime) -> list[Reading]:
    lengths = burn.lengths(rule)
    found = []
    for slo in file.slos:
        spans = [(now - length, now) for length in lengths]
        counted = measuring.counts(access, slo.sli, ["all"], spans, 1, slo.slice)
        windows = dict(zip(lengths, counted[0][1], strict=True)) if counted else {}
        found.append(burn.reading(rule, slo, now, windows=windows))
    return found


def _divergence(access: Access, rule: Divergence, now: datetime, eyes: Eyes) -> list[Reading] | None:
    at = _floor(now, HOUR)
    if not eyes.is_new(rule, "at", at, at):
        return None
    golden = rows(access, _GOLDEN)[0]
    today: date = now.astimezone(UTC).date()
    streams = measuring.days(access, "judged_pass", ["all"], today - rule.window, today, 1)
    judged = Counted(int(sum(d.n.sum() for _, d in streams)), int(sum(d.failed.sum() for _, d in streams)))
    return [divergence.reading(rule, {}, now, golden=Counted(golden["n"], golden["failed"]), production=judged)]


def _sum(spent: Sequence[Spent]) -> Spent:
    return Spent(sum(one.cost_usd for one in spent), sum(one.tasks for one in spent))


def _floor(at: datetime, span: timedelta) -> datetime:
    midnight = datetime.combine(date(1970, 1, 1), time(), UTC)
    return at - (at - midnight) % span
