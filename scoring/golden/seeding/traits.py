"""What is particular about an exchange, as its request shows it: length, turns, tools, language, parameters, odd characters. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from proxy.providers.fields import mapping
from scoring.checks.language import guess
from scoring.golden.case import PASSING, canonical
from scoring.logged import LoggedExchange

_CONTENT: Final = frozenset(
    """
    messages contents input prompt message chat_history inputText inputs system systemInstruction system_instruction instructions preamble
    tools toolConfig tool_config functions documents tool_results metadata cache_control
    """.split()
)
_NESTED: Final = frozenset({"generationConfig", "generation_config", "inferenceConfig", "options", "textGenerationConfig"})
_SURE: Final = 0.9
_ODD: Final = frozenset({"Cc", "Cf", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one exchange; characters are Python's."""

    exchange_id: str
    feature: str
    characters: int  # of all that was said
    question: int  # of the user's last words
    turns: int  # messages that are not the system's
    tools: int  # offered
    documents: int
    attachments: int
    language: str | None  # ISO 639-1; None = too short to tell
    parameters: frozenset[str]  # "temperature=0.2", "tool_choice"
    odd: int  # control and formatting characters, and unpaired ones
    cut: bool  # the answer was cut off at its limit
    failed_tool: bool
    json: bool


def traits(exchange: LoggedExchange) -> Traits:
    """Of an exchange with its bodies."""
    said = [message for message in exchange.messages if message.role != "system"]
    text = exchange.question
    found = guess(text)
    return Traits(
        exchange.exchange_id,
        exchange.feature or "",
        len(exchange.request_text),
        len(text),
        len(said),
        len(exchange.tools[0]),
        len(exchange.documents),
        sum(message.attachments for message in said),
        found[0] if found is not None and found[1] >= _SURE else None,
        parameters(exchange.request),
        sum(unicodedata.category(one) in _ODD and one not in "\n\r\t" for one in text[:20_000]),
        any(reason.lower() in ("length", "max_tokens", "max_output_tokens") for reason in exchange.finish_reasons),
        any(result.is_error for result in exchange.results),
        exchange.answer_format is not None,
    )


def parameters(request: Any) -> frozenset[str]:
    """What a request sets beside its words: plain values with their value, others by name alone."""
    found: set[str] = set()
    asked = mapping(request)
    for key, value in [*asked.items(), *((key, value) for name in _NESTED for key, value in mapping(asked.get(name)).items())]:
        if key in _CONTENT or key in PASSING or key in _NESTED or value in (None, [], {}):
            continue
        found.add(f"{key}={canonical(value)}" if isinstance(value, str | int | float) and len(str(value)) <= 40 else key)
    return frozenset(found)
