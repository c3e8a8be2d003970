"""Aleph Alpha's completion API, which reports its tokens since 2024.

Source: docs.aleph-alpha.com, "Completion".
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, word
from proxy.streams.json_value import json_text


class AlephAlpha(BaseReader):
    """Reads /complete."""

    dialect: ClassVar[str] = "aleph-alpha.complete"
    operation: ClassVar[str | None] = "text_completion"
    source: ClassVar[str] = "https://docs.aleph-alpha.com/api/complete"
    reads: ClassVar[str] = "text, finish reasons, tokens, error"
    unknown: ClassVar[str] = "cached tokens"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._answer: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document."""
        self._error = self._error or find_error(data)
        self._answer = mapping(data) or self._answer

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        made = [mapping(entry) for entry in items(self._answer.get("completions"))]
        asked = count(self._answer.get("num_tokens_prompt_total"))
        answered = count(self._answer.get("num_tokens_generated"))
        raw = json_text({"num_tokens_prompt_total": asked, "num_tokens_generated": answered})
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")),
            response_model=word(self._answer.get("model_version")),
            usage=None if asked is None and answered is None else Usage(input_tokens=asked, output_tokens=answered, raw=raw),
            finish_reasons=tuple(reason for entry in made if (reason := word(entry.get("finish_reason")))),
            output_text=(text(made[0].get("completion")) if made else None) or None,
            error_type=error_type,
            error_message=error_message,
        )
