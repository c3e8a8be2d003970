"""The failure rate as a distribution: a Jeffreys posterior a verdict, summed by Monte Carlo with the population shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.estimates.cells import Cells, Group
from scoring.estimates.sample import Floats

DRAWS: Final = 8_000
"""Monte Carlo draws: the limits then wander by 4% of a standard deviation."""
SEED: Final = 20_250_101
"""The default seed: the same file gives the same interval."""
FEWEST: Final = 0.4
MOST: Final = 0.6
"""Failures (and passes) that a group is given before its labels are seen. Jeffreys' half for both limits covers 0.87 at 0.5% failures and
50 labels, because the halves of two groups add up; 0.4 for the limit they push outwards and 0.6 for the other cover at least 0.93
(docs/estimates.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Draws of the failure rate, (D,) each, with the prior leaning either way: low <= high in each draw."""

    low: Floats
    high: Floats

    def interval(self, level: float) -> tuple[float, float]:
        """The central interval of that level."""
        tail = (1.0 - level) / 2.0
        return float(np.quantile(self.low, tail)), float(np.quantile(self.high, 1.0 - tail))


def draw(found: Cells, design_effect: float, seed: int, draws: int = DRAWS) -> Draws:
    """Draws of the population's failure rate; the design effect divides what rows and labels are worth."""
    random = np.random.default_rng(seed)
    low, high, mass = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    for group in (*found.groups, *(() if found.unlabelled is None else (found.unlabelled,))):
        behind = group.rows / design_effect
        part = random.standard_gamma(behind, draws) * (group.mass / behind)
        lower, upper = rates(group, design_effect, random, draws)
        low += part * lower
        high += part * upper
        mass += part
    return Draws(low / mass, high / mass)


def rates(group: Group, design_effect: float, random: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
    """Draws of one group's failure rate, (draws,) each: the prior leaning to passes, and to failures."""
    n = group.labels / design_effect
    failures, passes = random.standard_gamma(n * group.rate + FEWEST, draws), random.standard_gamma(n * (1 - group.rate) + FEWEST, draws)
    more_failures, more_passes = random.standard_gamma(MOST - FEWEST, draws), random.standard_gamma(MOST - FEWEST, draws)
    lower = failures / (failures + passes + more_passes)
    upper = (failures + more_failures) / (failures + more_failures + passes)
    return lower, upper
