"""Finds which of the price data's providers and models an exchange was billed as, from the names that traffic and operators use."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import cache

import genai_prices
from genai_prices.data import providers as packaged
from genai_prices.types import ModelInfo, Provider, StartDateConstraint

MAX_NAME = 512
"""Longer model names are nobody's; Bedrock ARNs stay under 256."""

BILLED_BY: dict[str, str] = {
    "aws-bedrock": "aws",
    "aws-bedrock-mantle": "aws",
    "bedrock": "aws",
    "amazon-bedrock": "aws",
    "azure-openai": "azure",
    "azure-ai-foundry": "azure",
    "gemini": "google",
    "google-vertex": "google",
    "vertex": "google",
    "vertex-ai": "google",
    "xai": "x-ai",
    "grok": "x-ai",
    "moonshot": "moonshotai",
    "voyage": "voyageai",
    "together-ai": "together",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "z-ai": "zai",
    "bigmodel": "zhipuai",
}
"""upstream name → the price data's provider, where they differ. The price data's own ids stand for themselves."""

OWN_PRICE = frozenset(
    "ollama lmstudio local localhost vllm llama.cpp llamacpp llama-cpp gpustack tgi sglang localai jan mlx "
    "snowflake watsonx heroku replicate huggingface crusoe alibaba writer ai21 nvidia sambanova github-models deepinfra nebius "
    "aws-bedrock-agent aws-sagemaker aleph-alpha".split()
)
"""Upstreams that bill in their own way, or not at all, and that the price data does not hold: unknown unless the operator says."""

GATEWAYS = frozenset({"vercel-gateway", "pydantic-gateway", "portkey", "litellm", "cloudflare-gateway", "helicone"})
"""They pass the maker's list price on, and name models `maker/model`."""

_LISTED = (
    (
        "openai",
        re.compile(r"(?:openai/)?((?:gpt-(?!oss)|chatgpt-|o[134](?:-|$)|codex-|text-embedding-(?:3|ada)|whisper-1|tts-1).*)", re.DOTALL),
    ),
    ("anthropic", re.compile(r"(?:anthropic/)?(claude-.+)", re.DOTALL)),
    ("google", re.compile(r"(?:google/|vertex/|models/)?(gemini-.+)", re.DOTALL)),
    ("x-ai", re.compile(r"(?:x-?ai/)?(grok-.+)", re.DOTALL)),
    ("perplexity", re.compile(r"(?:perplexity/)?(sonar.*)", re.DOTALL)),
)
"""Models whose weights nobody else holds: wherever they are asked for, their maker's list price is behind them."""

_NAMED_BY_VENDOR = frozenset({"openrouter", "groq", "together", "fireworks", "cloudflare", "novita", "baseten", "doubleword", "modal"})
"""Here the part before the last slash is part of the model's name."""

_WORD = re.compile(r"[a-z]{3,}")
_NO_NAMES = frozenset(
    {"chat", "instruct", "mini", "nano", "lite", "pro", "flash", "fast", "free", "preview", "latest", "turbo", "exp", "embed"}
)
"""Words in model names that many makers use, so that sharing one says nothing."""

_BY_ID: dict[str, Provider] = {provider.id: provider for provider in packaged}
_HOSTS: tuple[tuple[re.Pattern[str], Provider], ...] = tuple((re.compile(provider.api_pattern), provider) for provider in packaged)
FREE = frozenset({("openai", "moderation")})
"""(provider, model) that the price data lists without a price because they cost nothing; so do models named `…:free`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A model of the price data; `by_name` where only the model's name told who bills it."""

    provider: Provider
    model: ModelInfo
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no such model: 'unknown provider' or 'unknown model'; `billed_by` is the provider's id where it is known."""

    why: str
    billed_by: str | None = None


