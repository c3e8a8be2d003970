"""Which trace and span an exchange is: the same ids whenever it is sent, so that sending it again changes nothing. Pure."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

_TRACE: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")


class Identity(NamedTuple):
    """Where a span stands."""

    trace_id: int
    span_id: int
    parent_id: int | None  # the client's own span, from traceparent


def identity(exchange_id: str, trace_id: str | None, span_id: str | None) -> Identity:
    """trace_id, span_id: as the log holds them; a W3C trace is joined, a vendor's trace name is hashed, none = a trace of its own."""
    parent = int(span_id, 16) if span_id and _SPAN.fullmatch(span_id) else None
    if trace_id and _TRACE.fullmatch(trace_id):
        return Identity(int(trace_id, 16), span_of(exchange_id), parent)
    if trace_id:
        return Identity(_digest("trace", trace_id, 16), span_of(exchange_id), None)
    return Identity(UUID(exchange_id).int, span_of(exchange_id), None)


def span_of(*names: str) -> int:
    """A span's id, made from what it is about."""
    return _digest("span", "\0".join(names), 8)


def _digest(kind: str, name: str, size: int) -> int:
    return int.from_bytes(sha256(f"goldwash {kind}\0{name}".encode("utf-8", "replace")).digest()[:size], "big") or 1
