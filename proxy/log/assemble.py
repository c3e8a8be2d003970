"""Puts an exchange together from its frames: facts, headers, bodies, hashes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from proxy.exchange import Captured, Ending
from proxy.log.rows import Exchange
from proxy.spool.frames import (
    CLIENT_FRAMES,
    FACTS,
    OMIT_REQUEST,
    OMIT_RESPONSE,
    REQUEST,
    REQUEST_TRUNCATED,
    RESPONSE_TRUNCATED,
    USAGE_ASKED,
    WEBSOCKET,
    Accepted,
    Answered,
    Finished,
    Frame,
    Part,
)

SWITCHED: Final = 101  # any other answer to an upgrade is a plain HTTP answer
PROXY_KEY: Final = "goldwash-proxy-key"
"""A line among the headers that the lane wrote itself; a client's own of that name is never kept."""
_NO_FACTS: Final = ("",) * FACTS


def assemble(exchange_id: bytes, frames: Sequence[Frame], host: str, worker: str) -> Exchange:
    """One exchange from all of its frames in order; without FINISHED it is lost, and what had arrived is kept.

    Where ACCEPTED is missing (its frame was damaged) the facts are unknown, and the time comes from the id, a UUIDv7.
    """
    accepted: Accepted | None = None
    finished: Finished | None = None
    status = 0
    answer_headers: tuple[tuple[str, str], ...] = ()
    request: list[bytes] = []
    response: list[bytes] = []
    first_ns: int | None = None
    for frame in frames:
        if isinstance(frame, Accepted):
            accepted = frame
            request.append(frame.body)
        elif isinstance(frame, Finished):
            finished = frame
            request.append(frame.request_rest)
            response.append(frame.response_rest)
        elif isinstance(frame, Part):
            if frame.direction in (REQUEST, CLIENT_FRAMES):
                request.append(frame.data)
            else:
                response.append(frame.data)
                first_ns = frame.after_ns if first_ns is None else first_ns
        elif isinstance(frame, Answered):
            status, answer_headers = frame.status, frame.headers
    flags = (accepted.flags if accepted else 0) | (finished.flags if finished else 0)
    facts = accepted.facts if accepted else _NO_FACTS
    upstream, dialect_hint, upstream_url, method, path, query, api_key_hash, url_metadata = facts
    headers = accepted.headers if accepted else ()
    request_body, response_body = b"".join(request), b"".join(response)
    captured = Captured(
        upstream=upstream,
        dialect_hint=dialect_hint or None,
        upstream_url=upstream_url,
        method=method,
        path=path,
        query=query,
        request_headers=tuple([header for header in headers if header[0] != PROXY_KEY]),
        request_body=request_body,
        request_truncated=bool(flags & REQUEST_TRUNCATED) or accepted is None,
        status=(finished.status if finished and finished.status else status) or None,
        response_headers=(finished.headers if finished else ()) or answer_headers,
        response_body=response_body,
        response_truncated=bool(flags & RESPONSE_TRUNCATED),
        accepted_at_ns=accepted.accepted_at_ns if accepted else int.from_bytes(exchange_id[:6], "big") * 1_000_000,
    )
    websocket = bool(flags & WEBSOCKET) and captured.status == SWITCHED
    if finished is None:
        request_bytes, response_bytes = len(request_body), len(response_body)
        request_hash = response_hash = None
    else:
        request_bytes, response_bytes = finished.request_bytes, finished.response_bytes
        request_hash = _hash(finished.request_sha256, request_body, request_bytes)
        response_hash = _hash(finished.response_sha256, response_body, response_bytes)
    return Exchange(
        exchange_id=exchange_id,
        captured=captured,
        api_key_hash=api_key_hash or None,
        url_metadata=url_metadata,
        host=host,
        worker=worker,
        ending=finished.ending if finished else Ending.LOST,
        first_chunk_after_ns=finished.first_chunk_after_ns if finished else first_ns,
        ended_after_ns=finished.ended_after_ns if finished else None,
        request_bytes=request_bytes,
        response_bytes=response_bytes,
        request_sha256=request_hash,
        response_sha256=response_hash,
        error_type=finished.error_type if finished else None,
        error_message=finished.error_message if finished else None,
        request_omitted=bool(flags & OMIT_REQUEST),
        response_omitted=bool(flags & OMIT_RESPONSE),
        websocket=websocket,
        proxy_key=next((value for name, value in headers if name == PROXY_KEY), None),
        usage_asked=bool(flags & USAGE_ASKED),
        pieces=tuple((frame.direction, frame.after_ns, frame.data) for frame in frames if isinstance(frame, Part)) if websocket else (),
    )


def _hash(known: bytes | None, body: bytes, passed: int) -> str | None:
    if known is not None:
        return known.hex()
    return sha256(body).hexdigest() if len(body) == passed else None
