"""Reads an operator's price file: own models, contract prices and discounts, laid over the packaged prices without losing any of them.

The file itself is described for operators in docs/pricing.md.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fnmatch import translate
from typing import Any, NamedTuple

from genai_prices.types import ModelPrice, Tier, TieredPrices

from config.settings import ConfigError
from proxy.accounting.conditions import Conditions

PRICE_KEYS: dict[str, str] = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_5m": "cache_write_5m_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "input_audio": "input_audio_mtok",
    "output_audio": "output_audio_mtok",
    "cache_read_audio": "cache_audio_read_mtok",
    "input_image": "input_image_mtok",
    "output_image": "output_image_mtok",
    "cache_read_image": "cache_image_read_mtok",
    "input_characters": "input_mchars",
    "web_searches": "web_searches_kcount",
    "search_units": "rerank_searches_kcount",
    "requests": "requests_kcount",
    "pages": "input_document_kpages",
    "audio_hours": "audio_hours",
}
"""Key of the file → the price data's key. USD per million tokens or characters, per 1,000 searches, requests, pages; per hour of audio."""

CONDITION_KEYS = ("service_tier", "processing", "speed")
_PRICE_TABLE = frozenset({"provider", "model", "from", "note", *CONDITION_KEYS, *PRICE_KEYS, *(f"{key}_tiers" for key in PRICE_KEYS)})
_DISCOUNT_TABLE = frozenset({"provider", "model", "from", "note", "percent"})
_FILE = frozenset({"version", "price", "discount"})


@dataclass(frozen=True, slots=True)
class Since:
    """A condition in time: from this moment on."""

    moment: datetime

    def active(self, at: datetime) -> bool:
        """Whether it holds at `at`; a moment without a zone is UTC."""
        return (at if at.tzinfo else at.replace(tzinfo=UTC)) >= self.moment


@dataclass(frozen=True, slots=True)
class Rule:
    """One table of the file: which exchanges it is for, and what it says of their prices."""

    provider: re.Pattern[str]
    model: re.Pattern[str]
    exact: bool  # the model is named, not described by a glob
    since: Since | None
    conditions: Conditions  # empty: the standard price
    prices: Mapping[str, Decimal]  # by the price data's keys
    tiers: Mapping[str, tuple[tuple[int, Decimal], ...]]  # (input tokens above which it holds, price)
    factor: Decimal | None  # a discount: what is left of a packaged price

    def is_for(self, upstream: str, models: tuple[str, ...]) -> bool:
        """Whether this rule speaks of an exchange with that upstream and one of those model names."""
        return self.provider.fullmatch(upstream) is not None and any(self.model.fullmatch(name) for name in models)


@dataclass(frozen=True, slots=True)
class Overrides:
    """An operator's price file. Rules lie in the order they apply: globs before names, older before newer, later lines last."""

    rules: tuple[Rule, ...]
    version: str
    hash: str

    def matching(self, upstream: str, models: tuple[str, ...]) -> tuple[Rule, ...]:
        """The rules for one upstream and model, whenever they hold."""
        return tuple(rule for rule in self.rules if rule.is_for(upstream, models))


def parse(table: Mapping[str, Any], file: str) -> Overrides:
    """The parsed TOML of a price file as rules. `file` is its name for messages; raises ConfigError with file, key, value and fix."""
    for key in table:
        if key not in _FILE:
            raise ConfigError(f"{file}: {key} is no key of a price file{_nearest(key, _FILE)}")
    rules: list[Rule] = []
    for kind in ("discount", "price"):
        tables = table.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(item, dict) for item in tables):
            raise ConfigError(f"{file}: {kind} must be tables: write [[{kind}]] above each")
        for number, item in enumerate(tables, 1):
            rules.append(_rule(kind, item, f"{file}: [[{kind}]] number {number}"))
    rules.sort(key=lambda rule: (rule.factor is None, rule.exact, rule.since.moment.timestamp() if rule.since else float("-inf")))
    digest = hashlib.sha256(json.dumps(table, sort_keys=True, default=str).encode()).hexdigest()[:12]
    version = table.get("version", digest)
    if not isinstance(version, str) or not version:
        raise ConfigError(f'{file}: version = {version!r} must be text, such as "2026-11"')
    return Overrides(tuple(rules), version, digest)


class Laid(NamedTuple):
    """A price list and where it comes from."""

    prices: ModelPrice
    packaged: bool  # at least one price is the packaged one, discounted or not
    operator: bool  # at least one rule of the operator had a say


