"""IBM watsonx.ai's text generation: one document, or SSE events of increments. Its chat speaks OpenAI's dialect at a path of its own.

Source: cloud.ibm.com/apidocs/watsonx-ai, "Infer text". Streamed counts are cumulative, and the prompt is counted in one event only, so
the largest count seen of each kind holds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, word
from proxy.providers.openai_chat import ChatReader
from proxy.streams.json_value import json_text

_RUNNING = "not_finished"  # the stop reason of an event that is not the last


class Generation(BaseReader):
    """Reads /ml/…/text/generation and /ml/…/text/generation_stream, deployments included."""

    dialect: ClassVar[str] = "watsonx.generation"
    operation: ClassVar[str | None] = "text_completion"
    source: ClassVar[str] = "https://cloud.ibm.com/apidocs/watsonx-ai#text-generation"
    reads: ClassVar[str] = "text, stop reason, tokens, error"
    unknown: ClassVar[str] = "cached tokens"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._reason: str | None = None
        self._counts: dict[str, int] = {}
        self._model: str | None = None
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document or an event."""
        event = mapping(data)
        self._error = self._error or find_error(data)
        self._model = word(event.get("model_id")) or self._model
        for entry in map(mapping, items(event.get("results"))):
            self._pieces.append(text(entry.get("generated_text")) or "")
            reason = word(entry.get("stop_reason"))
            self._reason = self._reason if reason in (None, _RUNNING) else reason
            for key in ("input_token_count", "generated_token_count"):
                counted = count(entry.get(key))
                if counted is not None:
                    self._counts[key] = max(counted, self._counts.get(key, 0))

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        asked, answered = self._counts.get("input_token_count"), self._counts.get("generated_token_count")
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model_id")),
            response_model=self._model,
            usage=Usage(input_tokens=asked, output_tokens=answered, raw=json_text(self._counts)) if self._counts else None,
            finish_reasons=(self._reason,) if self._reason else (),
            output_text="".join(self._pieces) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._reason is not None and self._error is None) if self.is_stream else None,
        )


class Chat(ChatReader):
    """Reads /ml/…/text/chat and /ml/…/text/chat_stream: OpenAI's chat, with the model named `model_id`."""

    dialect = "watsonx.chat"
    source = "https://cloud.ibm.com/apidocs/watsonx-ai#text-chat"
    reads = "as openai.chat"
    unknown = "as openai.chat"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._model_id: str | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document or an event."""
        super().feed(name, data)
        self._model_id = word(mapping(data).get("model_id")) or self._model_id

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        found = super().result()
        asked = found.request_model or word(self.request.get("model_id"))
        return replace(found, request_model=asked, response_model=found.response_model or self._model_id)


class Embeddings(BaseReader):
    """Reads /ml/…/text/embeddings and /ml/…/text/rerank."""

    dialect: ClassVar[str] = "watsonx.embeddings"
    operation: ClassVar[str | None] = "embeddings"
    source: ClassVar[str] = "https://cloud.ibm.com/apidocs/watsonx-ai#text-embeddings"
    reads: ClassVar[str] = "tokens, error"
    unknown: ClassVar[str] = "nothing else is told"

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
        asked = count(self._answer.get("input_token_count"))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model_id")),
            response_model=word(self._answer.get("model_id")),
            usage=None if asked is None else Usage(input_tokens=asked, raw=json_text({"input_token_count": asked})),
            error_type=error_type,
            error_message=error_message,
        )
