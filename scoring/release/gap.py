"""Offline against online: how often the golden set says that production fails, beside how often it does, and where a gap comes from. Pure.

Offline is the representative split's failure rate, each theme weighted by its share of the traffic; online the corrected failure rate of
the night's sample. What lies between is split so that the parts add up to it:

    coverage      online − online in the themes that have a case      the set asks nothing of the rest
    judge         online corrected − what the judge alone says there  the judge that grades both sees more or less than people do
    stale         offline without the cases that the traffic has left behind − offline
    rest          what remains: cases that fail otherwise than their theme's traffic does, and chance

Intervals: of online by the estimates, of offline by Jeffreys posteriors a theme, of their difference by MOVER (Zou and Donner 2008).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from math import sqrt
from typing import Any, Final

import numpy as np

from scoring.estimates.estimate import estimate
from scoring.estimates.proportions import Interval
from scoring.rates import Judged, sample_of

DRAWS: Final = 4_000
SEED: Final = 20260102
FEWEST: Final = 20
"""Labels of a week's sample, and representative cases, below which no gap is told."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case in one offline run: its failure rate over its runs."""

    case: str
    theme: int
    failed: float  # 0 to 1
    is_stale: bool


@dataclass(frozen=True, slots=True)
class Offline:
    """One run of the set against production."""

    name: str
    on: date
    outcomes: tuple[Outcome, ...]
    fingerprints: frozenset[str]  # of the judges that graded it; empty = checks alone


@dataclass(frozen=True, slots=True)
class Week:
    """One week. Rates are shares of failures; None = not known."""

    start: date
    items: int
    labels: int
    online: Interval | None
    judge_alone: float | None
    run: str | None  # the offline run it is held against
    cases: int
    offline: Interval | None  # weighted by theme
    unweighted: float | None
    gap: Interval | None  # online − offline
    coverage: float | None
    judge: float | None
    stale: float | None
    rest: float | None
    uncovered: float | None  # share of the traffic in themes without a case
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        said = asdict(self)
        intervals = {key: None if (one := getattr(self, key)) is None else one._asdict() for key in ("online", "offline", "gap")}
        return {**said, "start": self.start.isoformat(), **intervals}


def week(start: date, rows: Sequence[Judged], themes: Sequence[int], offline: Offline | None) -> Week:
    """One week. rows: its sampled items, and the theme of each (-1 = its words are not known)."""
    notes: list[str] = []
    sample = sample_of(rows) if rows else None
    whole = estimate(sample) if sample is not None else None
    labels = whole.n_labels if whole else 0
    online = Interval(whole.rate, whole.low, whole.high) if whole is not None and whole.rate is not None else None
    if labels < FEWEST:
        notes.append(f"{labels} labels by people, {FEWEST} are needed: `goldwash review`")
    cases = len(offline.outcomes) if offline else 0
    if offline is None:
        notes.append("no run of the golden set to hold it against: `goldwash gate --scheduled` every night, or --results")
    elif cases < FEWEST:
        notes.append(f"{cases} representative cases were run, {FEWEST} are needed: `goldwash golden init`")
    weight = np.array([1 / row.p for row in rows])
    of_theme = np.array(themes, np.int64)
    known = of_theme >= 0
    traffic = {int(theme): float(weight[of_theme == theme].sum()) for theme in np.unique(of_theme[known])}
    covered = {one.theme for one in offline.outcomes} if offline else set()
    share = sum(traffic.values())
    uncovered = None if not share or offline is None else 1 - sum(n for theme, n in traffic.items() if theme in covered) / share
    found = None if offline is None else weighted(offline.outcomes, traffic)
    plain = float(np.mean([one.failed for one in offline.outcomes])) if offline and cases else None
    gap = parts = None
    if online is not None and found is not None and offline is not None and labels >= FEWEST <= cases:
        gap = mover(online, found)
        inside = [row for row, theme in zip(rows, themes, strict=True) if theme in covered]
        parts = _parts(online, found, inside, offline, traffic)
        if not known.all():
            notes.append(f"{int((~known).sum())} items have no words in the log any more: left out of the themes")
        marks = {row.fingerprint for row in rows if row.fingerprint}
        if offline.fingerprints and marks and not offline.fingerprints & marks:
            said = f"{', '.join(sorted(offline.fingerprints))} graded the set and {', '.join(sorted(marks))} production"
            notes.append(f"another instrument on either side: {said}; part of the gap is between the judges")
    coverage, judge, stale, rest = parts or (None, None, None, None)
    return Week(
        start,
        len(rows),
        labels,
        online,
        whole.judge_rate if whole else None,
        offline.name if offline else None,
        cases,
        found,
        plain,
        gap,
        coverage,
        judge,
        stale,
        rest,
        uncovered,
        tuple(notes),
    )


def weighted(outcomes: Sequence[Outcome], traffic: Mapping[int, float]) -> Interval | None:
    """The set's failure rate as the traffic's themes weigh it, of those that have a case; None where none has."""
    of_theme: dict[int, list[float]] = {}
    for one in outcomes:
        if traffic.get(one.theme):
            of_theme.setdefault(one.theme, []).append(one.failed)
    if not of_theme:
        return None
    shares = np.array([traffic[theme] for theme in of_theme])
    shares /= shares.sum()
    value = float(shares @ [np.mean(failed) for failed in of_theme.values()])
    chance = np.random.default_rng(SEED)
    draws = np.zeros(DRAWS)
    for part, failed in zip(shares, of_theme.values(), strict=True):
        draws += part * chance.beta(sum(failed) + 0.5, len(failed) - sum(failed) + 0.5, DRAWS)
    low, high = (float(one) for one in np.quantile(draws, [0.025, 0.975]))
    return Interval(value, min(low, value), max(high, value))


def mover(one: Interval, other: Interval) -> Interval:
    """The difference of two independent estimates from their own intervals."""
    d = one.value - other.value
    low = d - sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    high = d + sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Interval(d, max(-1.0, low), min(1.0, high))


def _parts(
    online: Interval, found: Interval, inside: Sequence[Judged], offline: Offline, traffic: Mapping[int, float]
) -> tuple[float | None, float | None, float | None, float | None]:
    """(coverage, judge, stale, rest), which add up to the gap; all None where the covered themes have no labels of their own."""
    there = estimate(sample_of(inside)) if inside else None
    if there is None or there.rate is None or there.judge_rate is None:
        return None, None, None, None
    fresh = weighted([one for one in offline.outcomes if not one.is_stale], traffic)
    stale = fresh.value - found.value if fresh is not None else 0.0
    coverage, judge = online.value - there.rate, there.rate - there.judge_rate
    return coverage, judge, stale, online.value - found.value - coverage - judge - stale
