"""What most readers share, so that a dialect's file holds only what is special about it."""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading
from proxy.providers.fields import mapping, word


class BaseReader:
    """A reader that understands nothing yet; dialects override `feed` and `result`.

    `is_stream` is set by the caller before the first `feed`: True where events come, False where one whole document does.
    """

    dialect: ClassVar[str] = ""
    operation: ClassVar[str | None] = None
    source: ClassVar[str] = ""  # the provider's documentation that this follows
    reads: ClassVar[str] = ""  # what is taken from an exchange, beside the models, ids and times that all of them give
    unknown: ClassVar[str] = ""  # what cannot be known from the wire
    array_is_stream: ClassVar[bool] = False  # a top-level JSON array is a stream of its elements, not one document

    def __init__(self, captured: Captured, request: Any) -> None:
        self.captured = captured
        self.request: dict[str, Any] = mapping(request)
        self.is_stream: bool | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take one event, or the whole document (see the Reader contract)."""

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        return Reading(
            dialect=self.dialect or None, operation=self.operation, is_stream=self.is_stream, request_model=word(self.request.get("model"))
        )
