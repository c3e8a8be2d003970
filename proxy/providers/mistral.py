"""Mistral's own dialects beside the chat it shares with OpenAI: OCR by the page, and conversations with agents.

Source: docs.mistral.ai/api. Fill-in-the-middle and agents' completions are chat completions, and read as such.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.exchange import Captured, Reading, ToolCall, Usage
from proxy.providers.base import BaseReader
from proxy.providers.compatible import usage_of
from proxy.providers.document import DocumentReader
from proxy.providers.errors import ReadError, describe_error, read_error
from proxy.providers.fields import count, items, mapping, text, total
from proxy.streams.json_value import json_text


class OcrReader(DocumentReader):
    """Reads one recognised document: `usage_info` counts pages. Its markdown is the document and no answer, so it is no output_text."""

    dialect = "mistral.ocr"
    operation = "ocr"
    source = "https://docs.mistral.ai/api/#tag/ocr"
    reads = "pages, model, error"
    unknown = "the recognised text is the document, not an answer"

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document looks like recognised pages."""
        pages = items(mapping(document).get("pages"))
        return bool(pages) and isinstance(pages[0], dict) and "markdown" in pages[0]

    def usage(self) -> dict[str, Any]:
        """The provider's usage object."""
        return mapping(self.document.get("usage_info"))


def _with_connectors(raw: dict[str, Any]) -> Usage | None:
    """A conversation's usage: what built-in tools brought into the prompt is counted apart from it, and searches by the call."""
    usage, brought = usage_of(raw), count(raw.get("connector_tokens"))
    if usage is None:
        return None
    calls = mapping(raw.get("connectors"))
    searches = total(count(calls.get("web_search")), count(calls.get("web_search_premium")))
    if brought and usage.input_tokens is not None:
        told = count(raw.get("total_tokens"))
        if told is None or told == usage.input_tokens + (usage.output_tokens or 0) + brought:
            usage = replace(usage, input_tokens=usage.input_tokens + brought)
    return replace(usage, web_searches=searches) if searches else usage


class ConversationsReader(BaseReader):
    """Reads one turn of a conversation, whole or streamed: messages, function calls for the client, and the usage of all of them."""

    dialect = "mistral.conversations"
    operation = "invoke_agent"
    source = "https://docs.mistral.ai/api/#tag/beta.conversations"
    reads = "text, function calls, tokens with those that connectors brought, searches, error"
    unknown = "which model each of an agent's steps used"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._id: str | None = None
        self._model: str | None = None
        self._texts: list[str] = []
        self._calls: dict[str, tuple[str, list[str]]] = {}  # name and pieces of arguments, by the call's id
        self._usage: dict[str, Any] = {}
        self._error: ReadError | None = None
        self._ended = False

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer or one event."""
        event = mapping(data)
        kind = event.get("type") or name
        if kind == "conversation.response.error":
            self._error = self._error or describe_error(event)
        elif kind in ("message.output.delta", "message.output", "function.call.delta", "function.call"):
            self._output(event, str(kind))
        else:
            self._error = self._error or read_error(self.captured, data)
        self._ended = self._ended or kind == "conversation.response.done"
        self._id = self._id or text(event.get("conversation_id")) or None
        self._usage = mapping(event.get("usage")) or self._usage
        for output in map(mapping, items(event.get("outputs"))):
            self._output(output, str(output.get("type")))

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        kind, message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=text(self.request.get("model")),
            response_model=self._model,
            response_id=self._id,
            usage=_with_connectors(self._usage) if self._usage else None,
            tool_calls=tuple(ToolCall(key or None, name, "".join(pieces)) for key, (name, pieces) in self._calls.items() if name),
            output_text="".join(self._texts) or None,
            error_type=kind,
            error_message=message,
            terminal=self._ended and self._error is None if self.is_stream else None,
        )

    def _output(self, output: dict[str, Any], kind: str) -> None:
        self._model = self._model or text(output.get("model")) or None
        if kind.startswith("message.output"):
            content = output.get("content")
            for part in [content] if isinstance(content, (str, dict)) else items(content):
                self._texts.append(part if isinstance(part, str) else text(mapping(part).get("text")) or "")
        elif kind.startswith("function.call"):
            _, pieces = self._calls.setdefault(text(output.get("tool_call_id")) or "", (text(output.get("name")) or "", []))
            arguments = output.get("arguments")
            pieces.append(arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments))
