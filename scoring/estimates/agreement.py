"""How far judge and people agree: confusion, kappa, MCC, hit rates, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scoring.estimates.sample import Floats, Sample

DRAWS: Final = 4_000
PRIOR: Final = 0.5
"""Jeffreys' prior count, for the judge's shares and for the failures under each verdict."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows with verdict and label, counted; 1 = failure, so a true positive is a failure that the judge saw."""

    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Judge against people on the rows that have both, weighted to the population. None = not defined by these rows."""

    confusion: Confusion
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    mcc: float | None
    tpr: float | None  # share of failures that the judge sees
    tpr_low: float | None
    tpr_high: float | None
    tnr: float | None  # share of passes that the judge lets pass
    tnr_low: float | None
    tnr_high: float | None
    accuracy: float | None
    majority_baseline: float | None  # accuracy of always saying what is more frequent

    @property
    def n(self) -> int:
        """Rows with both."""
        return self.confusion.tp + self.confusion.fp + self.confusion.fn + self.confusion.tn


def agreement(sample: Sample, *, level: float, seed: int, weight: Floats | None = None, design_effect: float = 1.0) -> Agreement:
    """Agreement of a sample's verdicts with its labels.

    `weight` (N,) stands for the sample's own label weights; the design effect divides what rows are worth. The interval draws the judge's
    share and the failures under each verdict from Jeffreys posteriors with the weights' effective numbers.
    """
    both = sample.has_label & ~np.isnan(sample.verdict)
    v, y = sample.verdict[both], sample.label[both]
    w = (sample.label_weight if weight is None else weight)[both]
    confusion = Confusion(*(int(((v == a) & (y == b)).sum()) for a, b in ((1, 1), (1, 0), (0, 1), (0, 0))))
    if not len(v):
        return Agreement(confusion, *(None,) * 12)
    w = w / w.sum()
    share, hit, miss = min(float(w @ v), 1.0), _mean(y, w * v), _mean(y, w * (1 - v))
    table = _table(np.array([share]), np.array([hit]), np.array([miss]))
    random = np.random.default_rng(seed)
    spread = float((w**2 * (v - share) ** 2).sum())
    n_share = share * (1 - share) / spread if v.min() < v.max() else _kish(w)  # one verdict alone spreads by rounding, if at all
    drawn = _table(
        _beta(random, share, n_share / design_effect),
        _beta(random, hit, _kish(w * v) / design_effect),
        _beta(random, miss, _kish(w * (1 - v)) / design_effect),
    )
    failing = share * hit + (1 - share) * miss
    kappa, tpr, tnr = (_one(f(table)) for f in (_kappa, _tpr, _tnr))
    return Agreement(
        confusion,
        kappa,
        *_interval(_kappa(drawn), kappa, level),
        _one(_mcc(table)),
        tpr,
        *_interval(_tpr(drawn), tpr, level),
        tnr,
        *_interval(_tnr(drawn), tnr, level),
        _one(table.tp + table.tn),
        max(failing, 1 - failing),
    )


class Table(NamedTuple):
    """Shares of true and false positives, false and true negatives, one entry a draw."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats


def _table(share: Floats, hit: Floats, miss: Floats) -> Table:
    return Table(share * hit, share * (1 - hit), (1 - share) * miss, (1 - share) * (1 - miss))


def _kappa(t: Table) -> Floats:
    """Cohen's kappa: (observed - chance) / (1 - chance)."""
    chance = (t.tp + t.fp) * (t.tp + t.fn) + (t.fn + t.tn) * (t.fp + t.tn)
    return _ratio(t.tp + t.tn - chance, 1 - chance)


def _mcc(t: Table) -> Floats:
    """Matthews' correlation coefficient."""
    return _ratio(t.tp * t.tn - t.fp * t.fn, np.sqrt((t.tp + t.fp) * (t.tp + t.fn) * (t.tn + t.fp) * (t.tn + t.fn)))


def _tpr(t: Table) -> Floats:
    return _ratio(t.tp, t.tp + t.fn)


def _tnr(t: Table) -> Floats:
    return _ratio(t.tn, t.tn + t.fp)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 1e-12)


def _one(values: Floats) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])


def _interval(drawn: Floats, point: float | None, level: float) -> tuple[float | None, float | None]:
    if point is None:
        return None, None
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), point), max(float(high), point)


def _beta(random: np.random.Generator, rate: float, n: float) -> Floats:
    return random.beta(n * rate + PRIOR, n * (1 - rate) + PRIOR, DRAWS)


def _mean(values: Floats, weights: Floats) -> float:
    total = weights.sum()
    return min(float(weights @ values / total), 1.0) if total > 0 else 0.5


def _kish(weights: Floats) -> float:
    square = (weights**2).sum()
    return float(weights.sum() ** 2 / square) if square > 0 else 0.0
