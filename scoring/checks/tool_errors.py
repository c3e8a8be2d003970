"""Whether the tools that the answer called worked: their results come in the next request of the trace.

Applies to answers with tool calls where the next exchange is known and carries results of theirs. A result that the client itself
marks as an error (Anthropic is_error, Bedrock status, Gemini error) counts; one that only reads like an error informs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scoring.checks.contract import Finding, Measured, excerpt
from scoring.checks.patterns import scanner
from scoring.conversation import ToolResult
from scoring.logged import LoggedExchange

_READ: int = 2_000  # characters of a result: an error says so at its beginning

MEASURED: Final = Measured(hits=15)
"""Counted on distinct tool results; 12 of them bore their client's own mark as well."""


@dataclass(frozen=True, slots=True)
class Options:
    """None."""


def check(exchange: LoggedExchange, _options: Options) -> Finding | None:
    """See the file's first lines."""
    if exchange.next is None or not exchange.tool_calls:
        return None
    results = _results(exchange, exchange.next)
    if not results:
        return None
    marked = [result for result in results if result.is_error]
    if marked:
        return Finding(
            False, f"{len(marked)} of {len(results)} tool results are errors", excerpt(marked[0].text), score=1 - len(marked) / len(results)
        )
    read_as = [result for result in results if scanner("tool error").occurring(result.text[:_READ].encode("utf-8", "replace"))]
    if read_as:
        return Finding(
            False,
            f"{len(read_as)} of {len(results)} tool results read like errors",
            excerpt(read_as[0].text),
            score=1 - len(read_as) / len(results),
            validated=MEASURED.validated,
        )
    return Finding(True, "no tool result is an error", score=1.0)


def _results(exchange: LoggedExchange, later: LoggedExchange) -> list[ToolResult]:
    """The results of this answer's calls in the request that followed; by id, else by name among the newest."""
    calls = exchange.calls
    ids = {call.call_id for call in calls if call.call_id}
    found = [result for result in later.results if result.call_id in ids] if ids else []
    if found:
        return found
    names = {call.name for call in calls}
    return [result for message in later.incoming for result in message.results if result.name in names]
