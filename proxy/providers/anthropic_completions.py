"""Anthropic's retired Text Completions API (/v1/complete), which Bedrock's invoke still speaks for Claude 2. It reports no usage.

Source: docs.claude.com, "Text Completions (legacy)": since version 2023-06-01 streamed completions are increments; before that each
event repeated the whole text.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import mapping, word
from proxy.providers.paths import path_model

_FIRST_INCREMENTAL_VERSION = "2023-06-01"


class Completions(BaseReader):
    """Reads one exchange of the Text Completions dialect; each fed document is a whole answer or one event of a stream."""

    dialect: ClassVar[str] = "anthropic.completions"
    operation: ClassVar[str | None] = "text_completion"
    source: ClassVar[str] = "https://docs.claude.com/en/api/complete"
    reads: ClassVar[str] = "text, stop reason, error"
    unknown: ClassVar[str] = "usage: the dialect reports none"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        version = next((value for key, value in captured.request_headers if key == "anthropic-version"), None)
        self._repeats = version is not None and version < _FIRST_INCREMENTAL_VERSION
        self._pieces: list[str] = []
        self._last: dict[str, Any] = {}
        self._stop: str | None = None
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer or one event."""
        event = mapping(data)
        piece = event.get("completion")
        if not isinstance(piece, str):
            self._error = self._error or find_error(data)
            return
        if self._repeats:
            self._pieces.clear()
        self._pieces.append(piece)
        self._last = event
        self._stop = word(event.get("stop_reason")) or self._stop

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            response_model=word(self._last.get("model")),
            response_id=word(self._last.get("id")),
            finish_reasons=(self._stop,) if self._stop else (),
            output_text="".join(self._pieces) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._stop is not None and self._error is None) if self.is_stream else None,
        )
