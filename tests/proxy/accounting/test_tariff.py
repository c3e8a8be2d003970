"""The prepared price lists against the price data's own arithmetic: equal to the last digit, or the same refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, Provider, Tier, TieredPrices
from genai_prices.types import Usage as PackageUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.accounting.catalogue import Found
from proxy.accounting.conditions import Conditions
from proxy.accounting.pricing import _Entry, _packaged
from proxy.accounting.tariff import Tariff
from proxy.accounting.units import Counts, billed
from proxy.exchange import Usage

MODELS = [(provider, model) for provider in providers for model in provider.models]
MOMENTS = [
    datetime(*day, hour, minute, tzinfo=UTC)
    for day in ((2024, 5, 1), (2025, 6, 10), (2026, 3, 13), (2026, 10, 14), (2026, 11, 20), (2027, 1, 1))
    for hour, minute in ((0, 29), (3, 59), (16, 30))
]
FULL = Usage(
    input_tokens=250_321,
    output_tokens=4_077,
    cache_read_tokens=1_024,
    cache_write_tokens=2_049,
    cache_write_5m_tokens=2_000,
    cache_write_1h_tokens=49,
    reasoning_tokens=333,
    input_audio_tokens=77,
    output_audio_tokens=55,
    cache_read_audio_tokens=11,
    input_image_tokens=13,
    output_image_tokens=17,
    web_searches=3,
    search_units=2,
    audio_seconds=3.7,
    pages=4,
    characters=901,
)
COUNT = st.one_of(st.none(), st.integers(0, 3), st.integers(0, 400_000), st.integers(0, 10**12))
USAGES = st.builds(
    Usage,
    **dict.fromkeys(
        (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "reasoning_tokens",
            "input_audio_tokens",
            "output_audio_tokens",
            "cache_read_audio_tokens",
            "input_image_tokens",
            "output_image_tokens",
            "web_searches",
            "search_units",
            "pages",
            "characters",
        ),
        COUNT,
    ),
    audio_seconds=st.one_of(st.none(), st.floats(0, 1e6, allow_nan=False)),
)


def theirs(provider: Provider, model: ModelInfo, counts: Counts, at: datetime, context: dict[str, str] | None = None) -> Decimal | None:
    """What the package answers, or None where it refuses."""
    try:
        return model.calc_price(PackageUsage(**counts), provider, genai_request_timestamp=at, price_context=context).total_price
    except ValueError:
        return None


def ours(entry: _Entry, counts: Counts, at: datetime) -> Decimal | None:
    """What the prepared list for that moment answers, or None where it refuses."""
    prices, _ = _packaged(entry, at)
    assert isinstance(entry.found, Found)
    tariff = Tariff(prices or ModelPrice(), entry.found.provider, entry.found.model.id)
    try:
        return tariff.cost(counts)
    except ValueError:
        return None


def contexts(model: ModelInfo) -> list[Conditions]:
    """The standard price, and each special one the data holds for the model."""
    return [(), *(tuple(variant.when.items()) for variant in model.price_variants or () if variant.when != {"service_tier": "default"})]


def test_every_model_costs_what_the_package_says() -> None:
    """Each model of the price data, with every unit reported and with text alone, at several dates and hours, under each condition."""
    usages = [
        billed(FULL),
        billed(Usage(input_tokens=1_200_000, output_tokens=7)),
        billed(Usage(input_tokens=10, output_tokens=3, cache_read_tokens=4)),
    ]
    tariffs: dict[tuple[int, str], Tariff] = {}
    priced = 0
    for provider, model in MODELS:
        moments = MOMENTS if isinstance(model.prices, list) or model.price_variants else MOMENTS[:1]
        for context in contexts(model):
            for at in moments:
                standard = model.get_prices(at, dict(context))
                key = (id(model), repr(standard))
                tariff = tariffs.get(key) or tariffs.setdefault(key, Tariff(standard, provider, model.id))
                for counts in usages:
                    expected = theirs(provider, model, counts, at, dict(context))
                    try:
                        found = tariff.cost(counts)
                    except ValueError:
                        found = None
                    assert found == expected, (provider.id, model.id, context, at, counts)
                    priced += 1
    assert priced > 10_000


@settings(max_examples=800, deadline=None)
@given(st.sampled_from(MODELS), USAGES, st.sampled_from(MOMENTS), st.data())
def test_any_usage_costs_what_the_package_says(listed: tuple[Provider, ModelInfo], usage: Usage, at: datetime, data: st.DataObject) -> None:
    """Whatever is reported or left out, the sum is the package's, and a usage that contradicts itself is refused by both."""
    provider, model = listed
    context = data.draw(st.sampled_from(contexts(model)))
    entry = _Entry(Found(provider, model), context, ())
    prices, unknown = _packaged(entry, at)
    counts = billed(usage)
    if prices is None:
        assert unknown is not None
    else:
        assert ours(entry, counts, at) == theirs(provider, model, counts, at, dict(context))


@settings(max_examples=300, deadline=None)
@given(USAGES)
def test_usages_on_lists_with_every_token_price(usage: Usage) -> None:
    """A made-up list that prices text, cache, audio and images, with steps, agrees as well."""
    rate = TieredPrices(base=Decimal("0.0833333333333333"), tiers=[Tier(1000, Decimal(3)), Tier(200_000, Decimal("7.77"))])
    keys = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "input_audio_mtok", "output_audio_mtok",
            "cache_audio_read_mtok", "cache_audio_write_mtok", "requests_kcount", "web_searches_kcount")  # fmt: skip
    prices = ModelPrice(**dict.fromkeys(keys, rate))
    provider, model = providers[0], ModelInfo(id="made-up", match=providers[0].models[0].match, prices=prices)
    counts = billed(usage)
    try:
        found = Tariff(prices, provider, "made-up").cost(counts)
    except ValueError:
        found = None
    assert found == theirs(provider, model, counts, MOMENTS[0])


def test_the_first_token_of_a_step_costs_the_old_price() -> None:
    """A step begins above its threshold, and then the whole request has its price."""
    prices = ModelPrice(input_mtok=TieredPrices(base=Decimal(1), tiers=[Tier(100, Decimal(2))]))
    tariff = Tariff(prices, providers[0], "stepped")
    assert tariff.cost({"input_tokens": 100}) == Decimal("0.0001")
    assert tariff.cost({"input_tokens": 101}) == Decimal("0.000202")


def test_parts_beyond_the_whole_are_refused() -> None:
    """More cached tokens than tokens is no usage, not a negative price."""
    tariff = Tariff(ModelPrice(input_mtok=Decimal(1), cache_read_mtok=Decimal("0.1")), providers[0], "cached")
    with pytest.raises(ValueError, match="input_tokens"):
        tariff.cost({"input_tokens": 7, "cache_read_tokens": 163})


def test_the_digest_tells_prices_apart_and_nothing_else() -> None:
    """The hash depends on the prices, not on the order they stand in or on whose they are."""
    one, other = {"input_mtok": Decimal(1), "output_mtok": Decimal(2)}, {"output_mtok": Decimal(2), "input_mtok": Decimal(1)}
    digests = [Tariff(ModelPrice(**prices), provider, "m").digest for prices, provider in product((one, other), providers[:2])]
    assert len(set(digests)) == 1
    assert Tariff(ModelPrice(input_mtok=Decimal(1)), providers[0], "m").digest not in digests
