"""What every dialect's reader promises: fed in order, never raises on odd input, and can tell its result at any moment."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from proxy.exchange import Captured, Reading


class Reader(Protocol):
    """One wire dialect, reading one exchange.

    `captured` gives the facts (path, headers, status); `request` is the request body parsed as JSON, or None where it is no JSON.
    """

    dialect: ClassVar[str]

    def __init__(self, captured: Captured, request: Any) -> None: ...

    def feed(self, name: str | None, data: Any) -> None:
        """Take one event of a streamed answer, or the whole answer where it is one document.

        `name` is the SSE event name or the eventstream's :event-type (None where there is none); `data` is the parsed
        JSON value, or the text itself where it is no JSON (such as `[DONE]`). Anything may come; nothing may raise.
        """

    def result(self) -> Reading:
        """Tell what has been understood so far."""
