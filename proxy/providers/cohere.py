"""Cohere's chat: v1 (a document, or lines of JSON) and v2 (a document, or SSE).

Source: docs.cohere.com, "Chat" v1 and v2, "Streaming". `billed_units` is what Cohere charges for and what our counts mean; its `tokens`
also count the hidden preamble, and stay readable in `Usage.raw`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, ToolCall, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, total, word
from proxy.providers.paths import path_model
from proxy.streams.json_value import json_text

_FAILED = frozenset(("ERROR", "ERROR_TOXIC", "ERROR_LIMIT", "TIMEOUT"))  # finish reasons that say the answer broke off


class ChatV1(BaseReader):
    """Reads one exchange of chat v1; Bedrock's Command R answers in the same words."""

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or first event nobody's path knows is chat v1's."""
        found = mapping(document)
        return isinstance(found.get("generation_id"), str) and (found.get("event_type") == "stream-start" or "chat_history" in found)

    dialect: ClassVar[str] = "cohere.chat.v1"
    operation: ClassVar[str | None] = "chat"
    source: ClassVar[str] = "https://docs.cohere.com/v1/reference/chat"
    reads: ClassVar[str] = "text, tool calls, finish reason, billed units, error"
    unknown: ClassVar[str] = "the answering model"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._answer: dict[str, Any] = {}
        self._id: str | None = None
        self._ended = False
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, or one event by its `event_type`."""
        event = mapping(data)
        kind = event.get("event_type")
        self._id = word(event.get("generation_id")) or word(event.get("response_id")) or self._id
        if kind == "text-generation":
            if isinstance(event.get("text"), str):
                self._pieces.append(event["text"])
        elif kind == "tool-calls-generation":
            self._answer = {"tool_calls": event.get("tool_calls"), **self._answer}
        elif kind == "stream-end":
            self._ended = True
            self._answer = {**self._answer, **mapping(event.get("response"))}
            self._answer["finish_reason"] = word(event.get("finish_reason")) or self._answer.get("finish_reason")
        elif kind is None:
            self._error = self._error or find_error(data)
            self._answer = event if isinstance(event.get("text"), str) else self._answer

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        reason = word(self._answer.get("finish_reason"))
        error_type, error_message = self._error or ((reason, None) if reason in _FAILED else (None, None))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            response_id=word(self._answer.get("generation_id")) or self._id,
            usage=cohere_usage(mapping(self._answer.get("meta"))),
            finish_reasons=(reason,) if reason else (),
            tool_calls=tuple(_tool_call_v1(mapping(call)) for call in items(self._answer.get("tool_calls"))),
            output_text="".join(self._pieces) or text(self._answer.get("text")) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._ended and error_type is None) if self.is_stream else None,
        )


class ChatV2(BaseReader):
    """Reads one exchange of chat v2."""

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document nobody's path knows is an answer of chat v2 (a gateway renamed the path)."""
        return "billed_units" in mapping(mapping(document).get("usage")) and isinstance(mapping(document).get("message"), dict)

    dialect: ClassVar[str] = "cohere.chat.v2"
    operation: ClassVar[str | None] = "chat"
    source: ClassVar[str] = "https://docs.cohere.com/reference/chat"
    reads: ClassVar[str] = "text, thinking, tool calls, finish reason, billed units, cached tokens, error"
    unknown: ClassVar[str] = "the answering model"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._answer: dict[str, Any] = {}
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: dict[int, tuple[dict[str, Any], list[str]]] = {}
        self._ended = False
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, or one event by its `type`."""
        event = mapping(data)
        kind = event.get("type")
        message = mapping(mapping(event.get("delta")).get("message"))
        if kind in ("content-delta", "content-start"):
            self._content(message.get("content"))
        elif kind in ("tool-call-start", "tool-call-delta"):
            self._call(event.get("index"), mapping(message.get("tool_calls")))
        elif kind == "message-start":
            self._answer["id"] = event.get("id")
        elif kind == "message-end":
            self._ended = True
            self._answer.update(mapping(event.get("delta")))
        elif kind is None:
            self._error = self._error or find_error(data)
            self._whole(event)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        reason = word(self._answer.get("finish_reason"))
        told = self._error or find_error(self._answer)
        error_type, error_message = told or ((reason, None) if reason in _FAILED else (None, None))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            response_id=word(self._answer.get("id")),
            usage=cohere_usage(mapping(self._answer.get("usage"))),
            finish_reasons=(reason,) if reason else (),
            tool_calls=tuple(_tool_call_v2(call, pieces) for call, pieces in self._calls.values()),
            output_text="".join(self._text) or None,
            reasoning_text="".join(self._thinking) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._ended and error_type is None) if self.is_stream else None,
        )

    def _whole(self, answer: dict[str, Any]) -> None:
        if "message" not in answer or isinstance(answer["message"], str):  # an error says its message as text
            return
        self._answer = answer
        message = mapping(answer["message"])
        content = message.get("content")
        for part in [{"text": content}] if isinstance(content, str) else items(content):
            self._content(part)
        for place, call in enumerate(items(message.get("tool_calls"))):
            self._call(place, mapping(call))

    def _content(self, content: Any) -> None:
        part = mapping(content)
        if isinstance(part.get("text"), str):
            self._text.append(part["text"])
        if isinstance(part.get("thinking"), str):
            self._thinking.append(part["thinking"])

    def _call(self, index: Any, call: dict[str, Any]) -> None:
        head, pieces = self._calls.setdefault(index if isinstance(index, int) else 0, ({}, []))
        function = mapping(call.get("function"))
        for key, value in (("id", call.get("id")), ("name", function.get("name"))):
            if value is not None:
                head[key] = value
        if isinstance(function.get("arguments"), str):
            pieces.append(function["arguments"])


def cohere_usage(holder: dict[str, Any]) -> Usage | None:
    """What v1's `meta` and v2's `usage` report; None where neither billed units nor tokens are there."""
    billed, counted = mapping(holder.get("billed_units")), mapping(holder.get("tokens"))
    units = billed or counted
    images = count(billed.get("images"))
    image_tokens = count(billed.get("image_tokens"))
    asked, answered = total(count(units.get("input_tokens")), image_tokens), count(units.get("output_tokens"))
    searches = count(billed.get("search_units"))
    if asked is None and answered is None and searches is None and images is None:
        return None
    thought = count(counted.get("reasoning_tokens"))
    return Usage(
        input_tokens=asked,
        output_tokens=answered,
        cache_read_tokens=count(holder.get("cached_tokens")),
        reasoning_tokens=thought if thought is not None and answered is not None and thought <= answered else None,
        input_image_tokens=image_tokens,
        search_units=searches,
        images=images,
        raw=json_text({key: holder[key] for key in ("billed_units", "tokens", "cached_tokens") if key in holder}),
    )


def _tool_call_v1(call: dict[str, Any]) -> ToolCall:
    return ToolCall(id=None, name=word(call.get("name")) or "", arguments=json_text(call.get("parameters", {})))


def _tool_call_v2(call: dict[str, Any], pieces: list[str]) -> ToolCall:
    return ToolCall(id=word(call.get("id")), name=word(call.get("name")) or "", arguments="".join(pieces))
