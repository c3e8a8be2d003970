"""Whether an answer that was to be JSON is JSON.

Applies where the request asks for JSON (response_format, text.format, output_config.format, responseMimeType, format …) or the task does.
Not told for answers that call tools instead, that refuse, or that nobody waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import cut_short, parsed
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_PASSED: Final = Finding(True, "valid JSON")


@dataclass(frozen=True, slots=True)
class Options:
    """What the task knows that the request may not say."""

    required: bool = option(default=False, sentence="The answer must be JSON although the request does not ask for it by a parameter.")
    allow_fence: bool = option(default=False, sentence="JSON inside a ``` fence is taken: the application takes the fence off.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    asked = exchange.answer_format is not None
    if not (asked or options.required) or not exchange.is_answer or not exchange.is_whole or not exchange.text or exchange.refusal:
        return None
    if exchange.calls:
        return None
    found = exchange.once(parsed)
    if found.error is None:
        if found.fenced and not options.allow_fence:
            return Finding(False, "the JSON stands in a code fence, so that a JSON parser refuses the answer", excerpt(exchange.text))
        return _PASSED
    limit = cut_short(exchange)
    why = f"no JSON, for it was cut off ({limit})" if limit else f"no JSON ({found.error[:120]})"
    return Finding(False, why, excerpt(exchange.text, len(exchange.text) if limit else 0))
