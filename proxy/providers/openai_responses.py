"""OpenAI's Responses, whole, streamed, retrieved, compacted, and as the events of a WebSocket session.

Source: platform.openai.com/docs/api-reference/responses, /responses-streaming. The last event of a stream carries the whole response; where
it never came, the pieces before it tell what there was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.exchange import Captured, Reading, ToolCall
from proxy.providers.base import BaseReader
from proxy.providers.compatible import metrics_of, reported_cost, usage_of
from proxy.providers.errors import ReadError, describe_error, read_error
from proxy.providers.fields import items, mapping, text, word
from proxy.streams.json_value import json_text

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"})
# Calls of built-in tools that the client is asked to carry out; all other built-in tools run at the provider.
_CLIENT_TOOLS = {
    "computer_call": ("computer", "action"),
    "local_shell_call": ("local_shell", "action"),
    "shell_call": ("shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
}
_MOST_ITEMS = 100_000  # output items a stream may open before its pieces are no longer put together


class ResponsesReader(BaseReader):
    """Reads one response."""

    dialect = "openai.responses"
    operation = "chat"
    source = "https://platform.openai.com/docs/api-reference/responses"
    reads = "text, status, calls the client must answer, reasoning summaries, refusal, tokens, searches on the web, tier, error"
    unknown = "usage of a response that still runs in the background; containers and file searches that are billed beside tokens"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._response: dict[str, Any] = {}  # the last snapshot of the whole response
        self._items: dict[Any, dict[str, Any]] = {}  # output items by output_index, as their own events told them
        self._texts: dict[Any, dict[Any, list[str]]] = {}  # pieces of text by output_index and content_index
        self._refusals: list[str] = []
        self._reasoning: list[str] = []
        self._arguments: dict[Any, list[str]] = {}
        self._error: ReadError | None = None
        self._last: str | None = None

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or event looks like a response."""
        if not isinstance(document, dict):
            return False
        if document.get("object") in ("response", "response.compaction"):
            return True
        kind = document.get("type")
        return isinstance(kind, str) and kind.startswith("response.") and ("response" in document or "sequence_number" in document)

    def feed(self, name: str | None, data: Any) -> None:
        """Take one event, or the whole response."""
        if type(data) is not dict:
            if data == "[DONE]":  # some hosts send it after the last event
                return
            if name == "error":
                self._error = self._error or describe_error(data)
            elif not isinstance(data, str) or (self.captured.status or 0) >= 400:
                self._error = self._error or read_error(self.captured, data)
            return
        kind = data.get("type")
        if kind == "response.output_text.delta":
            if type(piece := data.get("delta")) is str:
                self._texts.setdefault(_key(data, "output_index"), {}).setdefault(_key(data, "content_index"), []).append(piece)
        elif type(kind) is str and kind.startswith("response."):
            self._event(kind, data)
        elif kind == "error" or name == "error":
            inner = data.get("error")
            self._error = self._error or describe_error(inner if isinstance(inner, dict) else {**data, "type": data.get("code") or "error"})
        elif "output" in data or "status" in data or data.get("object") == "response":
            self._response = data
            if data.get("error") and self._error is None:
                self._error = describe_error(data["error"])
        else:
            self._error = self._error or read_error(self.captured, data)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        response = self._response
        output = Output(response.get("output"))
        if not output.items and (self._items or self._texts):
            output = Output(self._pieces())
        usage = mapping(response.get("usage"))
        read = usage_of(usage) if usage else None
        if read is not None and read.web_searches is None and output.searches:
            read = replace(read, web_searches=output.searches)
        status = word(response.get("status"))
        if status == "incomplete" and (reason := word(mapping(response.get("incomplete_details")).get("reason"))):
            status = f"incomplete:{reason}"
        kind, message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=text(self.request.get("model")),
            response_model=text(response.get("model")) or None,
            response_id=text(response.get("id")) or None,
            usage=read,
            service_tier_requested=word(self.request.get("service_tier")),
            service_tier=word(response.get("service_tier")),
            finish_reasons=(status,) if status else (),
            tool_calls=tuple(output.calls),
            output_text="".join(output.texts) or None,
            reasoning_text="".join(output.reasoning) or "".join(self._reasoning) or None,
            refusal="".join(output.refusals) or "".join(self._refusals) or None,
            error_type=kind,
            error_message=message,
            terminal=self._last is not None if self.is_stream else None,  # response.failed ends a stream as regularly as completed does
            reported_cost_usd=reported_cost(usage, self.captured.response_headers),
            metrics=metrics_of(response),
        )

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        response = data.get("response")
        if isinstance(response, dict):
            self._response = response
            if kind in _LAST:
                self._last = kind
            if response.get("error") and self._error is None:
                self._error = describe_error(response["error"])
            elif kind == "response.failed":
                self._error = self._error or ReadError("failed", None)
            return
        piece = data.get("delta")
        if kind in ("response.output_item.added", "response.output_item.done"):
            if len(self._items) < _MOST_ITEMS and isinstance(item := data.get("item"), dict):
                self._items[_key(data, "output_index")] = item
        elif not isinstance(piece, str):
            pass
        elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            self._arguments.setdefault(_key(data, "output_index"), []).append(piece)
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            self._reasoning.append(piece)
        elif kind == "response.refusal.delta":
            self._refusals.append(piece)

    def _pieces(self) -> list[dict[str, Any]]:
        """The output of a response whose last event never came."""
        output: list[dict[str, Any]] = []
        for at in sorted(self._items.keys() | self._texts.keys()):
            item = dict(self._items.get(at) or {"type": "message"})
            if not item.get("content") and at in self._texts:
                item["content"] = [{"type": "output_text", "text": "".join(parts)} for _, parts in sorted(self._texts[at].items())]
            for name in ("arguments", "input"):
                if item.get(name) == "" and at in self._arguments:
                    item[name] = "".join(self._arguments[at])
            output.append(item)
        return output


