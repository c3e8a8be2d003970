"""Holm's correction: how small a p-value must be when many slices are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Name = TypeVar("Name")


def holm(p_values: Mapping[Name, float | None]) -> dict[Name, float | None]:
    """Adjusted p-values (Holm 1979): below alpha means found, with a chance of at most alpha of any false find among all.

    None (a slice that could not be tested) stays None and does not count.
    """
    tested = sorted(((p, n, name) for n, (name, p) in enumerate(p_values.items()) if p is not None), key=lambda item: item[:2])
    adjusted: dict[Name, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for rank, (p, _, name) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        adjusted[name] = highest
    return adjusted
