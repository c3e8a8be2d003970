"""Failure rates of slices (features, models, prompt versions), and which differ from the rest when all are looked at together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scoring.estimates.estimate import LEVEL, Estimate, estimate, posterior
from scoring.estimates.posterior import DRAWS, SEED
from scoring.estimates.sample import Sample

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a sample."""

    estimate: Estimate
    p_value: float | None  # two-sided, of failing as often as the rest; None = no labels on one of the sides
    p_adjusted: float | None  # by Holm over all slices: below 0.05 it differs, whatever number of slices was looked at


def slices(sample: Sample, names: Sequence[Name], *, level: float = LEVEL, seed: int = SEED, draws: int = DRAWS) -> dict[Name, Slice]:
    """Each slice's own estimate, by name in the order of first appearance; `names` has one entry a row (None is a name as well)."""
    rows: dict[Name, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    estimates: dict[Name, Estimate] = {}
    p_values: dict[Name, float | None] = {}
    for name, inside in rows.items():
        mask = np.zeros(len(sample), np.bool_)
        mask[inside] = True
        own = sample.of_rows(mask)
        estimates[name] = estimate(own, level=level, seed=seed, draws=draws)
        p_values[name] = None if mask.all() else differs(own, sample.of_rows(~mask), level=level, seed=seed, draws=draws)
    adjusted = holm(p_values)
    return {name: Slice(estimates[name], p_values[name], adjusted[name]) for name in rows}


def differs(one: Sample, other: Sample, *, level: float = LEVEL, seed: int = SEED, draws: int = DRAWS) -> float | None:
    """Two-sided p-value of two independent samples failing equally often; None where either has no labels.

    The share of posterior draws on the wrong side, doubled; the priors lean against a difference. Never below what the draws can show.
    """
    a, b = posterior(one, level=level, seed=seed, draws=draws), posterior(other, level=level, seed=seed + 1, draws=draws)
    if a is None or b is None:
        return None
    wrong = min(np.count_nonzero(a.low <= b.high), np.count_nonzero(a.high >= b.low))
    return min(1.0, 2.0 * (int(wrong) + 1) / (draws + 1))


def holm(p_values: Mapping[Name, float | None]) -> dict[Name, float | None]:
    """Adjusted p-values (Holm 1979): those below alpha hold together, with a chance of at most alpha of any false one among them.

    None (could not be tested) stays None and does not count.
    """
    tested = sorted(((p, n, name) for n, (name, p) in enumerate(p_values.items()) if p is not None), key=lambda item: item[:2])
    adjusted: dict[Name, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for rank, (p, _, name) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        adjusted[name] = highest
    return adjusted
