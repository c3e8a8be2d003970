"""How far the golden set stands for the traffic: themes of both together, their shares, the distance between them. Pure.

Traffic and cases are put under themes together, so that a theme that only one side has is a theme too. The distance is Jensen and
Shannon's (Lin 1991), the square root of the divergence in bits: 0 = the same shares, 1 = nothing in common. A set of few cases is some way
from the traffic by chance alone: what 95 of 100 sets of as many random exchanges stay below is said beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scoring import themes
from scoring.estimates.proportions import Interval, share

DRAWS: Final = 2_000
SEED: Final = 20260101
FEWEST: Final = 30
"""Exchanges of traffic below which no distance is told."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Theme:
    """One theme on both sides."""

    name: str
    exchanges: int
    cases: int
    traffic: float  # its share of the exchanges
    in_set: float  # its share of the cases


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the set covers. distance is None where one side has too little."""

    exchanges: int
    cases: int
    themes: tuple[Theme, ...]  # the largest in the traffic first
    distance: Interval | None
    by_chance: float | None  # what 95% of random sets of this size stay below
    uncovered: Interval | None  # share of the traffic whose theme has no case
    theme_of_exchange: tuple[int, ...] = ()  # number into `themes`, by exchange
    theme_of_case: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Everything but the single assignments."""
        said = asdict(self)
        del said["theme_of_exchange"], said["theme_of_case"]
        for key in ("distance", "uncovered"):
            interval: Interval | None = getattr(self, key)
            said[key] = None if interval is None else interval._asdict()
        return said


def coverage(traffic: Sequence[str], cases: Sequence[str], seed: int = SEED) -> Coverage:
    """Of texts of random exchanges, and of the representative cases; the same texts give the same figures."""
    if not traffic:
        return Coverage(0, len(cases), (), None, None, None)
    labels, names = themes.themes([*traffic, *cases])
    of_traffic, of_cases = labels[: len(traffic)], labels[len(traffic) :]
    n, m = Counter(of_traffic), Counter(of_cases)
    order = sorted(range(len(names)), key=lambda one: (-n[one], -m[one], names[one]))
    place = {theme: number for number, theme in enumerate(order)}
    found = tuple(
        Theme(names[one], n[one], m[one], n[one] / len(traffic), m[one] / len(cases) if cases else 0.0) for one in order if n[one] or m[one]
    )
    distance, chance = None, None
    if cases and len(traffic) >= FEWEST:
        p = np.array([one.exchanges for one in found], np.float64)
        q = np.array([one.cases for one in found], np.float64)
        distance, chance = _distance(p, q, seed)
    missing = sum(one.exchanges for one in found if not one.cases)
    return Coverage(
        len(traffic),
        len(cases),
        found,
        distance,
        chance,
        share(missing, len(traffic)),
        tuple(place[one] for one in of_traffic),
        tuple(place[one] for one in of_cases),
    )


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """The distance of distributions along the last axis, 0 to 1; counts will do. (…, themes) and (…, themes) give (…)."""
    a, b = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
    m = (a + b) / 2

    def bits(x: Floats) -> Floats:
        told: Floats = (x * np.log2(np.where(x > 0, x, 1.0) / np.where(x > 0, m, 1.0))).sum(axis=-1)
        return told

    found: Floats = np.sqrt(np.clip((bits(a) + bits(b)) / 2, 0.0, 1.0))
    return found


def _distance(p: Floats, q: Floats, seed: int) -> tuple[Interval, float]:
    """The distance, its interval by drawing both sides again, and what chance alone stays below."""
    chance = np.random.default_rng(seed)
    n, m = int(p.sum()), int(q.sum())
    of_p, of_q = chance.multinomial(n, p / n, DRAWS), chance.multinomial(m, q / m, DRAWS)
    again = jensen_shannon(of_p.astype(np.float64), of_q.astype(np.float64))
    alike = chance.multinomial(m, p / n, DRAWS)
    by_chance = jensen_shannon(p, alike.astype(np.float64))
    found = float(jensen_shannon(p, q))
    # Drawing again adds noise of its own, which pushes a distance up: the spread is kept, and centred on what was found.
    low, high = (float(one) for one in np.quantile(again - again.mean(), [0.025, 0.975]))
    return Interval(found, max(0.0, found + low), min(1.0, found + high)), float(np.quantile(by_chance, 0.95))
