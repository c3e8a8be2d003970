"""How many labels a wished precision takes, and what precision some labels will give, before anybody has labelled anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from scipy.special import ndtri

MOST_LABELS: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What is assumed of the population and the judge; 1 = failure."""

    rate: float = 0.1  # failures
    tpr: float = 0.7  # of the judge; 0.5 and 0.5 = no judge
    tnr: float = 0.9
    design_effect: float = 1.0  # of traces

    @property
    def judged(self) -> float:
        """Share of rows that the judge will call failures."""
        return self.rate * self.tpr + (1 - self.rate) * (1 - self.tnr)

    @property
    def within(self) -> float:
        """Variance of a label that the verdict leaves open: the mean over verdicts of q (1 - q)."""
        judged = self.judged
        hit = self.rate * self.tpr / judged if judged > 0 else 0.0
        missed = self.rate * (1 - self.tpr) / (1 - judged) if judged < 1 else 0.0
        return judged * hit * (1 - hit) + (1 - judged) * missed * (1 - missed)


def half_width(expected: Expected, n: int, n_labels: int, level: float = 0.95) -> float:
    """Half the interval that n judged rows with n_labels random labels will give, about.

    The score interval's width on the labels' own part (which stays right when failures are few), and the counting error of the shares.
    """
    if n_labels <= 0 or n <= 0:
        return 0.5
    z = float(ndtri((1 + level) / 2))
    labels = n_labels / expected.design_effect
    between = max(expected.rate * (1 - expected.rate) - expected.within, 0.0)
    variance = expected.within / labels + between * expected.design_effect / n
    return min(0.5, z * math.sqrt(variance + (z / (2 * labels)) ** 2) / (1 + z * z / labels))


def labels_for(expected: Expected, n: int, wanted: float, level: float = 0.95) -> int | None:
    """The fewest labels whose half-width is at most `wanted`; None where even a label on every row is not enough."""
    if half_width(expected, n, min(n, MOST_LABELS), level) > wanted:
        return None
    low, high = 1, min(n, MOST_LABELS)
    while low < high:
        middle = (low + high) // 2
        if half_width(expected, n, middle, level) <= wanted:
            high = middle
        else:
            low = middle + 1
    return low
