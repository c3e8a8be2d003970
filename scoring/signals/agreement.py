"""How far implicit signals agree with what users said explicitly: lift and phi of each signal against thumbs and corrections. Pure.

For each signal the exchanges that users rated, in a table of four: with and without the signal, rated down and not. Lift is the share
rated down among those with the signal, over the share among all rated ones (1 = the signal says nothing); phi is the correlation of the two
(0 = nothing, 1 = the same). Intervals: the four shares are drawn from their Jeffreys posterior (Dirichlet, 1/2 each), with the counts
divided by a design effect where one session rated several answers, and the quantiles of what they give are taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

DRAWS: Final = 8_000
SEED: Final = 20_260_302
LEVEL: Final = 0.95
ALIKE: Final = 0.5
"""Correlation of one session's ratings that is taken for granted: they are of one mood about one matter."""
FEW: Final = 10
"""Rated exchanges with the signal, or rated down, below which the figures mean little; it is said."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rated:
    """One exchange that a user rated."""

    exchange_id: str
    cluster: str  # the session, else the user, else itself
    down: bool  # thumbs down, one or two stars, a correction, a report
    signals: frozenset[str]  # those that were found of it


@dataclass(frozen=True, slots=True)
class Agreed:
    """What one signal is worth. None = not defined by these counts."""

    signal: str
    n: int  # rated exchanges for which the signal could be told
    both: int  # with the signal and rated down
    signal_only: int
    down_only: int
    neither: int
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    phi: float | None
    phi_low: float | None
    phi_high: float | None
    warning: str | None


def agree(rated: Sequence[Rated], names: Iterable[str], level: float = LEVEL) -> list[Agreed]:
    """A line a signal, in the order of `names`."""
    return [_of(name, rated, level) for name in names]


def _of(name: str, rated: Sequence[Rated], level: float) -> Agreed:
    counts = Counter((name in one.signals, one.down) for one in rated)
    both, only, down, neither = (counts[key] for key in ((True, True), (True, False), (False, True), (False, False)))
    n = both + only + down + neither
    table = np.array([[both, only, down, neither]], dtype=np.float64)
    lift, phi = _lift(table), _phi(table)
    effect = design_effect([one.cluster for one in rated])
    drawn = np.random.default_rng(SEED).dirichlet(table[0] / effect + 0.5, DRAWS)
    ends = [(1 - level) / 2, (1 + level) / 2]
    lifts, phis = (np.quantile(values(drawn), ends) if n else (np.nan, np.nan) for values in (_lift, _phi))
    few = min(both + only, both + down) < FEW
    return Agreed(
        name,
        *(n, both, only, down, neither),
        *(_one(lift[0]), _one(lifts[0]), _one(lifts[1])),
        *(_one(phi[0]), _one(phis[0]), _one(phis[1])),
        f"fewer than {FEW} rated exchanges with the signal, or rated down" if few else None,
    )


def design_effect(clusters: Sequence[str]) -> float:
    """How many rows are worth one, where rows of a cluster are alike: 1 + (size - 1) x ALIKE, sizes as rows see them."""
    sizes = np.array(list(Counter(clusters).values()), dtype=np.float64)
    return float(1 + ((sizes**2).sum() / sizes.sum() - 1) * ALIKE) if len(sizes) else 1.0


def _lift(table: Floats) -> Floats:
    both, only, down, neither = table.T
    return _ratio(both * (both + only + down + neither), (both + only) * (both + down))


def _phi(table: Floats) -> Floats:
    both, only, down, neither = table.T
    return _ratio(both * neither - only * down, np.sqrt((both + only) * (down + neither) * (both + down) * (only + neither)))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 1e-12)


def _one(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
