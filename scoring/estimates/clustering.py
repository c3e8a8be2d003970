"""What rows of one trace are worth: they fail together, so twelve steps are not twelve opinions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.estimates.cells import Cells
from scoring.estimates.sample import Sample

FEW: Final = 30
"""Traces with labels below which the spread between traces is itself too uncertain to trust."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """How many traces there are, and how many rows one independent row costs."""

    clusters: int  # with labels
    design_effect: float  # at least 1


def clustering(sample: Sample, found: Cells) -> Clustering | None:
    """The design effect of the failure rate, from the spread of whole traces; None where no trace holds two rows."""
    if sample.cluster is None:
        return None
    _, codes = np.unique(sample.cluster, return_inverse=True)
    codes = codes.reshape(-1)
    if codes.max() + 1 == len(codes):
        return None
    weight, u = found.row_weight, found.label_weight
    total = weight.sum()
    has = sample.has_label
    middle = float(weight @ found.expected / total)
    part = weight * (found.expected - middle) / total + np.where(has, u * (np.nan_to_num(sample.label) - found.expected), 0.0) / total
    traces = len(np.unique(codes[has]))
    alone = float((part**2).sum())
    together = float((np.bincount(codes, part) ** 2).sum())
    return Clustering(traces, max(1.0, together / alone) if alone > 0 else 1.0)
