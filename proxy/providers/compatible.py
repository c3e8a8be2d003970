"""The quirks of the hosts that speak OpenAI's dialects, as tables: where each puts what OpenAI puts elsewhere, or does not have.

A place is looked up only where OpenAI's own is empty, whoever the upstream is: gateways pass other hosts' objects on, and operators name
their upstreams as they like. Sources: each host's API reference, and recorded answers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from proxy.exchange import Usage
from proxy.providers.fields import count, mapping, total
from proxy.providers.quantities import money, seconds
from proxy.streams.json_value import json_text

Path = tuple[str, ...]


class Place(NamedTuple):
    """A path in a usage object (or a whole answer), and the hosts that use it."""

    path: Path
    hosts: str


CACHE_READ: Final = (
    Place(("cached_tokens",), "Moonshot, Together, Featherless behind Hugging Face"),
    Place(("prompt_cache_hit_tokens",), "DeepSeek"),
    Place(("cache_read_input_tokens",), "Databricks, Vercel and LiteLLM, for Anthropic's models"),
    Place(("cached_prompt_text_tokens",), "xAI until 2025"),
    Place(("prompt_tokens_cached",), "Fireworks' performance fields in the body"),
)
# Not read: Mistral's `num_cached_tokens`, its engine's count, from before the documented and billed prompt_tokens_details.cached_tokens.
CACHE_WRITE: Final = (Place(("cache_creation_input_tokens",), "Databricks, Vercel and LiteLLM, for Anthropic's models"),)
REASONING: Final = (Place(("reasoning_tokens",), "Perplexity's deep research, xAI until 2025, Fireworks"),)
WEB_SEARCHES: Final = (
    Place(("server_side_tool_usage_details", "web_search_calls"), "xAI"),
    Place(("server_tool_use_details", "web_search_requests"), "OpenRouter"),
    Place(("server_tool_use", "web_search_requests"), "OpenRouter, for Anthropic's models"),
    Place(("num_search_queries",), "Perplexity's deep research"),
)
AUDIO_SECONDS: Final = (
    Place(("prompt_audio_seconds",), "Mistral's Voxtral"),
    Place(("seconds",), "OpenAI transcriptions billed by duration"),
    Place(("billable_audio_seconds",), "xAI realtime"),
)
PAGES: Final = (Place(("pages_processed",), "Mistral OCR"),)
COST_USD: Final = (
    Place(("cost",), "OpenRouter, Avian, Vercel: one credit is one US dollar"),
    Place(("cost", "total_cost"), "Perplexity"),
    Place(("estimated_cost",), "DeepInfra"),
    Place(("pydantic_ai_gateway", "cost_estimate"), "Pydantic AI Gateway"),
)
COST_TICKS: Final = Place(("cost_in_usd_ticks",), "xAI, and Grok on Azure: 10,000,000,000 ticks are one US dollar")
_TICKS_A_DOLLAR: Final = Decimal(10_000_000_000)
_COST_KEYS: Final = frozenset(place.path[0] for place in (*COST_USD, COST_TICKS))

# Hosts whose streams of chat completions always end in [DONE]: without it they were cut. Elsewhere a finish reason for each choice will do
# (Writer, Cerebras behind Hugging Face and Perplexity with `stream_mode: concise` send no [DONE]).
SENDS_DONE: Final = frozenset(
    (
        *("openai", "azure", "groq", "deepseek", "mistral", "openrouter", "x-ai", "xai"),
        *("together", "fireworks", "cerebras", "moonshotai", "ollama"),
    )
)

_METRICS: Final = ("metrics", "timings")  # vLLM with --enable-per-request-metrics; llama.cpp


def usage_of(raw: dict[str, Any], thoughts_apart: bool = False) -> Usage | None:
    """OpenAI's usage object (chat, responses, embeddings, images, audio, realtime), or a host's variant of it, in our words.

    None where it holds nothing that is counted. Reasoning is inside output_tokens for us: xAI's chat leaves it out of completion_tokens,
    which shows where total_tokens = prompt + completion + reasoning. `thoughts_apart` is for Gemini's OpenAI-compatible host, which tells
    of its thoughts in total_tokens alone.
    """
    prompt, completion = count(raw.get("prompt_tokens")), count(raw.get("completion_tokens"))
    if prompt is None and (prompt := count(raw.get("input_tokens"))) is None and completion is None:
        prompt = count(raw.get("total_tokens")) if "output_tokens" not in raw else None  # Voyage and Jina embed; nothing comes out
    if completion is None:
        completion = count(raw.get("output_tokens"))
    of_input = _details(raw, _INPUT_DETAILS)
    of_output = _details(raw, _OUTPUT_DETAILS)

    cache_read = count(of_input.get("cached_tokens"))
    cache_write = count(of_input.get("cache_write_tokens"))
    if cache_write is None:
        cache_write = count(of_input.get("cache_creation_tokens"))
    apart = 0  # cached tokens in Anthropic's own fields: a sum that is more than the prompt cannot be part of it
    if cache_read is None and (cache_read := _first(raw, CACHE_READ)) and "cache_read_input_tokens" in raw:
        apart = cache_read
    if cache_write is None and (cache_write := _first(raw, CACHE_WRITE)):
        apart += cache_write
    if prompt is not None and apart > prompt:
        prompt += apart

    reasoning = count(of_output.get("reasoning_tokens"))
    if reasoning is None:
        reasoning = _first(raw, REASONING)
    if prompt is not None and completion is not None and (reasoning or thoughts_apart):
        beyond = (count(raw.get("total_tokens")) or 0) - prompt - completion
        if beyond > 0 and (beyond == reasoning or (thoughts_apart and reasoning is None)):
            completion, reasoning = completion + beyond, beyond

    if completion is not None and reasoning is not None and "citation_tokens" in raw:
        completion += reasoning  # Perplexity's deep research counts and bills them apart

    usage = Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
        input_audio_tokens=count(of_input.get("audio_tokens")),
        output_audio_tokens=count(of_output.get("audio_tokens")),
        cache_read_audio_tokens=count(mapping(of_input.get("cached_tokens_details")).get("audio_tokens")),
        input_image_tokens=count(of_input.get("image_tokens")),
        output_image_tokens=count(of_output.get("image_tokens")),
        web_searches=_first(raw, WEB_SEARCHES),
        audio_seconds=_first_seconds(raw),
        pages=_first(raw, PAGES),
        raw=json_text(raw),
    )
    known = total(prompt, completion, usage.pages)
    return usage if known is not None or usage.audio_seconds is not None else None


def reported_cost(usage: dict[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> Decimal | None:
    """What the host says the exchange cost, in US dollars; None where it says nothing."""
    if not _COST_KEYS.isdisjoint(usage):
        for path, _ in COST_USD:
            amount = money(_at(usage, path))
            if amount is not None:
                return amount
        ticks = count(_at(usage, COST_TICKS.path))
        if ticks is not None:
            return ticks / _TICKS_A_DOLLAR
    for name, value in headers:
        if name == "x-litellm-response-cost":
            return money(value)
    return None


def metrics_of(document: dict[str, Any]) -> str | None:
    """The server's own timings of the request as JSON text, where it gives any."""
    for key in _METRICS:
        found = document.get(key)
        if found and isinstance(found, dict):
            return json_text(found)
    return None


_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details", "completion_token_details")


def _details(raw: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        found = raw.get(name)
        if type(found) is dict:
            return found
    return {}


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _first(raw: dict[str, Any], places: tuple[Place, ...]) -> int | None:
    for path, _ in places:
        if path[0] in raw and (found := count(_at(raw, path))) is not None:
            return found
    return None


def _first_seconds(raw: dict[str, Any]) -> float | None:
    for path, _ in AUDIO_SECONDS:
        if path[0] in raw and (found := seconds(_at(raw, path))) is not None:
            return found
    return None
