"""Whether a judge says the same again: of a pair with the answers exchanged, and of frozen anchors judged anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scipy.special import betainc, betaincinv

FLOOR: Final = 0.01
"""Share of flips that is no drift. A judge that flips 1 verdict in 2,000 is as good as unchanged, yet tests against none flag it in 5 to
14% of nights."""
ALPHA: Final = 0.05
FEWEST: Final = 20
"""Anchors below which not even a judge that flips every fifth verdict would show."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often a second verdict on the same thing differed from the first."""

    n: int  # both verdicts readable
    flips: int
    low: float  # of the share of flips, 95%
    high: float
    unreadable: int  # one of the two was unscored

    @property
    def share(self) -> float | None:
        """Of flips; None without pairs."""
        return self.flips / self.n if self.n else None

    @property
    def consistency(self) -> float | None:
        """Of verdicts that stayed; None without pairs."""
        return 1 - self.flips / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Drift:
    """Frozen anchors judged anew."""

    repeats: Repeats
    to_fail: int  # flips from pass to fail; the rest went the other way
    p_value: float | None  # of so many flips from a judge that flips FLOOR of its verdicts; None = too few anchors
    floor: float

    @property
    def drifted(self) -> bool | None:
        """Whether the judge is another one than it was; None = too few anchors to say."""
        return None if self.p_value is None else self.p_value < ALPHA


def repeats(first: Sequence[bool | None], second: Sequence[bool | None]) -> Repeats:
    """Two verdicts a thing, in the same order; None = unscored. The interval is Jeffreys'."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    flips, n = sum(a != b for a, b in both), len(both)
    low = float(betaincinv(flips + 0.5, n - flips + 0.5, 0.025)) if flips else 0.0
    high = float(betaincinv(flips + 0.5, n - flips + 0.5, 0.975)) if flips < n else 1.0
    return Repeats(n, flips, low, high, len(first) - n)


def drift(before: Sequence[bool | None], after: Sequence[bool | None], floor: float = FLOOR) -> Drift:
    """Anchors' verdicts (True = pass) before and now. `floor` is the share of flips that the judge is known to have anyway, at least 1%."""
    found = repeats(before, after)
    floor = max(floor, FLOOR)
    to_fail = sum(a is True and b is False for a, b in zip(before, after, strict=True))
    if found.n < FEWEST:
        return Drift(found, to_fail, None, floor)
    p = 1.0 if not found.flips else float(betainc(found.flips, found.n - found.flips + 1, floor))  # P(flips or more), binomial
    return Drift(found, to_fail, p, floor)
