"""Answers of OpenAI's kind that are one document with `model` and `usage`, and hold no conversation."""

from __future__ import annotations

from typing import Any

from proxy.exchange import Captured, Reading
from proxy.providers.base import BaseReader
from proxy.providers.compatible import reported_cost, usage_of
from proxy.providers.errors import ReadError, read_error
from proxy.providers.fields import mapping, text, word


class DocumentReader(BaseReader):
    """Reads one such document; dialects say what more is in it."""

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self.document: dict[str, Any] = {}
        self.error: ReadError | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer."""
        self.error = self.error or read_error(self.captured, data)
        if isinstance(data, dict):
            self.document = data

    def usage(self) -> dict[str, Any]:
        """The provider's usage object."""
        return mapping(self.document.get("usage"))

    def output_text(self) -> str | None:
        """The text that came out, if any did."""
        return None

    def terminal(self) -> bool | None:
        """Whether a stream's last event came."""
        return None

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        usage = self.usage()
        kind, message = self.error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=text(self.request.get("model")),
            response_model=text(self.document.get("model")) or None,
            response_id=text(self.document.get("id")) or None,
            usage=usage_of(usage) if usage else None,
            service_tier_requested=word(self.request.get("service_tier")),
            service_tier=word(self.document.get("service_tier")),
            output_text=self.output_text(),
            error_type=kind,
            error_message=message,
            terminal=self.terminal() if self.is_stream else None,
            reported_cost_usd=reported_cost(usage, self.captured.response_headers),
        )
