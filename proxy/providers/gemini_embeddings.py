"""Google's embeddings and Vertex AI's predict: vectors (or a retired text model's answer), with token counts in three places.

Sources: ai.google.dev, "EmbedContentResponse" (usageMetadata, absent for older models); cloud.google.com, "Text embeddings API"
(statistics.token_count of every prediction) and "PaLM text" (metadata.tokenMetadata).
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, total, word
from proxy.providers.gemini_usage import gemini_usage
from proxy.providers.paths import path_model
from proxy.streams.json_value import json_text


class EmbedContent(BaseReader):
    """Reads embedContent and batchEmbedContents."""

    dialect: ClassVar[str] = "gemini.embedContent"
    operation: ClassVar[str | None] = "embeddings"
    source: ClassVar[str] = "https://ai.google.dev/api/embeddings"
    reads: ClassVar[str] = "tokens where they are told, error"
    unknown: ClassVar[str] = "usage of hosts and versions that tell none"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._answer: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document."""
        self._error = self._error or find_error(data)
        if isinstance(data, dict):
            self._answer = data

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=path_model(self.captured.path) or word(self.request.get("model")),
            response_model=word(self._answer.get("modelVersion")),
            usage=self._usage(),
            output_text=self._text(),
            error_type=error_type,
            error_message=error_message,
        )

    def _usage(self) -> Usage | None:
        return gemini_usage(mapping(self._answer.get("usageMetadata")))

    def _text(self) -> str | None:
        return None


class Predict(EmbedContent):
    """Reads Vertex AI's predict: embeddings, images, and the retired PaLM models."""

    dialect: ClassVar[str] = "gemini.predict"
    operation: ClassVar[str | None] = "predict"
    source: ClassVar[str] = "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api"
    reads: ClassVar[str] = "tokens or characters, images, text of the retired models, error"
    unknown: ClassVar[str] = "usage of models that tell none"

    def _usage(self) -> Usage | None:
        metadata = mapping(self._answer.get("metadata"))
        counted = mapping(metadata.get("tokenMetadata"))
        asked = mapping(counted.get("inputTokenCount")).get("totalTokens")
        answered = mapping(counted.get("outputTokenCount")).get("totalTokens")
        if counted:
            return Usage(input_tokens=count(asked), output_tokens=count(answered), raw=json_text(counted))
        embedded = [mapping(mapping(entry).get("embeddings")) for entry in items(self._answer.get("predictions"))]
        statistics = [mapping(entry.get("statistics")) for entry in embedded]
        tokens = total(*(count(entry.get("token_count")) for entry in statistics))
        return None if tokens is None else Usage(input_tokens=tokens, raw=json_text(statistics))

    def _text(self) -> str | None:
        first = mapping(next(iter(items(self._answer.get("predictions"))), None))
        turn = mapping(next(iter(items(first.get("candidates"))), None))
        return text(first.get("content")) or text(turn.get("content"))
