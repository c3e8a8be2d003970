"""Prices one exchange: by the packaged prices at its own time, an operator's prices over them, or not at all, with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import genai_prices
from genai_prices.types import ModelPrice, PriceVariant, Provider

from proxy.accounting.catalogue import Found, Missing, find, is_free
from proxy.accounting.conditions import Conditions, conditions
from proxy.accounting.overrides import Overrides, Rule, lay_over
from proxy.accounting.tariff import Tariff
from proxy.accounting.units import billed
from proxy.exchange import Reading, Usage

MAX_ENTRIES = 4096
"""Combinations of upstream, model and tier kept; model names come from traffic, so the memory for them must end."""

_NO_OUTPUT = frozenset({"embeddings", "rerank", "moderation", "create_embeddings"})
_OPERATOR = Provider(id="operator", name="operator", api_pattern="(?!)")


@dataclass(frozen=True, slots=True)
class Price:
    """What one exchange cost, and by which prices; `cost_usd` is None where it is not known, and then `unknown` says why."""

    cost_usd: Decimal | None
    source: str | None = None  # genai-prices | genai-prices:by-model-name | operator | genai-prices+operator
    version: str | None = None  # of the genai-prices package, of the operator's file, or both joined by '+'
    hash: str | None = None  # short hash of the prices of this model that were used
    unknown: str | None = None  # 'no usage', 'unknown model', 'no price for service_tier=priority', …


class _Constraint(Protocol):
    def active(self, request_timestamp: datetime, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Quote:
    """The price list of one model at one time, or why there is none."""

    tariff: Tariff | None
    source: str | None = None
    version: str | None = None
    unknown: str | None = None
    by_operator: bool = False


class _Entry:
    """Everything known of one upstream, model and tier. Its price depends on time only through `constraints`, so they are its key."""

    __slots__ = ("conditions", "constraints", "found", "quotes", "rules")

    def __init__(self, found: Found | Missing, wanted: Conditions, rules: tuple[Rule, ...]) -> None:
        self.found = found
        self.conditions = wanted
        self.rules = rules
        self.quotes: dict[tuple[bool, ...], _Quote] = {}
        constraints: list[_Constraint] = []
        for constraint in self._all_constraints():
            if constraint not in constraints:
                constraints.append(constraint)
        self.constraints = tuple(constraints)

    def _all_constraints(self) -> Iterable[_Constraint]:
        if isinstance(self.found, Found):
            model = self.found.model
            if not isinstance(model.prices, ModelPrice):
                yield from (item.constraint for item in model.prices if item.constraint is not None)
            yield from (item.constraint for item in self.variants() if item.constraint is not None)
        yield from (rule.since for rule in self.rules if rule.since is not None)

    def variants(self) -> list[PriceVariant]:
        """The packaged special prices for exactly these conditions."""
        if not isinstance(self.found, Found) or not self.conditions:
            return []
        if not any(self.found.model is model for model in self.found.provider.models):
            return []  # borrowed from another provider's list, whose special prices are its own
        context = dict(self.conditions)
        return [item for item in self.found.model.price_variants or () if item.when == context]


class Pricer:
    """Prices exchanges; keeps what it found out about models, never a result. Not for several threads at once."""

    def __init__(self, overrides: Overrides | None = None) -> None:
        self._overrides = overrides
        self._entries: dict[tuple[object, ...], _Entry] = {}

    def price(self, reading: Reading, provider: str, upstream_url: str, at: datetime) -> Price:
        """The cost of one exchange at the prices of `at` (its own time; without a zone it is UTC).

        provider: the upstream's configured name; upstream_url: its base URL. A WebSocket session costs what its turns cost together.
        Model calls that the usage leaves out come on top, each at its own model's price.
        """
        if reading.also_billed:
            own = replace(reading, also_billed=())
            others = self.turn_prices(replace(own, turns=reading.also_billed), provider, upstream_url, at)
            return _together([self.price(own, provider, upstream_url, at), *others])
        if reading.turns:
            return _together(self.turn_prices(reading, provider, upstream_url, at))
        usage = reading.usage
        if usage is None:
            return _NO_USAGE
        key = (
            provider,
            upstream_url,
            reading.response_model,
            reading.request_model,
            reading.service_tier,
            reading.service_tier_requested,
            reading.batch,
            reading.speed,
        )
        entry = self._entries.get(key)
        if entry is None:
            entry = self._enter(key, reading, provider, upstream_url)
        state = tuple([constraint.active(at) for constraint in entry.constraints])
        quote = entry.quotes.get(state)
        if quote is None:
            quote = entry.quotes[state] = self._quote(entry, at)
        tariff = quote.tariff
        if tariff is None:
            return Price(None, unknown=quote.unknown)
        missing = _unreported(tariff, usage, reading.operation, quote.by_operator)
        if missing is not None:
            return Price(None, unknown=missing)
        try:
            cost = tariff.cost(billed(usage))
        except ValueError as error:
            return Price(None, unknown=f"usage contradicts itself: {error}")
        return Price(cost, quote.source, quote.version, tariff.digest)

    def turn_prices(self, reading: Reading, provider: str, upstream_url: str, at: datetime) -> list[Price]:
        """The cost of each response inside a WebSocket session, in order."""
        return [
            self.price(
                replace(reading, turns=(), usage=turn.usage, response_model=turn.response_model or reading.response_model),
                provider,
                upstream_url,
                at,
            )
            for turn in reading.turns
        ]

    def _enter(self, key: tuple[object, ...], reading: Reading, provider: str, upstream_url: str) -> _Entry:
        found = find(provider, upstream_url, reading.response_model, reading.request_model)
        billed_by = found.provider.id if isinstance(found, Found) else found.billed_by
        models = tuple(name for name in (reading.response_model, reading.request_model) if name)
        rules = self._overrides.matching(provider, models) if self._overrides else ()
        entry = _Entry(found, conditions(reading, billed_by), rules)
        if len(self._entries) >= MAX_ENTRIES:
            self._entries.clear()
        self._entries[key] = entry
        return entry

    def _quote(self, entry: _Entry, at: datetime) -> _Quote:
        packaged, unknown = _packaged(entry, at)
        laid = lay_over(entry.rules, entry.conditions, at, packaged)
        if laid is None:
            return _Quote(None, unknown=unknown)
        found = entry.found if isinstance(entry.found, Found) else None
        provider, model_id = (found.provider, found.model.id) if found else (_OPERATOR, "operator")
        sources, versions = [], []
        if laid.packaged:
            sources.append("genai-prices:by-model-name" if found and found.by_name else "genai-prices")
            versions.append(genai_prices.__version__)
        if laid.operator and self._overrides is not None:
            sources.append("operator")
            versions.append(self._overrides.version)
        return _Quote(Tariff(laid.prices, provider, model_id), "+".join(sources), "+".join(versions), by_operator=laid.operator)


def _packaged(entry: _Entry, at: datetime) -> tuple[ModelPrice | None, str | None]:
    """The packaged prices for the entry's conditions at that time, or why there are none."""
    found = entry.found
    if isinstance(found, Missing):
        return None, found.why
    if entry.conditions and not any(item.constraint is None or item.constraint.active(at) for item in entry.variants()):
        return None, f"no price for {', '.join('='.join(pair) for pair in entry.conditions)}"
    prices = found.model.get_prices(at, dict(entry.conditions))
    if all(value is None for value in vars(prices).values()) and not is_free(found):
        return None, "the model is listed without a price"
    return prices, None


