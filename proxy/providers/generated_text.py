"""Hosts that answer {"generated_text": …}: HuggingFace's inference API and its text-generation server.

Sources: huggingface.co/docs, "Inference API", "Text Generation Inference". Tokens are told in `details` only, and only of the answer,
where the client asked for them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, word
from proxy.providers.paths import hugging_face_model
from proxy.streams.json_value import json_text


class GeneratedText(BaseReader):
    """Reads text generation, one document or SSE events of tokens; other tasks' answers are no text."""

    dialect: ClassVar[str] = "huggingface.inference"
    operation: ClassVar[str | None] = "text_completion"
    source: ClassVar[str] = "https://huggingface.co/docs/text-generation-inference/reference/api_reference"
    reads: ClassVar[str] = "text, finish reason, generated tokens where details were asked for, error"
    unknown: ClassVar[str] = "prompt tokens without details"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._whole: str | None = None
        self._details: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, an array around it, or an event with one token."""
        answer = mapping(next(iter(items(data)), None)) if isinstance(data, list) else mapping(data)
        self._error = self._error or find_error(data)
        token = mapping(answer.get("token"))
        if isinstance(token.get("text"), str) and token.get("special") is not True:
            self._pieces.append(token["text"])
        told = (answer.get(key) for key in ("generated_text", "summary_text", "translation_text", "answer"))
        self._whole = next((value for value in told if isinstance(value, str)), None) or self._whole
        self._details = mapping(answer.get("details")) or self._details

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        reason = word(self._details.get("finish_reason"))
        answered, asked = count(self._details.get("generated_tokens")), count(self._details.get("input_length"))
        if asked is None:
            asked = len(items(self._details.get("prefill"))) or None
        raw = json_text({key: self._details[key] for key in ("generated_tokens", "input_length") if key in self._details})
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=hugging_face_model(self.captured.path),
            usage=Usage(input_tokens=asked, output_tokens=answered, raw=raw) if answered is not None else None,
            finish_reasons=(reason,) if reason else (),
            output_text=self._whole or "".join(self._pieces) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._whole is not None and self._error is None) if self.is_stream else None,
        )