def lay_over(rules: tuple[Rule, ...], conditions: Conditions, at: datetime, packaged: ModelPrice | None) -> Laid | None:
    """The packaged prices with the rules that hold at `at` laid over; None where neither says anything.

    A price takes the place of the packaged price of that key alone; where that one grows with the size of the input, its
    steps stay, until `…_tiers` names others. A discount lowers what is packaged; of several the most specific counts.
    """
    active = [rule for rule in rules if rule.since is None or rule.since.active(at)]
    named = [rule for rule in active if rule.factor is None and rule.conditions == conditions]
    factor = next((rule.factor for rule in reversed(active) if rule.factor is not None), None) if packaged is not None else None
    prices: dict[str, Decimal | TieredPrices] = {}
    if packaged is not None:
        given = {key: value for key, value in vars(packaged).items() if value is not None}
        prices = given if factor is None else {key: _times(value, factor) for key, value in given.items()}
    kept = prices.keys() - {key for rule in named for key in rule.prices}
    for rule in named:
        for key in rule.prices.keys() | rule.tiers.keys():
            before = prices.get(key)
            steps = [Tier(start, price) for start, price in rule.tiers[key]] if key in rule.tiers else _steps_of(before)
            base = rule.prices.get(key, before.base if isinstance(before, TieredPrices) else before)
            if base is not None:
                prices[key] = TieredPrices(base=base, tiers=steps) if steps else base
    if packaged is None and not prices:
        return None
    return Laid(ModelPrice(**prices), packaged is not None and (bool(kept) or not named), bool(named) or factor is not None)


def _times(price: Decimal | TieredPrices, factor: Decimal) -> Decimal | TieredPrices:
    if not isinstance(price, TieredPrices):
        return price * factor
    return TieredPrices(base=price.base * factor, tiers=[Tier(tier.start, tier.price * factor) for tier in price.tiers])


def _steps_of(price: Decimal | TieredPrices | None) -> list[Tier]:
    return list(price.tiers) if isinstance(price, TieredPrices) else []


def _rule(kind: str, item: dict[str, Any], where: str) -> Rule:
    known = _PRICE_TABLE if kind == "price" else _DISCOUNT_TABLE
    for key in item:
        if key not in known:
            raise ConfigError(f"{where}: {key} is no key of a {kind}{_nearest(key, known)}")
    provider, model = _glob(item, "provider", where), _glob(item, "model", where, "*" if kind == "discount" else None)
    prices = {PRICE_KEYS[key]: _money(item[key], f"{where}: {key}") for key in item if key in PRICE_KEYS}
    tiers = {PRICE_KEYS[key[:-6]]: _tiers(item[key], f"{where}: {key}") for key in item if key.endswith("_tiers")}
    conditions = tuple((key, _word(item[key], f"{where}: {key}")) for key in CONDITION_KEYS if key in item)
    factor = None
    if kind == "discount":
        percent = _number(item.get("percent"), f"{where}: percent")
        if not 0 <= percent <= 100:
            raise ConfigError(f"{where}: percent = {percent} must lie between 0 and 100")
        factor = 1 - percent / 100
    elif not prices and not tiers:
        raise ConfigError(f'{where} names no price: add input = "…" and output = "…" (USD per 1 million tokens), or take it out')
    exact = not any(sign in model for sign in "*?[")
    since = _since(item["from"], f"{where}: from") if "from" in item else None
    return Rule(_pattern(provider), _pattern(model), exact, since, conditions, prices, tiers, factor)


def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob), re.IGNORECASE)


def _glob(item: dict[str, Any], key: str, where: str, default: str | None = "*") -> str:
    value = item.get(key, default)
    if not isinstance(value, str) or not value:
        raise ConfigError(f'{where}: {key} = {value!r} must be a name or a glob, such as {key} = "*"')
    return value


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f'{where} = {value!r} must be a word, such as service_tier = "priority" or processing = "batch"')
    return value


def _number(value: Any, where: str) -> Decimal:
    try:
        found = Decimal(value if isinstance(value, str | int) and not isinstance(value, bool) else repr(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or len(found.as_tuple().digits) > 18:
        raise ConfigError(f'{where} = {value!r} must be a number, best as text, such as "0.30"')
    return found


def _money(value: Any, where: str) -> Decimal:
    found = _number(value, where)
    if not 0 <= found <= 10**6:
        raise ConfigError(f"{where} = {value!r} must lie between 0 and 1000000 USD per 1 million tokens; a free model costs 0")
    return found


def _tiers(value: Any, where: str) -> tuple[tuple[int, Decimal], ...]:
    example = 'such as [{above = 200000, price = "5.00"}], or [] for one price at every size'
    if not isinstance(value, list) or not all(isinstance(step, dict) and step.keys() == {"above", "price"} for step in value):
        raise ConfigError(f"{where} = {value!r} must be a list of steps, {example}")
    steps: list[tuple[int, Decimal]] = []
    for step in value:
        above = step["above"]
        if not isinstance(above, int) or isinstance(above, bool) or above <= 0:
            raise ConfigError(f"{where}: above = {above!r} must be a number of input tokens, {example}")
        steps.append((above, _money(step["price"], f"{where}: price")))
    return tuple(sorted(steps))


def _since(value: Any, where: str) -> Since:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ConfigError(f"{where} must be a date, such as from = 2026-01-01")
    return Since(value if value.tzinfo else value.replace(tzinfo=UTC))


def _nearest(key: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(key, sorted(known), 1)
    return f": did you mean {close[0]}?" if close else f": known are {', '.join(sorted(known))}"
