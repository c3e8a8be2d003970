"""An exchange gets the package's price for its own time, its own conditions and its own names, or NULL with the reason."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice
from genai_prices.types import Usage as PackageUsage

from proxy.accounting import pricing
from proxy.accounting.pricing import Price, Pricer
from proxy.accounting.units import billed
from proxy.exchange import Reading, Turn, Usage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
SMALL = Usage(input_tokens=1_000, output_tokens=10)


def cost(
    provider: str, model: str, usage: Usage | None = SMALL, at: datetime = NOW, url: str = "http://127.0.0.1:9", **fields: object
) -> Price:
    """The price of one exchange by a fresh pricer."""
    reading = replace(Reading(request_model=model, response_model=model, usage=usage, operation="chat"), **fields)
    return Pricer().price(reading, provider, url, at)


def package(provider: str, model: str, usage: Usage = SMALL, at: datetime = NOW, **context: str) -> Decimal:
    """What the package says."""
    return genai_prices.calc_price(
        PackageUsage(**billed(usage)), model, provider_id=provider, genai_request_timestamp=at, price_context=context
    ).total_price


def test_one_pricer_serves_every_time_its_own_price() -> None:
    """Asked in a random order, a price kept for one moment never serves another: dated and hourly models, all moments mixed."""
    listed = [(provider.id, model.id) for provider in providers for model in provider.models if not isinstance(model.prices, ModelPrice)]
    moments = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=61 * step, hours=5 * step, minutes=29 * step) for step in range(18)]
    asked = [(provider, model, at) for provider, model in listed for at in moments]
    random.Random(3).shuffle(asked)
    pricer = Pricer()
    usage = Usage(input_tokens=210_000, output_tokens=500, cache_read_tokens=1_000, cache_write_tokens=0, audio_seconds=30.0)
    compared = 0
    for provider, model, at in asked:
        price = pricer.price(Reading(request_model=model, usage=usage), provider, "", at)
        if price.cost_usd is not None:
            assert price.cost_usd == package(provider, model, usage, at), (provider, model, at)
            compared += 1
    assert compared > 2_000


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-11)), timezone(timedelta(hours=14)), None])
def test_the_hour_is_the_exchange_s_own_in_utc(zone: timezone | None) -> None:
    """DeepSeek's peak is told by UTC, whatever zone the moment is written in; without one it is UTC."""
    for hour in range(24):
        at = datetime(2026, 11, 18, hour, 30, tzinfo=UTC)
        written = at.astimezone(zone) if zone else at.replace(tzinfo=None)
        assert cost("deepseek", "deepseek-v4-pro", MILLION, written).cost_usd == package("deepseek", "deepseek-v4-pro", MILLION, at)
    assert len({cost("deepseek", "deepseek-v4-pro", MILLION, datetime(2026, 11, 18, hour, tzinfo=UTC)).cost_usd for hour in (2, 12)}) == 2


def test_a_past_exchange_costs_its_past_price() -> None:
    """o3 before and after its price fell."""
    assert cost("openai", "o3", MILLION, datetime(2025, 5, 1, tzinfo=UTC)).cost_usd == 50
    assert cost("openai", "o3", MILLION, datetime(2025, 7, 1, tzinfo=UTC)).cost_usd == 10


@pytest.mark.parametrize(
    ("fields", "context"),
    [
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"service_tier_requested": "priority"}, {"service_tier": "priority"}),
        ({"service_tier_requested": "flex", "service_tier": "default"}, {}),
        ({"service_tier": "auto"}, {}),
        ({"service_tier": "STANDARD"}, {}),
        ({"batch": True}, {"processing": "batch"}),
        ({"batch": True, "service_tier": "default"}, {"processing": "batch"}),
        ({"service_tier": "batch"}, {"processing": "batch"}),
    ],
)
def test_conditions_are_passed_on(fields: dict[str, object], context: dict[str, str]) -> None:
    """The answered tier counts before the asked one, and words for the standard tier give the standard price."""
    assert cost("openai", "gpt-5", **fields).cost_usd == package("openai", "gpt-5", **context)


def test_figures_that_were_checked_by_hand() -> None:
    """GPT-5, 1,000 tokens in and 10 out, under four conditions."""
    assert cost("openai", "gpt-5").cost_usd == Decimal("0.00135")
    assert cost("openai", "gpt-5", batch=True).cost_usd == Decimal("0.000675")
    assert cost("openai", "gpt-5", service_tier="flex").cost_usd == Decimal("0.000675")
    assert cost("openai", "gpt-5", service_tier="priority").cost_usd == Decimal("0.0027")


