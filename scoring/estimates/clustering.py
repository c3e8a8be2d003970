"""What rows of one trace are worth: they fail together, so twelve steps are not twelve opinions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from scoring.estimates.cells import Cells
from scoring.estimates.posterior import Worth
from scoring.estimates.sample import Floats, Ints, Sample

FEW: Final = 30
"""Traces with labels below which the spread between traces is itself too uncertain to trust."""


class Guess(NamedTuple):
    """What is taken for granted of clusters before they are seen."""

    alike: float  # intraclass correlation of their rows
    firm: float  # failing clusters (or passing ones, if they are fewer) that the guess is worth
    seen: float  # clusters that the spread counts as known from already


TRACES: Final = Guess(alike=0.5, firm=2.0, seen=0.0)
"""Steps of a trace share its question and its fate; how much is for the traces to say."""


MOST: Final = 2.0
"""Correlation above which it is noise. It may exceed 1: a trace's part in the shares of the verdicts moves with its part in the rates."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """How many traces there are, and what their rows are worth."""

    clusters: int  # with labels
    effective: float  # of them, if all had the same labels and weights
    worth: Worth


def clustering(sample: Sample, found: Cells, level: float, guess: Guess = TRACES) -> Clustering | None:
    """Design effects from the spread of whole traces; None where no trace holds two rows.

    The estimate is linearised: each row has a part in the shares of the verdicts and, if labelled, one in the rates under them. Parts of a
    trace are summed before they are squared; what comes of it over independent rows is the design effect. Few failing traces say little of
    how alike rows are, so the correlation is drawn to a guess; few labelled traces say little of the spread, so Student's t takes the
    normal quantile's place.
    """
    if sample.cluster is None:
        return None
    codes = np.unique(sample.cluster, return_inverse=True)[1].reshape(-1)
    if codes.max() + 1 == len(codes):
        return None
    has, label = sample.has_label, np.nan_to_num(sample.label)
    weight, u = found.row_weight, found.label_weight
    shares = weight * (found.expected - weight @ found.expected / weight.sum())
    labels = np.where(has, u * (label - found.expected), 0.0)
    of_shares = _together(codes, shares)
    rows = max(1.0, _ratio(of_shares, shares))
    if not has.any():
        return Clustering(0, 0.0, Worth(rows, 1.0))
    alike = max(_ratio(_together(codes, shares + labels) - of_shares, labels), 1.0)
    most = max(_ratio(_together(codes, u), u), 1.0)  # the effect if all rows of a trace agreed
    rarer = min(_equal(codes, np.where(label == value, u, 0.0)) for value in (0, 1))
    if rarer > 0:
        alike *= (rarer + 1) / rarer  # the spread of few clusters looks smaller than it is
    correlation = min((alike - 1) / (most - 1), MOST) if most > 1 + 1e-9 else 0.0
    correlation = (rarer * correlation + guess.firm * guess.alike) / (rarer + guess.firm)
    effective = _equal(codes, u)
    freedom = max(effective - 1.0 + guess.seen, 1.0)
    tail = (1 + level) / 2
    wider = float(stdtrit(freedom, tail) / ndtri(tail)) ** 2
    return Clustering(len(np.unique(codes[has])), effective, Worth(rows, max(1.0, (1 + (most - 1) * correlation) * wider)))


def _together(codes: Ints, parts: Floats) -> float:
    return float((np.bincount(codes, parts) ** 2).sum())


def _equal(codes: Ints, weights: Floats) -> float:
    """Traces of equal weight that would be worth as much; 0 without any."""
    sums = np.bincount(codes, weights)
    return float(sums.sum() ** 2 / (sums**2).sum()) if sums.any() else 0.0


def _ratio(together: float, parts: Floats) -> float:
    alone = float((parts**2).sum())
    return together / alone if alone > 0 else 1.0
