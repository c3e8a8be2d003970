"""The failure rates of some days: of everything, and of each feature, model and prompt version, corrected for the judge's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoring.estimates.agreement import Agreement, agreement
from scoring.estimates.estimate import LEVEL, Estimate, estimate
from scoring.estimates.following import Bounds, follow
from scoring.estimates.labels import Truth
from scoring.estimates.logged import Judged, sample
from scoring.estimates.posterior import SEED
from scoring.estimates.slices import Slice, slices

KEYS = ("feature", "model", "prompt_version")
"""Columns of a judged item that rates are given by."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Every rate with its interval; a slice differs from the rest only where its p_adjusted is small (Holm, within one key)."""

    overall: Estimate
    agreement: Agreement
    by: Mapping[str, Mapping[str | None, Slice]]  # key -> its value -> rate
    bounds: Bounds | None  # that hold although they are looked at daily; None = no verdict yet


def rates(items: Sequence[Judged], known: Mapping[str, Truth], *, level: float = LEVEL, seed: int = SEED) -> Rates | None:
    """Rates of judged items and what people say of them, by exchange id (`logged.judged`, `logged.truths`); None without items.

    `bounds` takes all days of the items as whole: leave out the day that is not over.
    """
    if not items:
        return None
    whole = sample(items, known)
    overall = estimate(whole, level=level, seed=seed)
    return Rates(
        overall,
        agreement(whole, level=level, seed=seed, design_effect=overall.design_effect),
        {key: slices(whole, [getattr(item, key) for item in items], level=level, seed=seed) for key in KEYS},
        follow(whole, [item.day for item in items], level=level, seed=seed),
    )
