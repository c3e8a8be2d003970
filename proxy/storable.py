"""Mends the texts of a reading that UTF-8 cannot hold: halves of surrogate pairs, which some hosts send in one chunk each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.exchange import Reading, ToolCall, Turn

_TEXTS = (
    *("output_text", "reasoning_text", "refusal", "error_message", "error_type", "request_model", "response_model", "response_id"),
    *("service_tier", "service_tier_requested", "system_fingerprint", "speed"),
)


def storable(reading: Reading) -> Reading:
    """The same reading with each text fit for UTF-8: pairs that came in halves are joined, lone halves become U+FFFD."""
    changes: dict[str, Any] = {}
    for name in _TEXTS:
        value = getattr(reading, name)
        if value is not None and not value.isascii() and (mended := mend(value)) is not value:
            changes[name] = mended
    if any(not reason.isascii() for reason in reading.finish_reasons):
        changes["finish_reasons"] = tuple(mend(reason) for reason in reading.finish_reasons)
    if any(not (call.arguments.isascii() and call.name.isascii() and (call.id or "").isascii()) for call in reading.tool_calls):
        changes["tool_calls"] = tuple(_mend_call(call) for call in reading.tool_calls)
    if reading.turns:
        changes["turns"] = tuple(_mend_turn(turn) for turn in reading.turns)
    return replace(reading, **changes) if changes else reading


def mend(value: str) -> str:
    """`value` itself where UTF-8 can hold it, else its mended copy."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _mend_call(call: ToolCall) -> ToolCall:
    return ToolCall(call.id and mend(call.id), mend(call.name), mend(call.arguments))


def _mend_turn(turn: Turn) -> Turn:
    return Turn(
        response_id=turn.response_id and mend(turn.response_id),
        response_model=turn.response_model and mend(turn.response_model),
        usage=turn.usage,
        finish_reason=turn.finish_reason and mend(turn.finish_reason),
        output_text=turn.output_text and mend(turn.output_text),
    )