@pytest.mark.parametrize(
    ("provider", "model", "fields", "at"),
    [
        ("openai", "gpt-5", {"service_tier": "bogus"}, NOW),
        ("openai", "gpt-5", {"service_tier": "scale"}, NOW),
        ("openai", "gpt-5", {"batch": True}, datetime(2026, 5, 1, tzinfo=UTC)),
        ("openai", "gpt-5", {"batch": True, "service_tier": "priority"}, NOW),
        ("azure", "gpt-5", {"service_tier": "priority"}, NOW),
        ("anthropic", "claude-sonnet-4-5", {"service_tier": "priority"}, NOW),
        ("anthropic", "claude-haiku-4-5", {"speed": "fast"}, NOW),
    ],
)
def test_a_condition_nobody_has_a_price_for_gives_no_price(provider: str, model: str, fields: dict[str, object], at: datetime) -> None:
    """The package would answer the standard price silently; we say which condition has none."""
    assert package(provider, model, at=at) > 0
    price = cost(provider, model, at=at, **fields)
    assert price.cost_usd is None
    assert price.unknown is not None
    assert price.unknown.startswith("no price for ")


def test_fast_is_dearer() -> None:
    """Anthropic's fast speed has its own price where the data holds one."""
    fast = cost("anthropic", "claude-opus-4-8", speed="fast").cost_usd
    assert fast == package("anthropic", "claude-opus-4-8", speed="fast")
    assert fast > package("anthropic", "claude-opus-4-8")


