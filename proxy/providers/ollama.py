"""Ollama's own API (chat, generate, embed): one document, or lines of JSON whose last says `done`.

Source: github.com/ollama/ollama, docs/api.md. Counts come with the last line; a prompt found in the cache is not counted at all, so an
absent prompt_eval_count is unknown.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, ToolCall, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, word
from proxy.streams.json_value import json_text

_COUNTS = ("prompt_eval_count", "eval_count")


class Chat(BaseReader):
    """Reads /api/chat."""

    dialect: ClassVar[str] = "ollama.chat"
    operation: ClassVar[str | None] = "chat"
    source: ClassVar[str] = "https://github.com/ollama/ollama/blob/main/docs/api.md"
    reads: ClassVar[str] = "text, thinking, tool calls, done reason, tokens, error"
    unknown: ClassVar[str] = "prompt tokens that were found in the cache"

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or first event nobody's path knows is of this dialect (a gateway renamed the path)."""
        found = mapping(document)
        return isinstance(found.get("done"), bool) and isinstance(found.get("message"), dict) and "created_at" in found

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[ToolCall] = []
        self._last: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document or a line."""
        event = mapping(data)
        self._error = self._error or find_error(data)
        self._last = {**self._last, **event}
        self._piece(event)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        reason = word(self._last.get("done_reason"))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or word(self.request.get("name")),
            response_model=word(self._last.get("model")),
            usage=self._usage(),
            finish_reasons=(reason,) if reason else (),
            tool_calls=tuple(self._calls),
            output_text="".join(self._text) or None,
            reasoning_text="".join(self._thinking) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._last.get("done") is True and self._error is None) if self.is_stream else None,
        )

    def _piece(self, event: dict[str, Any]) -> None:
        message = mapping(event.get("message"))
        _keep(self._text, message.get("content"))
        _keep(self._thinking, message.get("thinking"))
        for entry in map(mapping, items(message.get("tool_calls"))):
            function = mapping(entry.get("function"))
            given = function.get("arguments", {})
            arguments = given if isinstance(given, str) else json_text(given)
            self._calls.append(ToolCall(id=word(entry.get("id")), name=word(function.get("name")) or "", arguments=arguments))

    def _usage(self) -> Usage | None:
        asked, answered = (count(self._last.get(key)) for key in _COUNTS)
        if asked is None and answered is None:
            return None
        raw = {key: self._last[key] for key in _COUNTS if key in self._last}
        return Usage(input_tokens=asked, output_tokens=answered, raw=json_text(raw))


class Generate(Chat):
    """Reads /api/generate."""

    dialect: ClassVar[str] = "ollama.generate"
    operation: ClassVar[str | None] = "text_completion"
    source: ClassVar[str] = "https://github.com/ollama/ollama/blob/main/docs/api.md"
    reads: ClassVar[str] = "text, thinking, done reason, tokens, error"
    unknown: ClassVar[str] = "prompt tokens that were found in the cache"

    def _piece(self, event: dict[str, Any]) -> None:
        _keep(self._text, event.get("response"))
        _keep(self._thinking, event.get("thinking"))


class Embed(Chat):
    """Reads /api/embed and its older twin /api/embeddings, which counts nothing."""

    dialect: ClassVar[str] = "ollama.embed"
    operation: ClassVar[str | None] = "embeddings"
    source: ClassVar[str] = "https://github.com/ollama/ollama/blob/main/docs/api.md"
    reads: ClassVar[str] = "tokens, error"
    unknown: ClassVar[str] = "usage of the older /api/embeddings"

    def _piece(self, event: dict[str, Any]) -> None:
        """Vectors are no text."""


def _keep(pieces: list[str], piece: Any) -> None:
    if isinstance(piece, str):
        pieces.append(piece)