class InputTokensReader(ResponsesReader):
    """Reads a count of input tokens: no usage, since nothing was generated and nothing is billed."""

    dialect = "openai.responses.input_tokens"
    operation = "count_tokens"
    source = "https://platform.openai.com/docs/api-reference/responses/input-tokens"
    reads = "error"
    unknown = "nothing was generated: a count is no usage"

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer, of which only an error matters."""
        self._error = read_error(self.captured, data)


class Output:
    """What a response's output items say."""

    def __init__(self, output: Any) -> None:
        self.items = items(output)
        self.texts: list[str] = []
        self.reasoning: list[str] = []
        self.refusals: list[str] = []
        self.calls: list[ToolCall] = []
        self.searches = 0  # on the web, which are billed by the call; opening a page that was found is not
        for item in self.items:
            if isinstance(item, dict):
                self._item(item, item.get("type"))

    def _item(self, item: dict[str, Any], kind: Any) -> None:
        if kind == "message":
            if item.get("role") in (None, "assistant"):
                self._message(item.get("content"))
        elif kind == "function_call":
            self._call(item, text(item.get("name")), item.get("arguments"))
        elif kind == "custom_tool_call":
            self._call(item, text(item.get("name")), item.get("input"))
        elif kind == "reasoning":
            for part in (*items(item.get("summary")), *items(item.get("content"))):
                self.reasoning.append(text(mapping(part).get("text")) or "")
        elif kind == "web_search_call":
            self.searches += mapping(item.get("action")).get("type", "search") == "search"
        elif isinstance(kind, str) and kind in _CLIENT_TOOLS:
            name, holds = _CLIENT_TOOLS[kind]
            if not str(mapping(item.get("environment")).get("type")).startswith("container"):
                self._call(item, name, item.get(holds))

    def _message(self, content: Any) -> None:
        if isinstance(content, str):
            self.texts.append(content)
        for told in items(content):
            part = mapping(told)
            if part.get("type") == "refusal":
                self.refusals.append(text(part.get("refusal")) or "")
            elif part.get("type") in ("output_text", "text", None):
                self.texts.append(text(part.get("text")) or "")
            elif transcript := text(part.get("transcript")):
                self.texts.append(transcript)

    def _call(self, item: dict[str, Any], name: str | None, arguments: Any) -> None:
        if name:
            told = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
            self.calls.append(ToolCall(text(item.get("call_id")) or text(item.get("id")) or None, name, told))


def _key(data: dict[str, Any], name: str) -> int:
    index = data.get(name)
    return index if type(index) is int else 0