@pytest.mark.parametrize(
    ("provider", "model", "listed_by", "listed"),
    [
        ("google-vertex", "publishers/google/models/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("google-vertex", "google/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("google-vertex", "claude-sonnet-4-5@20250929", "anthropic", "claude-sonnet-4-5"),
        ("google", "models/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("aws-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("aws-bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("aws-bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-lite-v1:0", "aws", "amazon.nova-lite-v1:0"),
        ("azure", "gpt-4o-2024-11-20", "openai", "gpt-4o"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "openai", "ft:gpt-4o-mini-2024-07-18"),
        ("openrouter", "openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("vercel-gateway", "anthropic/claude-sonnet-4", "anthropic", "claude-sonnet-4"),
        ("my-company-gateway", "gpt-4o", "openai", "gpt-4o"),
        ("voyage", "voyage-3.5", "voyageai", "voyage-3.5"),
        ("huggingface", "openai/gpt-oss-120b:groq", "huggingface_groq", "openai/gpt-oss-120b"),
    ],
)
def test_names_are_found_as_traffic_writes_them(provider: str, model: str, listed_by: str, listed: str) -> None:
    """Paths, ARNs, regions, deployments, fine-tunes and routers' prefixes lead to the listed model."""
    assert cost(provider, model).cost_usd == package(listed_by, listed)


def test_regions_have_their_own_price() -> None:
    """On Bedrock the asked name tells the region, so it counts before the answered one."""
    regional = cost("aws-bedrock", "claude-sonnet-4-5-20250929", request_model="us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    everywhere = cost("aws-bedrock", "claude-sonnet-4-5-20250929", request_model="global.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert regional.cost_usd is not None
    assert everywhere.cost_usd is not None
    assert regional.cost_usd > everywhere.cost_usd


@pytest.mark.parametrize(
    ("url", "listed_by", "model"),
    [
        ("https://api.openai.com", "openai", "gpt-4o"),
        ("https://acme.openai.azure.com/openai", "azure", "gpt-4o"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", "aws", "amazon.nova-lite-v1:0"),
        ("https://europe-west1-aiplatform.googleapis.com", "google", "gemini-2.5-flash"),
        ("https://api.groq.com/openai", "groq", "openai/gpt-oss-120b"),
    ],
)
def test_an_upstream_with_a_name_of_its_own_is_known_by_its_address(url: str, listed_by: str, model: str) -> None:
    """A custom name says nothing, the host does."""
    price = cost("team-seven", model, url=url)
    assert price.cost_usd == package(listed_by, model)
    assert price.source == "genai-prices"


def test_a_price_by_the_model_s_name_alone_says_so() -> None:
    """Behind an unknown gateway a model that only its maker runs has its maker's list price, marked as such."""
    assert cost("corporate", "claude-sonnet-4-5").source == "genai-prices:by-model-name"


@pytest.mark.parametrize(
    ("provider", "model", "url", "why"),
    [
        ("ollama", "llama3", "http://127.0.0.1:11434", "unknown provider"),
        ("ollama", "gemini-3-flash-preview:cloud", "https://ollama.com", "unknown provider"),
        ("lmstudio", "gpt-4o", "http://127.0.0.1:1234", "unknown provider"),
        ("my-vllm", "mistral-7b-instruct", "http://10.0.0.3:8000", "unknown provider"),
        ("my-vllm", "gpt-oss-120b", "http://10.0.0.3:8000", "unknown provider"),
        ("openai", "gpt-99-unheard-of", "", "unknown model"),
        ("openai", "x" * 10_000, "", "no model"),
        ("cerebras", "qwen-3-coder-480b", "", "the model is listed without a price"),
    ],
)
def test_unknown_is_null_with_the_reason(provider: str, model: str, url: str, why: str) -> None:
    """Own hardware, unheard-of names and lists without a figure give no price, and never 0."""
    assert cost(provider, model, url=url) == Price(None, unknown=why)


def test_free_is_nought() -> None:
    """A model that is free by its name costs 0, and that is known."""
    assert cost("openrouter", "deepseek/deepseek-r1:free").cost_usd == 0


def test_no_usage_is_no_price() -> None:
    """Where the provider reported nothing (count_tokens, errors), nothing is priced."""
    assert cost("anthropic", "claude-sonnet-4-5", None) == Price(None, unknown="no usage")


@pytest.mark.parametrize(
    ("provider", "model", "usage", "why"),
    [
        ("openai", "gpt-4o", Usage(input_tokens=10), "output_tokens not reported"),
        ("openai", "gpt-4o", Usage(output_tokens=10), "input_tokens not reported"),
        ("openai", "gpt-4o", Usage(images=2), "input_tokens not reported"),
        ("openai", "whisper-1", Usage(input_tokens=10), "audio_seconds not reported"),
        ("openai", "gpt-4o", Usage(input_tokens=7, output_tokens=1, cache_read_tokens=163), "usage contradicts itself"),
        ("openai", "gpt-4o", Usage(input_tokens=-1, output_tokens=1), "usage contradicts itself"),
        ("openai", "gpt-4o", Usage(input_tokens=10**30, output_tokens=1), "usage contradicts itself"),
        ("openai", "whisper-1", Usage(audio_seconds=float("nan")), "usage contradicts itself"),
    ],
)
def test_half_a_usage_is_no_price(provider: str, model: str, usage: Usage, why: str) -> None:
    """A sum without a priced part would be too low, and a usage beyond reason is nobody's bill."""
    price = cost(provider, model, usage)
    assert price.cost_usd is None
    assert (price.unknown or "").startswith(why)


def test_embeddings_need_no_output() -> None:
    """An embedding has no output tokens, and its price is whole without them."""
    assert cost("openai", "text-embedding-3-small", Usage(input_tokens=500), operation="embeddings").cost_usd == Decimal("0.00001")


def test_an_answer_of_another_model_is_not_priced_as_the_asked_one() -> None:
    """A deployment's name or a router's wish is no price for what answered."""
    assert cost("azure", "unheard-of", request_model="gpt-4o").cost_usd is None
    assert cost("openrouter", "x-ai/grok-unheard-of", request_model="google/gemini-2.0-flash-exp:free").cost_usd is None
    assert cost("openai", "gpt-4o-unheard-of-snapshot", request_model="gpt-4o").cost_usd == package("openai", "gpt-4o")


def test_a_session_costs_what_its_turns_cost() -> None:
    """Turns are priced one by one; one unreported usage makes the whole unknown."""
    told = Turn("r1", "gpt-realtime", Usage(input_tokens=100, output_tokens=50, input_audio_tokens=80, output_audio_tokens=40,
                                            cache_read_tokens=20, cache_read_audio_tokens=10), "completed", None)  # fmt: skip
    untold = Turn("r2", "gpt-realtime", None, "completed", None)
    session = Reading(request_model="gpt-realtime", turns=(told, told))
    pricer = Pricer()
    one, two = pricer.turn_prices(session, "openai", "", NOW)
    assert one == two
    assert told.usage is not None
    assert one.cost_usd == package("openai", "gpt-realtime", told.usage)
    assert pricer.price(session, "openai", "", NOW).cost_usd == 2 * package("openai", "gpt-realtime", told.usage)
    assert pricer.price(replace(session, turns=(told, untold)), "openai", "", NOW) == Price(None, unknown="no usage")


def test_every_price_says_where_it_is_from() -> None:
    """Source, the package's version, and a hash of the very prices used, which changes with them."""
    before, after = (cost("openai", "o3", at=datetime(2025, month, 1, tzinfo=UTC)) for month in (5, 7))
    assert (before.source, before.version) == ("genai-prices", genai_prices.__version__)
    assert before.hash
    assert after.hash
    assert before.hash != after.hash


def test_the_memory_for_names_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come from traffic: however many there are, no more than the set number is kept."""
    monkeypatch.setattr(pricing, "MAX_ENTRIES", 16)
    pricer = Pricer()
    for number in range(100):
        pricer.price(Reading(request_model=f"gpt-{number}", usage=SMALL), "openai", "", NOW)
        assert len(pricer._entries) <= 16
    assert pricer.price(Reading(request_model="gpt-4o", usage=SMALL), "openai", "", NOW).cost_usd == package("openai", "gpt-4o")