def _unreported(tariff: Tariff, usage: Usage, operation: str | None, by_operator: bool) -> str | None:
    """Which part of the usage the sum would be too low without: a priced whole that was not reported, or one without a price."""
    for unit in tariff.needed:
        if unit == "output_tokens" and usage.output_tokens is None:
            if operation not in _NO_OUTPUT:
                return "output_tokens not reported"
        elif unit == "input_tokens" and usage.input_tokens is None:
            return "input_tokens not reported"
        elif unit in _OTHER_WHOLES and getattr(usage, _OTHER_WHOLES[unit]) is None:
            return f"{_OTHER_WHOLES[unit]} not reported"
    if by_operator:
        for unit, count in (("input_tokens", usage.input_tokens), ("output_tokens", usage.output_tokens)):
            if count and unit not in tariff.priced:
                return f"the operator's prices name none for {unit}"
    return None


_OTHER_WHOLES = {
    "audio_seconds": "audio_seconds",
    "input_document_pages": "pages",
    "input_characters": "characters",
    "rerank_searches": "search_units",
}
_NO_USAGE = Price(None, unknown="no usage")


def _together(prices: list[Price]) -> Price:
    """The sum of a session's turns; unknown as soon as one of them is, because a part is not the whole."""
    for price in prices:
        if price.cost_usd is None:
            return price
    first = prices[0]
    return replace(first, cost_usd=sum((price.cost_usd for price in prices if price.cost_usd is not None), Decimal(0)))
