"""Intervals of plain counted shares, and of their differences, where nothing was sampled with unequal probability. Pure.

Sources: Wilson 1927 (score interval); Newcombe 1998, method 10 (difference of two independent shares by their Wilson intervals).
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from scipy.special import ndtri


class Interval(NamedTuple):
    """A value and the bounds that hold it with the level's probability."""

    value: float
    low: float
    high: float

    @property
    def is_apart(self) -> bool:
        """Whether 0 lies outside: for differences."""
        return self.low > 0 or self.high < 0


def share(hits: float, n: float, level: float = 0.95) -> Interval | None:
    """hits of n, 0 ≤ hits ≤ n, with Wilson's interval; None where n is 0."""
    if n <= 0:
        return None
    z = float(ndtri((1 + level) / 2))
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half)))


def difference(hits: float, n: float, hits_before: float, n_before: float, level: float = 0.95) -> Interval | None:
    """The second share taken from the first, with Newcombe's interval; None where either n is 0."""
    now, before = share(hits, n, level), share(hits_before, n_before, level)
    if now is None or before is None:
        return None
    d = now.value - before.value
    low = d - sqrt((now.value - now.low) ** 2 + (before.high - before.value) ** 2)
    high = d + sqrt((now.high - now.value) ** 2 + (before.value - before.low) ** 2)
    return Interval(d, max(-1.0, low), min(1.0, high))
