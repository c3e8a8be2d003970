"""Cohere's embed, rerank and generate, and the rerank that Voyage, Jina, Together and others copied: units, no conversation.

Sources: docs.cohere.com, "Embed", "Rerank", "Generate (legacy)"; docs.voyageai.com, "Reranker API" (usage.total_tokens).
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.cohere import cohere_usage
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, word
from proxy.providers.paths import path_model
from proxy.providers.quantities import money
from proxy.streams.json_value import json_text


class Embed(BaseReader):
    """Reads embed, v1 and v2."""

    dialect: ClassVar[str] = "cohere.embed"
    operation: ClassVar[str | None] = "embeddings"
    source: ClassVar[str] = "https://docs.cohere.com/reference/embed"
    reads: ClassVar[str] = "billed tokens and images, error"
    unknown: ClassVar[str] = "the answering model"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._answer: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document; an array of them is no shape of this dialect."""
        self._error = self._error or find_error(data)
        self._answer = mapping(data) or self._answer

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        usage = mapping(self._answer.get("usage"))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            response_model=word(self._answer.get("model")),
            response_id=word(self._answer.get("id")),
            usage=cohere_usage(mapping(self._answer.get("meta"))) or _counted(usage),
            reported_cost_usd=money(usage.get("cost")),
            error_type=error_type,
            error_message=error_message,
        )


class Rerank(Embed):
    """Reads rerank, v1 and v2, of Cohere and of those who copied it."""

    dialect: ClassVar[str] = "cohere.rerank"
    operation: ClassVar[str | None] = "rerank"
    source: ClassVar[str] = "https://docs.cohere.com/reference/rerank"
    reads: ClassVar[str] = "search units, or tokens where the host counts them (Voyage, Jina, Together), error"
    unknown: ClassVar[str] = "the answering model"


class Generate(BaseReader):
    """Reads the retired generate API: a document, or lines of JSON."""

    dialect: ClassVar[str] = "cohere.generate"
    operation: ClassVar[str | None] = "text_completion"
    source: ClassVar[str] = "https://docs.cohere.com/v1/reference/generate"
    reads: ClassVar[str] = "text, finish reasons, billed units, error"
    unknown: ClassVar[str] = "the answering model"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._answer: dict[str, Any] = {}
        self._pieces: list[str] = []
        self._ended = False
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, a line with a piece of text, or the last line with the whole `response`."""
        event = mapping(data)
        self._error = self._error or find_error(data)
        if event.get("is_finished") is True:
            self._ended = True
            self._answer = {**mapping(event.get("response")), "finish_reason": event.get("finish_reason")}
        elif isinstance(event.get("text"), str):
            self._pieces.append(event["text"])
        elif "generations" in event:
            self._answer = event

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        made = [mapping(entry) for entry in items(self._answer.get("generations"))]
        reasons = tuple(reason for entry in made if (reason := word(entry.get("finish_reason"))))
        last = word(self._answer.get("finish_reason"))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            response_id=word(self._answer.get("id")),
            usage=cohere_usage(mapping(self._answer.get("meta"))),
            finish_reasons=reasons or ((last,) if last else ()),
            output_text="".join(self._pieces) or (text(made[0].get("text")) if made else None) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._ended and self._error is None) if self.is_stream else None,
        )


def _counted(usage: dict[str, Any]) -> Usage | None:
    """The usage of hosts that copied the API: tokens, or search units beside a cost."""
    asked = next((found for key in ("prompt_tokens", "input_tokens", "total_tokens") if (found := count(usage.get(key))) is not None), None)
    searches = count(usage.get("search_units"))
    if asked is None and searches is None:
        return None
    return Usage(input_tokens=asked, output_tokens=count(usage.get("completion_tokens")), search_units=searches, raw=json_text(usage))
