"""What was said, as the opt-in content attributes of the GenAI conventions: messages with parts, as JSON text. Pure.

Only where an operator asked for it; texts are as stored, after redaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from proxy.streams.json_value import json_text
from scoring.conversation import Message
from scoring.logged import LoggedExchange

MOST: Final = 65_536
"""Characters of one text; what is longer is cut off, and the attribute stays valid JSON."""
BUDGET: Final = 1 << 20
"""Characters of one attribute; the oldest messages are left out beyond it."""


def content(row: Mapping[str, Any]) -> dict[str, Any]:
    """`gen_ai.input.messages`, `gen_ai.output.messages` and `gen_ai.system_instructions` of an exchange with its bodies."""
    exchange = LoggedExchange.from_row(row)
    said = exchange.messages
    found: dict[str, Any] = {}
    system = [{"type": "text", "content": message.text[:MOST]} for message in said if message.role == "system" and message.text]
    if system:
        found["gen_ai.system_instructions"] = json_text(system)
    asked = _newest([_message(message) for message in said if message.role != "system"])
    if asked:
        found["gen_ai.input.messages"] = "[" + ",".join(asked) + "]"
    parts: list[dict[str, Any]] = []
    if exchange.reasoning_text:
        parts.append({"type": "reasoning", "content": exchange.reasoning_text[:MOST]})
    if exchange.output_text:
        parts.append({"type": "text", "content": exchange.output_text[:MOST]})
    parts += [_call(call.call_id, call.name, call.arguments) for call in exchange.calls]
    if parts:
        reason = exchange.finish_reasons[0] if exchange.finish_reasons else ""
        found["gen_ai.output.messages"] = json_text([{"role": "assistant", "parts": parts, "finish_reason": reason}])
    return found


def _message(message: Message) -> str:
    parts: list[dict[str, Any]] = [{"type": "text", "content": message.text[:MOST]}] if message.text else []
    parts += [_call(call.call_id, call.name, call.arguments) for call in message.calls]
    parts += [{"type": "tool_call_response", "id": result.call_id, "response": result.text[:MOST]} for result in message.results]
    parts += [{"type": "attachment", "content": "not sent"}] * message.attachments
    return json_text({"role": message.role, "parts": parts})


def _call(call_id: str | None, name: str, arguments: str) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments[:MOST]}


def _newest(messages: list[str]) -> list[str]:
    left, kept = BUDGET, []
    for text in reversed(messages):
        left -= len(text)
        if left < 0:
            break
        kept.append(text)
    return kept[::-1]
