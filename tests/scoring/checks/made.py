"""Logged exchanges of the tests' own: one call makes a valid one, and what a check says of it is one call more."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from scoring.checks.contract import Finding
from scoring.checks.options import options_of
from scoring.logged import LoggedExchange

PROSE = (
    "The river slows where it bends, and the gold that it carried falls to the ground there. "
    "People who pan for it look behind boulders and in the roots of old trees along the bank. "
)


def asked(said: str | list[Any] = "Where does a river leave its gold, and why is it there?", **request: Any) -> dict[str, Any]:
    """A chat completion's request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": said}], **request}


def answered(text: str | None, request: Any = None, *, calls: Any = None, **columns: Any) -> LoggedExchange:
    """A whole answer of chat completions, with this text and these tool calls."""
    row: dict[str, Any] = {
        "exchange_id": "01900000-0000-7000-8000-000000000001",
        "dialect": "openai.chat",
        "operation": "chat",
        "status": 200,
        "ending": "complete",
        "finish_reasons": ["tool_calls" if calls else "stop"],
        "output_text": text,
        "request_body": json.dumps(asked() if request is None else request),
        "tool_calls": None if calls is None else json.dumps(calls),
        **columns,
    }
    return LoggedExchange.from_row(row)


def called(name: str, arguments: Any, call_id: str = "call-1") -> list[dict[str, Any]]:
    """One tool call as the log's column has it."""
    return [{"id": call_id, "name": name, "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments)}]


def finding(check: ModuleType, exchange: LoggedExchange, **options: Any) -> Finding | None:
    """What a check says with these options."""
    found: Finding | None = check.check(exchange, options_of(check.Options, options))
    return found


def passed(check: ModuleType, exchange: LoggedExchange, **options: Any) -> bool | str | None:
    """True or False; 'unscored'; None where the check does not apply."""
    found = finding(check, exchange, **options)
    return None if found is None else "unscored" if found.passed is None else found.passed
