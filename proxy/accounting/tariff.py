"""One price list in the shape that a night of a million rows needs: the same Decimal arithmetic as the price data's own, prepared once.

genai-prices validates and sorts the units of a model at every call (50 µs and more). What depends on the price alone is done
here once; what depends on the usage is a handful of Decimal products, exact, and equal to the package's result.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

from genai_prices.data_units import unit_data
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider, TieredPrices
from genai_prices.types import Usage as PackageUsage

from proxy.accounting.units import FIELDS, PARTS, Counts, is_part

_UNIT_OF_PRICE: dict[str, str] = {data["price_key"]: unit for unit, data in unit_data.items()}
_REPORTABLE = frozenset(unit for _, unit in FIELDS)
_ZERO = Decimal(0)
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_POWERS_OF_TEN = {10**power: power for power in range(13)}


def _overlaps(unit: str) -> tuple[tuple[str, str], ...]:
    """Pairs of units whose overlap is exactly this one: cached audio is what is both cached and audio."""
    dimensions = unit_data[unit]["dimensions"]
    return tuple(
        (one, other)
        for one in _REPORTABLE
        for other in _REPORTABLE
        if one < other
        and unit not in (one, other)
        and not is_part(one, other)
        and not is_part(other, one)
        and {**unit_data[one]["dimensions"], **unit_data[other]["dimensions"]} == dimensions
        and {**unit_data[other]["dimensions"], **unit_data[one]["dimensions"]} == dimensions
    )


_DELICATE = {unit: (PARTS[unit], _overlaps(unit)) for unit in unit_data}
"""unit → its parts, and the pairs that overlap in it: where any of these was reported, a missing unit may not count as 0."""


class Tariff:
    """What one model costs under one set of conditions; immutable.

    `digest` is a short hash of the prices themselves, the same wherever the same numbers stand.
    """

    __slots__ = ("_delicate", "_fast", "_lines", "_model", "_order", "_provider", "_tiered", "digest", "needed", "priced")

    def __init__(self, prices: ModelPrice, provider: Provider, model_id: str) -> None:
        rates = {key: value for key, value in vars(prices).items() if value is not None}
        self.digest = hashlib.sha256(repr(sorted(rates.items())).encode()).hexdigest()[:12]
        self._provider = provider
        self._model = ModelInfo(id=model_id, match=ClauseEquals(model_id), prices=prices)
        units = sorted(
            ((_UNIT_OF_PRICE[key], rate) for key, rate in rates.items() if key in _UNIT_OF_PRICE),
            key=lambda item: (-len(unit_data[item[0]]["dimensions"]), item[0]),
        )
        self.priced = frozenset(unit for unit, _ in units)
        self.needed = tuple(unit for unit, rate in units if self._is_needed(unit, rate))
        self._fast = self._is_valid(prices) and all(
            unit_data[unit]["dimensions"]["family"] in ("tokens", "tool_calls", "rerank", "requests") for unit, _ in units
        )
        self._tiered = any(isinstance(rate, TieredPrices) for _, rate in units)
        counted = self.priced | {"input_tokens"} if self._tiered else self.priced
        self._delicate = tuple((unit, *_DELICATE[unit]) for unit in sorted(counted) if any(_DELICATE[unit]))
        listed = [_UNIT_OF_PRICE[key] for key in rates if key in _UNIT_OF_PRICE]
        self._order = tuple([unit for unit, _ in units].index(unit) for unit in listed)
        self._lines = tuple(
            (
                unit,
                1 if unit == "requests" else 0,
                tuple(index for index, (part, _) in enumerate(units) if is_part(unit, part)),
                _steps(rate, unit_data[unit]["per"]) if self._fast else (),
            )
            for unit, rate in units
        )

    def _is_needed(self, unit: str, rate: Decimal | TieredPrices) -> bool:
        """A whole with a price of its own: where it was not reported, a sum without it would be too low."""
        family = unit_data[unit]["dimensions"]["family"]
        costs = bool(rate.base or any(tier.price for tier in rate.tiers)) if isinstance(rate, TieredPrices) else bool(rate)
        whole = not any(is_part(other, unit) for other in self.priced)
        return costs and whole and family not in ("requests", "tool_calls", "messages")

    def _is_valid(self, prices: ModelPrice) -> bool:
        try:
            prices.calc_price(PackageUsage())
        except ValueError:
            return False
        return True

    def cost(self, counts: Counts) -> Decimal:
        """USD for these counts (by the price data's units), exact; ValueError where the counts contradict each other."""
        if not self._fast:
            return self._by_package(counts)
        for unit, parts, pairs in self._delicate:
            if unit not in counts:
                for part in parts:
                    if counts.get(part):
                        return self._by_package(counts)
                for one, other in pairs:
                    if counts.get(one) and counts.get(other):
                        return self._by_package(counts)
        size = counts.get("input_tokens", 0) if self._tiered else 0
        left: list[int | Decimal] = []
        amounts: list[Decimal] = []
        for unit, unreported, inside, steps in self._lines:
            count = counts.get(unit, unreported)
            for index in inside:
                count -= left[index]
            if count < 0:
                raise ValueError(f"the parts of {unit} add up to more than {unit}")
            left.append(count)
            amount = _ZERO
            if count:
                for start, rate in steps:
                    if size > start:
                        amount = rate * count
                        break
            amounts.append(amount)
        total = _ZERO
        for index in self._order:  # the package's order: with 17-digit prices a sum rounds, and then the order shows
            total += amounts[index]
        return total

    def _by_package(self, counts: Counts) -> Decimal:
        return self._model.calc_price(PackageUsage(**counts), self._provider, genai_request_timestamp=_ANY_TIME).total_price


def _steps(rate: Decimal | TieredPrices, per: int) -> tuple[tuple[int, Decimal], ...]:
    """(input tokens above which it holds, USD a unit), the highest first; the last holds always."""
    shift = -_POWERS_OF_TEN[per]
    if not isinstance(rate, TieredPrices):
        return ((-1, rate.scaleb(shift)),)
    return (*((tier.start, tier.price.scaleb(shift)) for tier in reversed(rate.tiers)), (-1, rate.base.scaleb(shift)))
