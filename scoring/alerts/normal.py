"""Turns a standardised deviation of a count into one on the normal scale, so that one threshold serves rare and common failures alike.

Without these steps a threshold that is right at 20% failures cries wolf four times as often at 3%: a count of rare things is skewed, and
a spread learned from four weeks is itself uncertain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def skewness(n: Numbers, rate: Numbers, rho: Numbers) -> Numbers:
    """Skewness of a day's count of n events with that rate and correlation rho within a day, as that of a beta-binomial count.

    Days whose rates scatter evenly about the mean have less, and so fewer false alarms than were asked for; which of them a stream is
    cannot be seen in weeks.
    """
    size = 1 / np.maximum(rho, 1e-9) - 1  # a + b of the beta distribution
    spread = np.sqrt((1 + size) / np.maximum(n * rate * (1 - rate) * (n + size), 1e-12))
    return np.asarray((size + 2 * n) * (1 - 2 * rate) / (size + 2) * spread)


def unskewed(deviation: Numbers, skew: Numbers) -> Numbers:
    """The normal score of a deviation whose distribution has that skewness, as a gamma distribution would (Wilson and Hilferty 1931)."""
    g = np.where(np.abs(skew) < 1e-3, 1e-3, skew)
    return np.asarray(6 / g * (np.cbrt(np.maximum(g * deviation / 2 + 1, 1e-9)) - 1) + g / 6)


def unstudied(deviation: Numbers, freedom: Numbers) -> Numbers:
    """The normal score of a Student t with that many degrees of freedom (Wallace 1959)."""
    nu = np.maximum(freedom, 1.0)
    return np.asarray(np.sign(deviation) * np.sqrt(nu * np.log1p(deviation**2 / nu)) * (8 * nu + 1) / (8 * nu + 3))
