"""A judge as an instrument: one page of figures for each fingerprint, and the reasons not to trust them any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from scoring.calibration.confidence import Confidence, confidence
from scoring.calibration.repeats import Drift, Repeats, drift, repeats
from scoring.estimates.agreement import Agreement, agreement
from scoring.estimates.labels import Chosen, Truth
from scoring.estimates.sample import Sample

MOST_AGE: Final = timedelta(days=30)
"""Age of the last label after which a judge has to be held against people again."""
FEWEST_LABELS: Final = 50
"""Labels below which kappa's interval is some 0.45 wide."""
FEWEST_EACH: Final = 10
"""Labelled failures, and labelled passes, below which TPR or TNR is a guess."""
UNSCORED: Final = 0.05
"""Share of answers that could not be read above which the judge, not the traffic, is the news."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One verdict of a judge, as the log has it."""

    item: str  # what was judged: exchange or trace
    judge: str  # name of the rubric, or of the one question of it
    fingerprint: str
    model: str | None  # that answered
    passed: bool | None  # None = unscored
    confidence: float | None
    p: float | None  # that the item was drawn
    p_label: float | None  # that a drawn item is labelled
    trace: str | None
    order: str | None  # ab | ba, of a pair; None = not a pair
    anchor: bool  # a frozen item, judged again and again
    is_question: bool  # of one question of a rubric
    at: datetime
    is_second: bool = False  # it was asked as the second judge


@dataclass(frozen=True, slots=True)
class Policy:
    """When a calibration is not good enough any more."""

    most_age: timedelta = MOST_AGE
    fewest_labels: int = FEWEST_LABELS


