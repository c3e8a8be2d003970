"""Whether a judge is right as often as it is sure, and what its stated confidence would have to be replaced by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.estimates.sample import Bools, Floats

BINS: Final = 10
FOLDS: Final = 5
FEWEST: Final = 30
"""Verdicts with confidence and label below which a curve would fit noise."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """Stated confidence against being right; errors are means of |stated - right|, 0 to 1."""

    n: int
    ece: float  # expected calibration error, BINS classes of equal width
    ece_corrected: float | None  # after isotonic correction, each fold corrected by the others; None = too few
    brier: float
    brier_corrected: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Isotonic:
    """A non-decreasing correction of stated confidence, linear between its knots."""

    stated: Floats  # (K,) ascending
    right: Floats  # (K,)

    def __call__(self, stated: Floats) -> Floats:
        """The share right that is to be expected at that stated confidence, (N,)."""
        return np.interp(stated, self.stated, self.right)


def isotonic(stated: Floats, right: Bools) -> Isotonic:
    """The non-decreasing step function nearest to the verdicts (pool adjacent violators); at least one verdict."""
    from scipy.optimize import isotonic_regression

    knots, place = np.unique(stated, return_inverse=True)
    count = np.bincount(place.reshape(-1))
    mean = np.bincount(place.reshape(-1), right) / count
    return Isotonic(knots, np.asarray(isotonic_regression(mean, weights=count).x, np.float64))


def ece(stated: Floats, right: Bools | Floats, bins: int = BINS) -> float:
    """Expected calibration error: the mean over classes of stated confidence of |mean stated - share right|, by size."""
    place = np.minimum((stated * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(place, stated - right, bins)).sum() / len(stated))


def confidence(stated: Floats, right: Bools, seed: int) -> Confidence | None:
    """How far confidence can be believed; stated in 0 to 1, (N,) each; the seed deals the folds. None without verdicts."""
    if not len(stated):
        return None
    raw = ece(stated, right), float(((stated - right) ** 2).mean())
    if len(stated) < FEWEST:
        return Confidence(len(stated), raw[0], None, raw[1], None)
    fold = np.random.default_rng(seed).permutation(len(stated)) % FOLDS
    corrected = np.empty(len(stated))
    for one in range(FOLDS):
        corrected[fold == one] = isotonic(stated[fold != one], right[fold != one])(stated[fold == one])
    return Confidence(len(stated), raw[0], ece(corrected, right), raw[1], float(((corrected - right) ** 2).mean()))
