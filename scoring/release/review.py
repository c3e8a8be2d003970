"""Holds the time after a release beside the same time before it, signal by signal, with intervals; says nothing where there is too little.

Shares by Newcombe's interval of their difference, latencies by the order statistics of their quantiles, costs by Welch's interval, judged
rates by the estimates' own posteriors. All signals of a span are looked at together: each interval is widened by Bonferroni's rule, so that
a quiet release shows a false finding in one of twenty reviews, and not in every one. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Any, Final, Literal

import numpy as np
from scipy.special import bdtr, ndtri, stdtrit

from scoring.estimates.estimate import estimate
from scoring.estimates.proportions import difference, share
from scoring.estimates.slices import differs
from scoring.rates import sample_of
from scoring.release.signals import Floats, Signals

Verdict = Literal["worse", "better", "no change seen", "too few", "not over"]

FEW: Final = 100
"""Exchanges on each side below which a share tells nothing."""
FEW_VALUES: Final = 50
"""Times or costs on each side below which a quantile tells nothing."""
FEW_LABELS: Final = 20
LEVEL: Final = 0.95
SLIGHT: Final = 0.02
"""Share by which a time or a cost must have moved to be called worse or better: on a million exchanges chance explains nothing."""
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d|w)")
_UNITS: Final = {"m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Side:
    """A signal on one side; value None = nothing known."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal on both sides, and what may be said of it."""

    name: str
    unit: str  # share | ms | usd
    before: Side
    after: Side
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Review:
    """One span after a release."""

    span: str  # as it was asked for
    start: datetime
    end: datetime  # of what was looked at
    is_over: bool
    exchanges: tuple[int, int]  # before, after
    versions: tuple[tuple[str, int], ...]  # prompt versions after it
    signals: tuple[Signal, ...]
    notes: tuple[str, ...]


def spans(said: str) -> list[tuple[str, timedelta]]:
    """`1h,24h,7d` as spans, the shortest first. Raises ValueError."""
    found = []
    for part in filter(None, (one.strip().lower() for one in said.split(","))):
        match = _SPAN.fullmatch(part)
        if match is None or float(match[1]) <= 0:
            raise ValueError(f"{part!r} is no span: write it as 30m, 1h, 24h, 7d, with commas between")
        found.append((part, timedelta(seconds=float(match[1]) * _UNITS[match[2]])))
    if not found:
        raise ValueError("there is no span in it: write it as 1h,24h,7d")
    return sorted(found, key=lambda one: one[1])


def review(span: str, length: timedelta, before: Signals, after: Signals, now: datetime, oldest: datetime | None) -> Review:
    """The verdicts of a span; `after` and `before` are of the same length, which is what has passed of it."""
    over = now >= after.span.start + length
    names = sorted(after.checks.keys() & before.checks.keys())
    level = 1 - (1 - LEVEL) / (len(names) + 8)
    found = [*_shares(before, after, names, level), *_quantities(before, after, level), *_rates(before, after, level)]
    signals = tuple(found if over else (Signal(one.name, one.unit, one.before, one.after, "not over") for one in found))
    passed = after.span.end - after.span.start
    notes = [] if over else [f"not over: {_words(passed)} of {_words(length)} have passed, and nothing is decided yet"]
    if oldest is not None and oldest > before.span.start:
        notes.append(f"the log begins at {oldest:%Y-%m-%d %H:%M}: the time before is not whole")
    if not before.exchanges:
        notes.append("nothing is known of the time before")
    if after.unpriced:
        notes.append(f"{after.unpriced:,} exchanges after it have no known price")
    if not before.users and not after.users:
        notes.append("no user said anything on either side (`POST /api/feedback`)")
    if not any(one.name == "judged failure rate" for one in signals):
        notes.append("no judged rate: the night has sampled too little of one of the sides (`goldwash score`)")
    versions = tuple(sorted(after.versions.items(), key=lambda one: (-one[1], one[0])))
    return Review(span, after.span.start, after.span.end, over, (before.exchanges, after.exchanges), versions, signals, tuple(notes))


def _shares(before: Signals, after: Signals, names: Sequence[str], level: float) -> Iterator[Signal]:
    yield _share("errors", (before.errors, before.exchanges), (after.errors, after.exchanges), level)
    for name in sorted(before.users.keys() | after.users.keys()):  # where one side is silent and the other not, the silent one said 0
        one, other = before.users.get(name, (0, before.exchanges)), after.users.get(name, (0, after.exchanges))
        yield _share(name, tuple(one), tuple(other), level)
    for name in names:
        yield _share(f"check {name}", tuple(before.checks[name]), tuple(after.checks[name]), level)