STANDARD: Final = Policy()


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of one judge with one rubric."""

    judge: str
    fingerprint: str
    models: tuple[str, ...]  # that answered under this fingerprint
    agreement: Agreement
    n_verdicts: int
    n_unscored: int
    n_labels: int
    last_label: datetime | None
    last_verdict: datetime
    confidence: Confidence | None
    orders: Repeats | None
    drift: Drift | None
    stale: tuple[str, ...]  # reasons in words; empty = usable


@dataclass(frozen=True, slots=True)
class People:
    """How far people agree with each other: no judge can be expected to do better."""

    n: int
    agreement: Agreement


def calibrations(
    opinions: Iterable[Opinion],
    chosen: Chosen,
    now: datetime,
    *,
    level: float,
    seed: int,
    policy: Policy = STANDARD,
) -> list[Calibration]:
    """One calibration for each (judge, fingerprint), those with most labels first."""
    grouped: dict[tuple[str, str], list[Opinion]] = {}
    for opinion in sorted(opinions, key=lambda one: one.at):
        grouped.setdefault((opinion.judge, opinion.fingerprint), []).append(opinion)
    anchored = _anchored(grouped)
    found = [
        _calibration(judge, fingerprint, group, anchored.get((judge, group[-1].is_second), []), chosen.truths, now, level, seed, policy)
        for (judge, fingerprint), group in grouped.items()
    ]
    return sorted(found, key=lambda one: (-one.n_labels, one.judge, one.fingerprint))


def people(chosen: Chosen, *, level: float, seed: int) -> People | None:
    """Human against human, on items that two people labelled; None where there are none."""
    if not chosen.pairs:
        return None
    first, second = zip(*chosen.pairs, strict=True)
    sample = Sample.of([0.0 if one else 1.0 for one in first], [0.0 if one else 1.0 for one in second])
    return People(len(chosen.pairs), agreement(sample, level=level, seed=seed))


def _anchored(grouped: Mapping[tuple[str, str], Sequence[Opinion]]) -> dict[tuple[str, bool], list[Opinion]]:
    """By judge, first or second, all it said of its anchors, in order of time: the first verdict too, from before the item became one.

    Only of fingerprints that read anchors. A second judge of the same rubric is another instrument: each is held against itself alone.
    """
    items: dict[tuple[str, bool], set[str]] = {}
    for (judge, _), group in grouped.items():
        for one in group:
            if one.anchor:
                items.setdefault((judge, one.is_second), set()).add(one.item)
    found: dict[tuple[str, bool], list[Opinion]] = {}
    for (judge, _), group in grouped.items():
        for is_second in {one.is_second for one in group if one.anchor}:
            key = judge, is_second
            found.setdefault(key, []).extend(one for one in group if one.is_second == is_second and one.item in items[key])
    return {key: sorted(said, key=lambda one: one.at) for key, said in found.items()}


def _calibration(
    judge: str,
    fingerprint: str,
    group: Sequence[Opinion],
    anchors: Sequence[Opinion],
    truths: Mapping[str, Truth],
    now: datetime,
    level: float,
    seed: int,
    policy: Policy,
) -> Calibration:
    latest = {opinion.item: opinion for opinion in group if opinion.order != "ba"}
    labelled = [(opinion, truths[item]) for item, opinion in latest.items() if item in truths]
    random = [(opinion, truth) for opinion, truth in labelled if _chance(opinion, truth) is not None]
    labelled = random if len(random) >= policy.fewest_labels else labelled
    readable = [(opinion, truth) for opinion, truth in labelled if opinion.passed is not None]
    stated = [(o.confidence, o.passed == truth.passed) for o, truth in readable if o.confidence is not None]
    against = agreement(_sample(labelled), level=level, seed=seed)
    moved = _drift(anchors, fingerprint)
    last = max((truth.at for _, truth in labelled), default=None)
    unscored = sum(opinion.passed is None for opinion in latest.values())
    return Calibration(
        judge,
        fingerprint,
        tuple(sorted({opinion.model for opinion in group if opinion.model})),
        against,
        len(latest),
        unscored,
        len(readable),
        last,
        group[-1].at,
        confidence(np.array([c for c, _ in stated]), np.array([right for _, right in stated], np.bool_), seed),
        _orders(group),
        moved,
        tuple(_stale(against, last, now, policy, moved, unscored / len(latest) if latest else 0.0, len(labelled) - len(random))),
    )


def _chance(opinion: Opinion, truth: Truth) -> float | None:
    """That the item was labelled, once it was drawn; None = not known, so that the label speaks for itself alone."""
    chance = truth.p_label if truth.p_label is not None else opinion.p_label
    return chance if chance and opinion.p else None


def _sample(labelled: Sequence[tuple[Opinion, Truth]]) -> Sample:
    """Verdicts and labels as failures, weighted to all that was drawn from; where a probability is not known, each counts the same."""
    chances = [_chance(opinion, truth) for opinion, truth in labelled]
    known = bool(labelled) and None not in chances
    return Sample.of(
        [None if opinion.passed is None else float(not opinion.passed) for opinion, _ in labelled],
        [float(not truth.passed) for _, truth in labelled],
        p=np.array([opinion.p for opinion, _ in labelled], np.float64) if known else None,
        p_label=np.array(chances, np.float64) if known else None,
        cluster=[opinion.trace or opinion.item for opinion, _ in labelled],
    )


def _orders(group: Sequence[Opinion]) -> Repeats | None:
    """A pair judged both ways; the verdict is of the same answer in both."""
    ways: dict[str, dict[str, bool | None]] = {}
    for opinion in group:
        if opinion.order is not None:
            ways.setdefault(opinion.item, {})[opinion.order] = opinion.passed
    both = [way for way in ways.values() if len(way) > 1]
    return repeats([way["ab"] for way in both], [way["ba"] for way in both]) if both else None


def _drift(anchors: Sequence[Opinion], fingerprint: str) -> Drift | None:
    """Anchors' first verdicts, by whatever fingerprint, against their last ones by this one."""
    first: dict[str, Opinion] = {}
    last: dict[str, Opinion] = {}
    for opinion in anchors:
        first.setdefault(opinion.item, opinion)
        if opinion.fingerprint == fingerprint:
            last[opinion.item] = opinion
    again = [item for item in last if first[item] is not last[item]]
    return drift([first[item].passed for item in again], [last[item].passed for item in again]) if again else None


def _stale(
    against: Agreement, last: datetime | None, now: datetime, policy: Policy, moved: Drift | None, unscored: float, picked: int
) -> list[str]:
    said: list[str] = []
    counts = against.confusion
    if moved is not None and moved.drifted:
        said.append(f"{moved.repeats.flips} of {moved.repeats.n} frozen anchors flipped: this judge is another than it was")
    if last is None:
        return [*said, "no label counts for it: label audit items (goldwash review)"]
    if against.n < policy.fewest_labels:
        said.append(f"{against.n} labels, wanted are {policy.fewest_labels}")
    elif min(counts.tp + counts.fn, counts.tn + counts.fp) < FEWEST_EACH:
        said.append(
            f"{counts.tp + counts.fn} labelled failures and {counts.tn + counts.fp} labelled passes, wanted are {FEWEST_EACH} of each"
        )
    if picked > 0:
        said.append(f"{picked} of its labels were picked from flags: it is the agreement on hard cases")
    if now - last > policy.most_age:
        said.append(f"the last label is {(now - last).days} days old, at most {policy.most_age.days} are allowed")
    if unscored > UNSCORED:
        said.append(f"{unscored:.0%} of its answers could not be read")
    if against.kappa_low is not None and against.kappa_low <= 0:
        said.append("its agreement with people may be chance (kappa's interval reaches 0)")
    return said
