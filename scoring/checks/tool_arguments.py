"""Whether the answer's tool calls name tools of the request and keep to these tools' own schemas.

Applies to answers with tool calls whose request carries the tools (OpenAI chat and responses, Anthropic, Gemini, Bedrock, Cohere,
Ollama). An unknown tool fails only where the request lists all there are: not beside MCP servers, tool search, or tools of an earlier
response. Unscored where a tool's schema cannot be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxy.streams.json_value import Unparsable, parse_json
from scoring.checks.answers import cut_short
from scoring.checks.contract import Finding, excerpt
from scoring.checks.schemas import Unusable, compiled
from scoring.conversation import Call
from scoring.logged import LoggedExchange
from scoring.wanted import Tool


@dataclass(frozen=True, slots=True)
class Options:
    """None."""


def check(exchange: LoggedExchange, _options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.tool_calls or not exchange.is_whole:
        return None
    calls = exchange.calls
    tools, whole = exchange.tools
    if not calls or not tools:
        return None
    offered = {tool.name: tool for tool in tools}
    told, right, unusable = 0, 0, ""
    first: tuple[str, str] | None = None
    for call in calls:
        tool = offered.get(call.name)
        if tool is None and not whole:
            continue
        try:
            fault = _fault(call, tool, exchange)
        except Unusable as why:
            unusable = f"unscored: {call.name}: {why}"
            continue
        told += 1
        right += fault is None
        if fault is not None and first is None:
            first = fault, excerpt(f"{call.name}({call.arguments})", most=300)
    if first is not None:
        return Finding(False, first[0], first[1], score=right / told)
    if unusable:
        return Finding(None, unusable)
    return Finding(True, "arguments keep to the tools' schemas", score=1.0) if told else None


def _fault(call: Call, tool: Tool | None, exchange: LoggedExchange) -> str | None:
    if tool is None:
        return f"there is no tool {call.name!r} in the request"
    if tool.schema is None:
        return None
    try:
        arguments: Any = parse_json(call.arguments) if call.arguments.strip() else {}
    except Unparsable as error:
        limit = cut_short(exchange)
        return f"the arguments of {call.name} are no JSON" + (f", for they were cut off ({limit})" if limit else f" ({str(error)[:100]})")
    if arguments is None:
        arguments = {}  # `null` stands for no arguments
    if tool.schema == {}:
        return None
    faults = compiled(tool.schema, openapi=tool.openapi).faults(arguments)
    return f"the arguments of {call.name} break its schema ({faults[0]})" if faults else None
