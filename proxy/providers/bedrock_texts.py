"""The small answer shapes of models on Bedrock's invoke that no other dialect has: Titan, Llama, Mistral, Jurassic, embeddings.

Source: docs.aws.amazon.com/bedrock, "Inference request parameters and response fields for foundation models".
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, total, word
from proxy.streams.json_value import json_text

_COUNTS = {  # Titan; Llama
    "input": ("inputTextTokenCount", "prompt_token_count"),
    "output": ("totalOutputTextTokenCount", "generation_token_count"),
}


class Texts(BaseReader):
    """Reads a whole answer, or the chunks of a stream, whichever of the small shapes it has."""

    dialect: ClassVar[str] = "bedrock.invoke"
    operation: ClassVar[str | None] = "text_completion"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._reasons: dict[int, str] = {}
        self._counts: dict[str, Any] = {}
        self._results: list[Any] = []  # Titan counts every result by itself
        self._embeds = False
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document or a chunk."""
        event = mapping(data)
        self._error = self._error or find_error(data)
        self._embeds = self._embeds or any(key in event for key in ("embedding", "embeddings", "embeddingsByType"))
        for keys in _COUNTS.values():
            self._counts.update({key: event[key] for key in keys if count(event.get(key)) is not None})
        for key in ("generation", "outputText"):
            self._keep(0, event.get(key), event.get("stop_reason") or event.get("completionReason"))
        for place, entry in enumerate(map(mapping, items(event.get("results")))):
            self._keep(place, entry.get("outputText"), entry.get("completionReason"))
            self._results.append({"tokenCount": entry.get("tokenCount")})
        for place, entry in enumerate(map(mapping, items(event.get("outputs")))):
            self._keep(place, entry.get("text"), entry.get("stop_reason"))
        for place, entry in enumerate(map(mapping, items(event.get("completions")))):
            self._keep(place, mapping(entry.get("data")).get("text"), mapping(entry.get("finishReason")).get("reason"))

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation="embeddings" if self._embeds else self.operation,
            is_stream=self.is_stream,
            usage=self._usage(),
            finish_reasons=tuple(self._reasons.values()),
            output_text="".join(self._pieces) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(bool(self._reasons) and self._error is None) if self.is_stream else None,
        )

    def _keep(self, place: int, piece: Any, reason: Any) -> None:
        if place == 0 and text(piece) is not None:
            self._pieces.append(piece)
        if word(reason) is not None:
            self._reasons[place] = str(reason)

    def _usage(self) -> Usage | None:
        asked = next((count(self._counts[key]) for key in _COUNTS["input"] if key in self._counts), None)
        answered = next((count(self._counts[key]) for key in _COUNTS["output"] if key in self._counts), None)
        if answered is None:
            answered = total(*(count(entry["tokenCount"]) for entry in self._results))
        if asked is None and answered is None:
            return None
        raw = {**self._counts, "results": self._results} if self._results else self._counts
        return Usage(input_tokens=asked, output_tokens=answered, raw=json_text(raw))
