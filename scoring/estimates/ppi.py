"""Prediction-powered inference (PPI++): the mean label, moved by what the judge says of the rows without one.

Angelopoulos, Duchi and Zrnic 2023, "PPI++: Efficient prediction-powered inference", for a mean, with weights and traces. Its interval is
normal, which at few failures covers 0.43-0.88 of what it should (docs/estimates.md): only with ENOUGH labelled failures and passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri

from scoring.estimates.sample import Sample

ENOUGH: Final = 10
"""Labelled failures, and labelled passes, below which the method is refused."""


@dataclass(frozen=True, slots=True)
class Powered:
    """The tuned estimate."""

    rate: float
    low: float
    high: float
    weight: float  # lambda: how far the judge is believed, 0 to 1


def enough(sample: Sample) -> bool:
    """Whether there are labels enough for a normal interval."""
    failures = int(np.nansum(sample.label))
    return min(failures, int(sample.has_label.sum()) - failures) >= ENOUGH


def powered(sample: Sample, level: float) -> Powered:
    """PPI++ with the best weight for the judge. The sample must be `enough`; an unscored row counts as the judge's mean."""
    has = sample.has_label
    w = 1.0 / sample.p
    w = w / w.sum()
    a = np.where(has, np.nan_to_num(sample.label_weight), 0.0)
    a = a / a.sum()
    y = np.nan_to_num(sample.label)
    scored = ~np.isnan(sample.verdict)
    v = np.where(scored, sample.verdict, np.average(sample.verdict[scored], weights=w[scored]) if scored.any() else 0.0)
    all_mean, label_mean, judge_mean = float(w @ v), float(a @ y), float(a @ v)
    spread = float(w @ (v - all_mean) ** 2)
    trust = float(np.clip((a * (y - label_mean)) @ (v - judge_mean) / spread, 0.0, 1.0)) if spread > 0 else 0.0
    rate = label_mean + trust * (all_mean - judge_mean)
    part = a * (y - label_mean - trust * (v - judge_mean)) + w * trust * (v - all_mean)
    if sample.cluster is not None:
        part = np.bincount(np.unique(sample.cluster, return_inverse=True)[1].reshape(-1), part)
    half = float(ndtri((1 + level) / 2) * np.sqrt((part**2).sum()))
    rate = min(max(rate, 0.0), 1.0)
    return Powered(rate, max(0.0, rate - half), min(1.0, rate + half), trust)
