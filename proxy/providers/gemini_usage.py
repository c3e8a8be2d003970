"""Google's UsageMetadata in our words: Gemini's own API, Vertex AI and the Live API count alike, under slightly different names.

Source: ai.google.dev, "UsageMetadata"; cloud.google.com, "GenerateContentResponse.UsageMetadata". The prompt count includes cached
tokens but neither the tool-use prompt nor the thoughts; the candidates' count leaves thoughts out.
"""

from __future__ import annotations

from typing import Any

from proxy.exchange import Usage
from proxy.providers.fields import count, items, mapping, total
from proxy.streams.json_value import json_text

# By name, and by number where enums come as integers.
_IMAGE: frozenset[str | int] = frozenset(("IMAGE", 2, "DOCUMENT", 5))  # pages of documents are seen, and billed, as pictures
_AUDIO: frozenset[str | int] = frozenset(("AUDIO", 4))

_TIERS = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex", "PROVISIONED_THROUGHPUT": "provisioned_throughput"}


def gemini_usage(meta: dict[str, Any]) -> Usage | None:
    """`meta` as Usage; None where it holds no token count (Vertex sends objects with nothing but a traffic type)."""
    prompt, tool_use = count(meta.get("promptTokenCount")), count(meta.get("toolUsePromptTokenCount"))
    answer = count(meta.get("candidatesTokenCount"))
    if answer is None:
        answer = count(meta.get("responseTokenCount"))
    thoughts, cached = count(meta.get("thoughtsTokenCount")), count(meta.get("cachedContentTokenCount"))
    if prompt is None and answer is None and thoughts is None and tool_use is None:
        return None
    prompts = (*items(meta.get("promptTokensDetails")), *items(meta.get("toolUsePromptTokensDetails")))
    prompts = prompts or (*items(meta.get("promptTokenDetails")),)  # embeddings spell it in the singular
    answers = (*items(meta.get("candidatesTokensDetails")), *items(meta.get("responseTokensDetails")))
    return Usage(
        input_tokens=total(prompt, tool_use),
        output_tokens=total(answer, thoughts),
        cache_read_tokens=cached,
        reasoning_tokens=thoughts,
        input_audio_tokens=_of(prompts, _AUDIO),
        output_audio_tokens=_of(answers, _AUDIO),
        cache_read_audio_tokens=_of(tuple(items(meta.get("cacheTokensDetails"))), _AUDIO),
        input_image_tokens=_of(prompts, _IMAGE),
        output_image_tokens=_of(answers, _IMAGE),
        raw=json_text(meta),
    )


def _of(details: tuple[Any, ...], modality: frozenset[str | int]) -> int | None:
    """Tokens of one modality; None where no entry names it."""
    entries = [mapping(entry) for entry in details]
    return total(*(count(entry.get("tokenCount")) for entry in entries if _named(entry.get("modality"), modality)))


def _named(value: Any, modality: frozenset[str | int]) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value in modality


def service_tier(meta: dict[str, Any]) -> str | None:
    """The tier that was billed: Gemini says it, Vertex tells it by its traffic type."""
    tier, traffic = meta.get("serviceTier"), meta.get("trafficType")
    if isinstance(tier, str) and tier:
        return tier.lower().removeprefix("service_tier_")
    return _TIERS.get(traffic) if isinstance(traffic, str) else None
