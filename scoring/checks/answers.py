"""What several checks read in an answer: its JSON, its prose without code, the patterns that occur in it."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from proxy.streams.json_value import Unparsable, parse_json
from scoring.checks.patterns import OPENING, Pattern, scanner
from scoring.logged import LoggedExchange

_FENCED: Final = re.compile(r"\A\s*```[\w-]*[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)
CUT_SHORT: Final = frozenset(
    {
        "length",
        "max_tokens",
        "max_output_tokens",
        "maximum_tokens",
        "max_length",
        "model_length",
        "token_limit",
        "incomplete:max_output_tokens",
        "incomplete",
        "model_context_window_exceeded",
        "error_limit",
    }
)
"""Finish reasons, in lower case, that say an answer was cut off at a limit: OpenAI, Anthropic, Google, Amazon, Cohere, Mistral, vLLM."""


class Parsed(NamedTuple):
    """An answer read as JSON."""

    value: Any
    error: str | None  # why it is none
    fenced: bool  # it stands in a code fence


def parsed(exchange: LoggedExchange) -> Parsed:
    """The answer's JSON; use with `exchange.once`."""
    text = exchange.text
    try:
        return Parsed(parse_json(text), None, False)
    except Unparsable as error:
        why = str(error)
    match = _FENCED.match(text) if text.startswith("```") else None
    if match is not None:
        try:
            return Parsed(parse_json(match[1]), None, True)
        except Unparsable as error:
            why = str(error)
    return Parsed(None, why, match is not None)


def prose(exchange: LoggedExchange) -> str:
    """The answer without its code blocks; use with `exchange.once`."""
    return without_code(exchange.text)


def without_code(text: str) -> str:
    """A text without what stands between ``` fences; an unclosed fence runs to the end."""
    if "```" not in text:
        return text
    return "\n".join(text.split("```")[::2])


def cut_short(exchange: LoggedExchange) -> str | None:
    """The finish reason that says the answer was cut off at a limit."""
    for reason in exchange.finish_reasons:
        if reason.lower() in CUT_SHORT:
            return reason
    return None


def opening(exchange: LoggedExchange) -> list[Pattern]:
    """The refusals and fallbacks in the answer's first words; use with `exchange.once`."""
    return scanner("opening").occurring(exchange.text_bytes[:OPENING])


def leaked(exchange: LoggedExchange) -> list[Pattern]:
    """The credentials and personal data that seem to stand in the answer; use with `exchange.once`."""
    return scanner("whole").occurring(exchange.text_bytes)
