"""A provider's answer in one call: bytes in, the reading out, so that a dialect's test shows only what is special about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from proxy.exchange import Captured, Reading
from proxy.reading import read

SSE = {"content-type": "text/event-stream"}
NDJSON = {"content-type": "application/x-ndjson"}
EVENTSTREAM = {"content-type": "application/vnd.amazon.eventstream"}


def captured(
    path: str,
    body: Any,
    *,
    request: Any = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    asked_with: Mapping[str, str] | None = None,
    upstream: str = "upstream",
    method: str = "POST",
) -> Captured:
    """The exchange; a body that is no bytes is sent as JSON."""
    return Captured(
        upstream=upstream,
        dialect_hint=None,
        upstream_url="http://127.0.0.1",
        method=method,
        path=path,
        query="",
        request_headers=tuple((asked_with or {}).items()),
        request_body=b"" if request is None else json.dumps(request).encode(),
        request_truncated=False,
        status=status,
        response_headers=tuple((headers or {"content-type": "application/json"}).items()),
        response_body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        response_truncated=False,
    )


def answered(path: str, body: Any, **facts: Any) -> Reading:
    """What is read of the exchange that `captured` makes of the same arguments."""
    return read(captured(path, body, **facts))


def sse(*events: Any, named: bool = False) -> bytes:
    """Server-sent events: texts as they are, everything else as JSON; `named` gives each its `type` as event name."""
    out = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        out.append(f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return "".join(out).encode()


def lines(*values: Any) -> bytes:
    """Lines of JSON."""
    return "".join(json.dumps(value) + "\n" for value in values).encode()
