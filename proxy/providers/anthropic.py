"""Anthropic's Messages API: whole answers and streams, on its own host, on Vertex AI and inside Bedrock's invoke.

Source: docs.claude.com, "Messages" and "Streaming messages". `usage` of message_delta is cumulative and may rewrite any count of
message_start, so the last value of each field holds. Anthropic's input_tokens leave cached tokens out; ours count them.
`usage.iterations` lists passes one by one; those of an advisor, and compaction, are in no other count and are billed on top, each at its
own model's price: they become `Reading.also_billed`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, ToolCall, Turn, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, total, word
from proxy.providers.paths import path_model
from proxy.providers.quantities import money
from proxy.streams.json_value import json_text

_ENDLESS = 1_000_000  # block indices beyond this are nonsense


class _Block:
    """One content block while it grows."""

    __slots__ = ("kind", "parts", "start")

    def __init__(self, start: dict[str, Any], kind: str | None) -> None:
        self.start = start
        self.kind = kind
        self.parts: list[str] = []  # text, thinking, or the pieces of a tool call's arguments


class Messages(BaseReader):
    """Reads one exchange of the Messages dialect."""

    dialect: ClassVar[str] = "anthropic.messages"
    operation: ClassVar[str | None] = "chat"
    source: ClassVar[str] = "https://docs.claude.com/en/api/messages"
    reads: ClassVar[str] = (
        "text, thinking, client tool calls, stop reason, tokens with cache reads and writes by time to live, searches, tier, "
        "speed, advisor and compaction passes, error"
    )
    unknown: ClassVar[str] = "text of redacted thinking; code execution time, which is billed by the hour"

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or first event nobody's path knows is of this dialect (a gateway renamed the path)."""
        found = mapping(document)
        kind, message = found.get("type"), mapping(found.get("message"))
        return (kind == "message" and isinstance(found.get("content"), list) and "stop_reason" in found) or (
            kind == "message_start" and message.get("role") == "assistant"
        )

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._stop: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None
        self._ended = False

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole message, or one event by its `type`."""
        if not isinstance(data, dict):
            self._error = self._error or find_error(data)
            return
        kind = data.get("type")
        if kind == "content_block_delta":
            self._grow(data.get("index"), data.get("delta"))
        elif kind == "content_block_start":
            index, start = data.get("index"), mapping(data.get("content_block"))
            if isinstance(index, int) and 0 <= index < _ENDLESS:
                self._blocks[index] = _Block(start, word(start.get("type")))
        elif kind == "message_start":
            self._message = mapping(data.get("message"))
            self._merge_usage(self._message.get("usage"))
        elif kind == "message_delta":
            self._stop.update({key: value for key, value in mapping(data.get("delta")).items() if value is not None})
            self._merge_usage(data.get("usage"))
        elif kind == "message_stop":
            self._ended = True
        elif kind == "message":
            self._whole(data)
        elif kind not in ("ping", "content_block_stop"):
            self._error = self._error or find_error(data)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        blocks = self._blocks.values()
        error_type, error_message = self._error or (None, None)
        stop = word(self._stop.get("stop_reason"))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            response_model=word(self._message.get("model")),
            response_id=word(self._message.get("id")),
            usage=messages_usage(self._usage),
            service_tier_requested=word(self.request.get("service_tier")),
            service_tier=word(self._usage.get("service_tier")),
            batch=True if self._usage.get("service_tier") == "batch" else None,
            speed=word(self._usage.get("speed")) or word(self.request.get("speed")),
            finish_reasons=(stop,) if stop else (),
            tool_calls=tuple(_tool_call(block) for block in blocks if block.kind == "tool_use"),
            output_text=_joined(blocks, "text"),
            reasoning_text=_joined(blocks, "thinking"),
            refusal=word(mapping(self._stop.get("stop_details")).get("explanation")) if stop == "refusal" else None,
            also_billed=also_billed(self._usage),
            reported_cost_usd=money(self._usage.get("cost")),  # gateways that speak this dialect add it
            error_type=error_type,
            error_message=error_message,
            terminal=(self._ended and self._error is None) if self.is_stream else None,
        )

    def _grow(self, index: Any, delta: Any) -> None:
        if not isinstance(delta, dict) or not isinstance(index, int) or not 0 <= index < _ENDLESS:
            return
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block({}, {"text_delta": "text", "thinking_delta": "thinking"}.get(str(delta.get("type"))))
        piece = delta.get("text")
        if piece is None:
            piece = delta.get("partial_json")
            if piece is None:
                piece = delta.get("thinking")
        if isinstance(piece, str):
            block.parts.append(piece)

    def _merge_usage(self, usage: Any) -> None:
        for key, value in mapping(usage).items():
            if value is not None:
                self._usage[key] = value

    def _whole(self, message: dict[str, Any]) -> None:
        self._message = self._stop = message
        self._merge_usage(message.get("usage"))
        self._blocks = {}
        for index, part in enumerate(items(message.get("content"))):
            start = mapping(part)
            self._blocks[index] = _Block(start, word(start.get("type")))


def messages_usage(usage: dict[str, Any]) -> Usage | None:
    """Anthropic's usage object in our words; None where it holds no token count.

    input_tokens = input_tokens + cache_creation_input_tokens + cache_read_input_tokens of the object.
    """
    fresh, read = count(usage.get("input_tokens")), count(usage.get("cache_read_input_tokens"))
    by_life = mapping(usage.get("cache_creation"))
    short, long = count(by_life.get("ephemeral_5m_input_tokens")), count(by_life.get("ephemeral_1h_input_tokens"))
    written = count(usage.get("cache_creation_input_tokens"))
    written = total(short, long) if written is None else written
    output = count(usage.get("output_tokens"))
    if fresh is None and output is None and read is None and written is None:
        return None
    return Usage(
        input_tokens=None if fresh is None else total(fresh, read, written),
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        reasoning_tokens=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
        web_searches=count(mapping(usage.get("server_tool_use")).get("web_search_requests")),
        raw=json_text(usage),
    )


def also_billed(usage: dict[str, Any]) -> tuple[Turn, ...]:
    """Model calls that a usage object lists among its iterations and leaves out of its own counts: an advisor's, and compaction."""
    calls = [mapping(entry) for entry in items(usage.get("iterations"))]
    return tuple(
        Turn(None, word(call.get("model")), messages_usage(call), word(call.get("type")), None)
        for call in calls
        if call.get("type") in ("advisor_message", "compaction")
    )


def _joined(blocks: Any, kind: str) -> str | None:
    pieces = [piece for block in blocks if block.kind == kind for piece in (text(block.start.get(kind)) or "", *block.parts)]
    return "".join(pieces) or None


def _tool_call(block: _Block) -> ToolCall:
    arguments = "".join(block.parts) or json_text(block.start.get("input", {}))
    return ToolCall(id=word(block.start.get("id")), name=word(block.start.get("name")) or "", arguments=arguments)
