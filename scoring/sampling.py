"""Decides which items of a day a judge sees: by a hash of seed and id, so that the same day gives the same sample on any machine.

Every item has one number in [0, 1), `uniform`. It is drawn where that is below the probability of its stratum, so the draws are nested:
what is drawn at 5% is drawn at 20% too, and what lies below `rate` is a pure random sample of everything, whatever else is drawn. A
stratum is a feature and a risk. Features with few items get a floor: the k smallest numbers, with probability k/N. Where a day would give
more than `most` items, all shares shrink by one factor, so that memory and cost stay bounded and the draws nested.
Pure: counts and ids in, probabilities and choices out. Source: Horvitz-Thompson weights need the probability that is stored with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import ceil, sqrt
from typing import Final, NamedTuple

from config.scoring import Sampling

RISKS: Final = ("thumbs_down", "failed_check", "new_version", "long", "none")
"""What may have gone wrong with an item, the gravest first; an item has the first that holds."""
_BITS: Final = 52
UNIFORM: Final = "('0x' || left(sha256($seed || ':' || item), 13))::UBIGINT / 4503599627370496.0"
"""`uniform` of a column `item` and a parameter $seed, for DuckDB."""


class Stratum(NamedTuple):
    """A feature ('' = none said) and a risk."""

    feature: str
    risk: str

    def __str__(self) -> str:
        return f"{self.feature or '(no feature)'}/{self.risk}"


class Candidate(NamedTuple):
    """One item that may be drawn."""

    item: str  # the id that is hashed: of an exchange, or of a trace
    stratum: Stratum


class Drawn(NamedTuple):
    """One item that was drawn."""

    item: str
    stratum: Stratum
    probability: float  # of being drawn
    is_random: bool  # it is part of the pure random sample of everything
    order: float  # judged in this order, a budget that ends early leaves a random part of every stratum


@dataclass(frozen=True, slots=True)
class Design:
    """How a day is sampled: by stratum its size, its probability, and whether a number of items is fixed instead."""

    seed: str
    rate: float
    sizes: Mapping[Stratum, int]
    shares: Mapping[Stratum, float]
    fixed: Mapping[Stratum, int]  # strata of which exactly so many are drawn

    @property
    def expected(self) -> float:
        """Items that this draws on average."""
        return sum(self.fixed.get(stratum, size * self.shares[stratum]) for stratum, size in self.sizes.items())

    def threshold(self, stratum: Stratum) -> float:
        """A number below which all that can be drawn lies, with room for the floors; 1 = all of the stratum may be needed."""
        k = self.fixed.get(stratum)
        if k is None:
            return self.shares[stratum]
        size = max(1, self.sizes[stratum])
        return min(1.0, (k + 8 * sqrt(k) + 20) / size)


def uniform(seed: str, item: str) -> float:
    """The item's number in [0, 1): the first 52 bits of the SHA-256 of `seed:item`. `UNIFORM` says the same in SQL."""
    return int(sha256(f"{seed}:{item}".encode("utf-8", "replace")).hexdigest()[:13], 16) / 2.0**_BITS


def design(sizes: Mapping[Stratum, int], options: Sampling, *, floors: bool = True) -> Design:
    """The design for a day with so many items in each stratum.

    floors: False while a day is still growing, since k/N is not known then; the draws stay a subset of the final ones.
    """
    shares = {stratum: max(options.rate, _share(stratum.risk, options)) for stratum in sizes}
    expected = sum(size * shares[stratum] for stratum, size in sizes.items())
    scale = min(1.0, options.most / expected) if expected else 1.0
    shares = {stratum: share * scale for stratum, share in shares.items()}
    fixed: dict[Stratum, int] = {}
    if floors and options.floor and scale == 1.0:
        features: dict[str, list[Stratum]] = {}
        for stratum in sizes:
            features.setdefault(stratum.feature, []).append(stratum)
        for strata in features.values():
            fixed |= _floored(strata, sizes, shares, options.floor)
        if sum(fixed.values()) > options.most:  # features by the thousand: names that somebody makes up
            fixed = {}
    for stratum, k in fixed.items():
        shares[stratum] = k / sizes[stratum]
    return Design(options.seed, options.rate * scale, dict(sizes), shares, fixed)


def draw(plan: Design, candidates: Iterable[Candidate]) -> list[Drawn]:
    """The items drawn, in the order of judging. candidates: at least all those below their stratum's threshold."""
    bottom: dict[Stratum, list[tuple[float, str]]] = {stratum: [] for stratum in plan.fixed}
    drawn: list[Drawn] = []
    for item, stratum in candidates:
        number = uniform(plan.seed, item)
        if stratum in bottom:
            bottom[stratum].append((number, item))
        elif number < plan.shares.get(stratum, 0.0):
            drawn.append(_drawn(plan, item, stratum, number, plan.shares[stratum]))
    for stratum, known in bottom.items():
        known.sort()
        # Never fewer than lie below the rate: the pure random sample must be whole. Given their number, any of the items could be they.
        k = max(plan.fixed[stratum], sum(number < plan.rate for number, _ in known))
        if len(known) < k and plan.threshold(stratum) < 1.0:
            raise TooFew(stratum)
        share = min(1.0, k / plan.sizes[stratum])
        drawn += [_drawn(plan, item, stratum, number, share) for number, item in known[:k]]
    return sorted(drawn, key=lambda one: (one.order, one.item))


class TooFew(Exception):
    """Fewer items of a floored stratum came than must be there: ask for all of it. Happens about never."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The random stream that people look at whatever the judge said."""

    items: frozenset[str]
    share: float  # of the pure random sample
    rate: float

    def probability(self, drawn: Drawn) -> float:
        """That a drawn item is labelled: it must lie below the rate, and in the share."""
        return self.share * min(1.0, self.rate / drawn.probability)


def audit(drawn: Sequence[Drawn], number: int, plan: Design) -> Audit:
    """About `number` items of the pure random sample, drawn by a second hash."""
    random = [one.item for one in drawn if one.is_random]
    share = min(1.0, number / len(random)) if random else 0.0
    return Audit(frozenset(item for item in random if uniform(f"{plan.seed}|audit", item) < share), share, plan.rate)


def _share(risk: str, options: Sampling) -> float:
    return float(getattr(options, risk)) if risk != "none" else options.rate


def _floored(strata: Sequence[Stratum], sizes: Mapping[Stratum, int], shares: Mapping[Stratum, float], floor: int) -> dict[Stratum, int]:
    """Numbers for a feature whose expected draw is below the floor: filled up from its strata in proportion to what is left in each."""
    due = {stratum: sizes[stratum] * shares[stratum] for stratum in strata}
    missing = min(floor, sum(sizes[stratum] for stratum in strata)) - sum(due.values())
    if missing <= 0:
        return {}
    left = sum(sizes[stratum] - due[stratum] for stratum in strata)
    return {
        stratum: min(sizes[stratum], ceil(due[stratum] + missing * (sizes[stratum] - due[stratum]) / left - 1e-9))
        for stratum in strata
        if sizes[stratum]
    }


def _drawn(plan: Design, item: str, stratum: Stratum, number: float, probability: float) -> Drawn:
    return Drawn(item, stratum, probability, number < plan.rate, number / probability)
