"""`kind = "latency"`: the slow end over several times its baseline, bucket after bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from scoring.alerts.kinds import Latency, spelled
from scoring.alerts.states import Reading


@dataclass(frozen=True, slots=True)
class Bucket:
    """Requests of one window."""

    n: int
    ms: float | None  # the rule's quantile of their durations; None = none was whole


def reading(
    rule: Latency, slice_: Mapping[str, str], at: datetime, *, recent: Sequence[Bucket], before: Sequence[Bucket], known_for: timedelta
) -> Reading:
    """Whether every recent bucket is slow.

    recent: the buckets of the rule's window, newest last, the last one ending at `at`. before: buckets of the baseline before them (any
    width; those with fewer requests than min_count are left out). known_for: from the first request of the slice to the recent buckets.
    """
    usual = [bucket.ms for bucket in before if bucket.ms is not None and bucket.n >= rule.min_count]
    n = sum(bucket.n for bucket in recent)
    told = [bucket.ms for bucket in recent if bucket.ms is not None and bucket.n >= rule.min_count]
    value = min(told) if told else None
    if known_for < rule.min_baseline or not usual:
        young = f"known for {spelled(known_for)} with {len(usual)} busy buckets: {spelled(rule.min_baseline)} of baseline are needed"
        return Reading(rule.name, slice_, at, value, None, None, n, None, young)
    baseline = median(usual)
    threshold = rule.ratio * baseline
    wanted = max(round(rule.window / rule.bucket), 1)
    if value is not None and value <= threshold:
        breached: bool | None = False
    else:
        breached = True if len(told) >= wanted else None
    name = f"p{100 * rule.quantile:g}"
    message = (
        f"{name} at least {value:,.0f} ms in each {spelled(rule.bucket)} of the last {spelled(rule.window)}, usually {baseline:,.0f} ms "
        f"({value / baseline:.1f} times, the limit is {rule.ratio:g})"
        if value is not None and breached is not None and baseline > 0
        else f"fewer than {rule.min_count} requests in a bucket of {spelled(rule.bucket)} say nothing about {name}"
    )
    return Reading(rule.name, slice_, at, value, threshold, baseline, n, breached, message)
