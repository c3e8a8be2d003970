"""What Anthropic answers: messages, whole and streamed, with cached tokens and a tool call."""

from __future__ import annotations

from typing import Any

from tests.helpers.shelves.base import CALL, TEXT, WORDS, Recording, document, named_sse, row_of

_CLAUDE = "claude-haiku-4-5-20251001"
_CLAUDE_USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 25,
    "service_tier": "standard",
}


def message_of(identifier: str, content: list[Any], stop: str | None, usage: dict[str, Any], model: str = _CLAUDE) -> dict[str, Any]:
    facts = {"id": identifier, "type": "message", "role": "assistant", "model": model, "content": content}
    return {**facts, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def text_deltas(index: int = 0) -> list[dict[str, Any]]:
    return [{"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": word}} for word in WORDS]


_ANTHROPIC_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": message_of("msg_stream", [], None, {**_CLAUDE_USAGE, "output_tokens": 1})},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *text_deltas(),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "toolu_river", "name": CALL["name"], "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"river":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"Yukon","depth":2}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 25}},
    {"type": "message_stop"},
]

ANTHROPIC = {
    "messages": Recording(
        "/v1/messages",
        "claude-haiku-4-5",
        document(message_of("msg_river", [{"type": "text", "text": TEXT}], "end_turn", _CLAUDE_USAGE)),
        row_of(
            "anthropic",
            _CLAUDE,
            "msg_river",
            142,
            25,
            cache_read_tokens=100,
            cache_write_tokens=30,
            output_text=TEXT,
            finish_reasons=["end_turn"],
        ),
    ),
    "messages_stream": Recording(
        "/v1/messages",
        "claude-haiku-4-5",
        named_sse(*_ANTHROPIC_EVENTS),
        row_of(
            "anthropic",
            _CLAUDE,
            "msg_stream",
            142,
            25,
            cache_read_tokens=100,
            cache_write_tokens=30,
            output_text=TEXT,
            finish_reasons=["tool_use"],
        ),
        stream=True,
        content_type="text/event-stream; charset=utf-8",
    ),
}