def _share(name: str, before: tuple[int, ...], after: tuple[int, ...], level: float) -> Signal:
    (hits0, n0), (hits1, n1) = before, after
    moved = difference(hits1, n1, hits0, n0, level)
    said: Verdict = "no change seen"
    if min(n0, n1) < FEW or moved is None:
        said = "too few"
    elif moved.is_apart:
        said = "worse" if moved.low > 0 else "better"
    return Signal(name, "share", _side(hits0, n0), _side(hits1, n1), said)


def _side(hits: int, n: int) -> Side:
    found = share(hits, n, LEVEL)
    return Side(None, None, None, n) if found is None else Side(*found, n)


def _quantities(before: Signals, after: Signals, level: float) -> Iterator[Signal]:
    for name, key in (("latency", "durations_ms"), ("time to first chunk", "first_chunks_ms")):
        one, other = getattr(before, key), getattr(after, key)
        for q in (0.5, 0.95):
            if len(one) or len(other):
                yield _quantile(f"{name} p{q * 100:.0f}", one, other, q, level)
    if len(before.costs_usd) or len(after.costs_usd):
        yield _mean("cost per exchange", before.costs_usd, after.costs_usd, level)


def _quantile(name: str, one: Floats, other: Floats, q: float, level: float) -> Signal:
    a, b = quantile(one, q, level), quantile(other, q, level)
    said: Verdict = "no change seen"
    if min(len(one), len(other)) < FEW_VALUES or None in (a.low, a.high, b.low, b.high):
        said = "too few"
    elif _slight(a, b):
        pass
    elif b.low > a.high:  # type: ignore[operator]  # none of them is None here
        said = "worse"
    elif b.high < a.low:  # type: ignore[operator]
        said = "better"
    return Signal(name, "ms", quantile(one, q, LEVEL), quantile(other, q, LEVEL), said)


def quantile(values: Floats, q: float, level: float) -> Side:
    """A quantile with the interval of its order statistics; bounds are None where there are too few values for them."""
    n = len(values)
    if not n:
        return Side(None, None, None, 0)
    order = np.sort(values)
    tail = (1 - level) / 2
    at_most = bdtr(np.arange(n, dtype=np.float64), n, q)  # P(at most k values lie below the quantile)
    low = int(np.searchsorted(at_most, tail, side="right"))
    high = int(np.searchsorted(at_most, 1 - tail, side="left"))
    return Side(
        float(np.quantile(order, q)),
        float(order[low - 1]) if low >= 1 else None,
        float(order[high]) if high < n else None,
        n,
    )


def _slight(a: Side, b: Side) -> bool:
    return a.value is not None and b.value is not None and abs(b.value - a.value) <= SLIGHT * a.value


def _mean(name: str, one: Floats, other: Floats, level: float) -> Signal:
    said: Verdict = "too few"
    if min(len(one), len(other)) >= FEW_VALUES:
        a, b = one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)
        error = sqrt(a + b)
        freedom = (a + b) ** 2 / (a**2 / (len(one) - 1) + b**2 / (len(other) - 1)) if error else 1.0
        half = float(stdtrit(freedom, (1 + level) / 2)) * error
        moved = float(other.mean() - one.mean())
        said = "no change seen" if abs(moved) <= max(half, SLIGHT * float(one.mean())) else "worse" if moved > 0 else "better"
    return Signal(name, "usd", _mean_side(one), _mean_side(other), said)


def _mean_side(values: Floats) -> Side:
    if not len(values):
        return Side(None, None, None, 0)
    mean = float(values.mean())
    half = float(ndtri((1 + LEVEL) / 2)) * float(values.std(ddof=1)) / sqrt(len(values)) if len(values) > 1 else None
    return Side(mean, None if half is None else max(0.0, mean - half), None if half is None else mean + half, len(values))


def _rates(before: Signals, after: Signals, level: float) -> Iterator[Signal]:
    """The corrected failure rate on both sides, where both have a sample with labels."""
    if not before.judged or not after.judged:
        return
    samples = [sample_of(list(side.judged)) for side in (before, after)]
    sides = []
    for one in samples:
        found = estimate(one)
        known = found.rate is not None
        sides.append(Side(found.rate, found.low if known else None, found.high if known else None, found.n))
    labels = [int(one.has_label.sum()) for one in samples]
    p = differs(samples[0], samples[1])
    said: Verdict = "no change seen"
    rates = sides[0].value, sides[1].value
    if min(labels) < FEW_LABELS or p is None or rates[0] is None or rates[1] is None:
        said = "too few"
    elif p < 1 - level:
        said = "worse" if rates[1] > rates[0] else "better"
    yield Signal("judged failure rate", "share", sides[0], sides[1], said)


def _words(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours / 24:.3g} days" if hours >= 48 else f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.0f} h"


def as_json(one: Review) -> dict[str, Any]:
    """Everything, as JSON values."""
    said = asdict(one)
    return {**said, "start": one.start.isoformat(), "end": one.end.isoformat()}
