"""Whether a JSON answer keeps to its schema: the request's own (OpenAI, Anthropic, Gemini, Cohere, Bedrock, Ollama forms) or the task's.

Not told for answers that are no JSON (valid_json says that) and where no schema is given. Unscored where the schema cannot be used:
too large, too deep, explosive, or referring outside itself (nothing is ever fetched).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scoring.checks.answers import parsed
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.checks.schemas import Unusable, compiled
from scoring.logged import LoggedExchange
from scoring.wanted import AnswerFormat

_PASSED: Final = Finding(True, "keeps to the schema")


@dataclass(frozen=True, slots=True)
class Options:
    """A schema of the task's own."""

    schema: Mapping[str, Any] | None = option(default=None, sentence="JSON schema of the answer; takes the place of the request's.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    wanted = AnswerFormat(options.schema) if options.schema is not None else exchange.answer_format
    if wanted is None or not exchange.text or not exchange.is_answer or not exchange.is_whole or exchange.calls:
        return None
    found = exchange.once(parsed)
    if found.error is not None:
        return None
    if wanted.schema is None:
        if isinstance(found.value, dict):
            return None
        return Finding(False, "no JSON object, though one was asked for", excerpt(exchange.text))
    try:
        faults = compiled(wanted.schema, openapi=wanted.openapi).faults(found.value)
    except Unusable as why:
        return Finding(None, f"unscored: {why}")
    if not faults:
        return _PASSED
    return Finding(False, f"breaks the schema ({faults[0]})", "; ".join(faults)[:300])