def find(upstream: str, upstream_url: str, response_model: str | None, request_model: str | None) -> Found | Missing:
    """The price data's model for one exchange.

    upstream, upstream_url: the configured name and base URL; names that are well known count before the address.
    The answered model counts before the asked one, which may be an alias; on Bedrock the asked one, as only it names the region's price.
    """
    names = [name for name in (response_model, request_model) if name and len(name) <= MAX_NAME]
    provider = _provider(upstream, upstream_url)
    if provider is None:
        provider = _router(upstream, request_model)
    if provider is None:
        return _by_name(names) if upstream not in OWN_PRICE else Missing("unknown provider")
    if not names:
        return Missing("no model", provider.id)
    if provider.id == "aws":
        names.reverse()
    for position, name in enumerate(names):
        if position == 0 or _same_model(provider.id, names[0], name):
            for spelling in _spellings(provider.id, name):
                model = provider.find_model(spelling, all_providers=packaged)
                if model is not None:
                    return Found(provider, model)
    return Missing("unknown model", provider.id)


def _provider(upstream: str, upstream_url: str) -> Provider | None:
    name = upstream.lower()
    known = _BY_ID.get(BILLED_BY.get(name, name))
    if known is not None or name in OWN_PRICE or name in GATEWAYS:
        return known
    return next((provider for pattern, provider in _HOSTS if pattern.match(upstream_url)), None)


def _router(upstream: str, request_model: str | None) -> Provider | None:
    """Hugging Face's router bills by the provider that stands behind the colon: `moonshotai/Kimi-K2-Instruct:groq`."""
    if upstream.lower() != "huggingface" or not request_model or ":" not in request_model:
        return None
    return _BY_ID.get(f"huggingface_{request_model.rpartition(':')[2].lower()}")


def _by_name(names: list[str]) -> Found | Missing:
    for name in names:
        for provider_id, pattern in _LISTED:
            match = pattern.fullmatch(name.lower())
            model = _BY_ID[provider_id].find_model(match[1]) if match else None
            if model is not None:
                return Found(_BY_ID[provider_id], model, by_name=True)
    return Missing("unknown provider" if names else "no model")


def _same_model(billed_by: str, answered: str, asked: str) -> bool:
    """Whether the asked name may stand for an answered name that the price data does not know.

    On Azure it is a deployment's name, which anybody may choose; a router may have asked another maker's model altogether.
    """
    if billed_by == "azure":
        return False
    words = [set(_WORD.findall(name.rpartition("/")[2].lower())) - _NO_NAMES for name in (answered, asked)]
    return not words[0].isdisjoint(words[1])


def _spellings(billed_by: str, name: str) -> tuple[str, ...]:
    """The name, and without what paths and routers put before or behind it."""
    if billed_by.startswith("huggingface_"):
        return (name, name.partition(":")[0])
    if billed_by in _NAMED_BY_VENDOR or "/" not in name:
        return (name,)
    return (name, name.rpartition("/")[2])


def is_free(found: Found) -> bool:
    """Whether a model without any price is known to cost nothing, rather than to have no known price."""
    return found.model.id.endswith(":free") or (found.provider.id, found.model.id) in FREE


@dataclass(frozen=True, slots=True)
class PriceData:
    """Which packaged price data this is, and how old it must be at least."""

    version: str  # of the genai-prices package
    hash: str  # of all its prices and conditions
    newest: date | None  # the newest dated price that had begun on the day asked about
    age_days: int | None  # days between `newest` and that day


def price_data_version(today: date) -> PriceData:
    """Version, content hash and age of the packaged price data.

    The package carries no date of its own. Providers change some price nearly every week, so the newest price that has begun
    tells how old the data is, or makes it look younger by as much as a price was announced ahead.
    """
    newest = max((day for day in _start_dates() if day <= today), default=None)
    return PriceData(genai_prices.__version__, _data_hash(), newest, (today - newest).days if newest else None)


@cache
def _data_hash() -> str:
    return hashlib.sha256(repr(packaged).encode()).hexdigest()[:12]


@cache
def _start_dates() -> frozenset[date]:
    models = [model for provider in packaged for model in provider.models]
    constraints = [price.constraint for model in models if isinstance(model.prices, list) for price in model.prices]
    constraints += [variant.constraint for model in models for variant in model.price_variants or ()]
    return frozenset(item.start_date for item in constraints if isinstance(item, StartDateConstraint))
