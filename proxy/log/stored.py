"""From the rows of the log back to what was captured and read, so that it can be priced or read again. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import orjson

from proxy.exchange import Captured, Ending, Reading, Turn, Usage
from proxy.log.columns import USAGE
from proxy.log.rows import BASE64, MESSAGES, OPAQUE, Exchange
from proxy.providers.anthropic import also_billed
from proxy.providers.fields import mapping

PRICED_BY: Final = (
    *USAGE, "usage_raw", "provider", "upstream_url", "operation", "request_model", "response_model", "service_tier",
    "service_tier_requested", "usage_source",
)  # fmt: skip
"""Columns a price depends on, with is_batch and speed."""


def usage(row: dict[str, Any], raw: str | None = None) -> Usage | None:
    """The usage of a row of `exchanges` or `turns`; None where nothing was reported."""
    values = {name: row.get(name) for name in USAGE}
    return None if raw is None and all(value is None for value in values.values()) else Usage(**values, raw=raw)


def priced_reading(row: dict[str, Any], turns: Iterable[dict[str, Any]] = ()) -> Reading:
    """As much of the reading as a price depends on. row: columns of PRICED_BY, is_batch, speed; turns: rows of `turns`, in order."""
    return Reading(
        operation=row["operation"],
        request_model=row["request_model"],
        response_model=row["response_model"],
        usage=usage(row) if row["usage_source"] else None,
        usage_estimated=row["usage_source"] == "estimated",
        service_tier=row["service_tier"],
        service_tier_requested=row["service_tier_requested"],
        batch=row["is_batch"],
        speed=row["speed"],
        also_billed=also_billed(mapping(_json(row["usage_raw"]))),
        turns=tuple(Turn(turn["response_id"], turn["response_model"], usage(turn), turn["finish_reason"], None) for turn in turns),
    )


def exchange(row: dict[str, Any]) -> Exchange | None:
    """The exchange as it was captured, from a row of `exchanges` beside its `bodies`; None where its answer was not kept.

    Bodies lie in the log with their content-encoding undone and secrets out, so the header goes too.
    """
    session = row["response_body_coding"] == MESSAGES
    request, request_headers = _body(row["request_body"], row["request_body_coding"], row["request_headers"])
    response, response_headers = _body(row["response_body"], row["response_body_coding"], row["response_headers"])
    if response is None and row["response_bytes"]:
        return None
    return Exchange(
        exchange_id=UUID(row["exchange_id"]).bytes,
        captured=Captured(
            upstream=row["provider"] or "",
            dialect_hint=None,
            upstream_url=row["upstream_url"] or "",
            method=row["method"] or "",
            path=row["path"] or "",
            query=row["query"] or "",
            request_headers=request_headers,
            request_body=request or b"",
            request_truncated=bool(row["request_truncated"]),
            status=row["status"],
            response_headers=response_headers,
            response_body=b"" if session else response or b"",
            response_truncated=bool(row["response_truncated"]),
            accepted_at_ns=int(row["accepted_ns"]),
        ),
        api_key_hash=None,
        url_metadata="",
        host="",
        worker="",
        ending=Ending(row["ending"]),
        first_chunk_after_ns=None,
        ended_after_ns=None,
        request_bytes=0,
        response_bytes=0,
        request_sha256=None,
        response_sha256=None,
        error_type=None,
        error_message=None,
        websocket=session,
    )


def messages(lines: str) -> list[tuple[str, bytes | str]]:
    """What was said in a WebSocket session, from its stored lines, as a session reader takes it."""
    said: list[tuple[str, bytes | str]] = []
    for line in lines.split("\n"):
        message = orjson.loads(line)
        if message["kind"] == "text":
            said.append((message["from"], message["data"]))
        elif message["kind"] == "binary":
            said.append((message["from"], base64.b64decode(message["data"])))
    return said


def _json(value: Any) -> Any:
    """A JSON column's value, which may come as its text."""
    return orjson.loads(value) if isinstance(value, str) else value


def _body(text: str | None, coding: str | None, headers: str | None) -> tuple[bytes | None, tuple[tuple[str, str], ...]]:
    pairs: tuple[tuple[str, str], ...] = tuple(orjson.loads(headers).items()) if headers else ()
    if coding == OPAQUE:
        return base64.b64decode(text or ""), pairs
    pairs = tuple((name, value) for name, value in pairs if name != "content-encoding")
    if text is None:
        return None, pairs
    return (base64.b64decode(text) if coding == BASE64 else text.encode("utf-8", "surrogatepass")), pairs
