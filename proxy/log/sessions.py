"""A WebSocket session's raw frames become its messages, in the order they passed, and these the body that is stored. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.log.rows import Exchange
from proxy.spool.frames import CLIENT_FRAMES, UPSTREAM_FRAMES
from proxy.streams.websocket import FrameDecoder

NAMES = {CLIENT_FRAMES: "client", UPSTREAM_FRAMES: "upstream"}
ORDINARY = frozenset({1000, 1001, 1005})  # done, going away, no code
MEANINGS = {
    1002: "protocol error", 1003: "unsupported data", 1007: "invalid payload", 1008: "policy violation", 1009: "message too big",
    1010: "missing extension", 1011: "internal error", 1012: "service restart", 1013: "try again later", 1014: "bad gateway",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Session:
    """What was said: (who, message) for a reader, the same as JSON lines for the log, and why a part could not be read."""

    messages: list[tuple[str, bytes | str]]
    lines: str
    broken: str | None
    closed: bool | None  # a Close frame passed; None: it may have, where nothing was kept or could be read
    whole: bool  # nothing the upstream said is missing here
    error: tuple[str, str] | None  # what the upstream's Close frame complains of: its code, and its reason or the code's meaning


def session(exchange: Exchange) -> Session:
    """Decode both directions by the extensions that the answer agreed on.

    Lines: `{"from": client|upstream, "after_ms", "kind": text|binary|close, "data"}`; data is base64 where kind is binary. Pings and
    pongs carry nothing of the session and are left out.
    """
    agreed = ", ".join(value for name, value in exchange.captured.response_headers if name == "sec-websocket-extensions")
    decoders = {direction: FrameDecoder.agreed(agreed, from_client=direction == CLIENT_FRAMES) for direction in NAMES}
    messages: list[tuple[str, bytes | str]] = []
    lines: list[bytes] = []
    closed, error = False, None
    for direction, after_ns, data in exchange.pieces:
        decoder = decoders.get(direction)
        if decoder is None:
            continue
        for message in decoder.feed(data):
            if message.kind in ("ping", "pong"):
                continue
            line: dict[str, Any] = {"from": NAMES[direction], "after_ms": round(after_ns / 1e6, 3), "kind": message.kind}
            if message.kind == "close":
                line["data"] = decoder.close_code
                if not closed and direction == UPSTREAM_FRAMES:  # the first one tells why; the second only agrees
                    error = _complaint(message.data)
                closed = True
            else:
                messages.append((NAMES[direction], message.data))
                line["data"] = message.data if isinstance(message.data, str) else base64.b64encode(message.data).decode()
            if message.cut:
                line["cut"] = True
            lines.append(orjson.dumps(line))
    broken = "; ".join(f"{NAMES[direction]}: {decoder.broken}" for direction, decoder in decoders.items() if decoder.broken)
    captured = exchange.captured
    whole = not (decoders[UPSTREAM_FRAMES].broken or captured.response_truncated or exchange.response_omitted)
    asked = not (decoders[CLIENT_FRAMES].broken or captured.request_truncated or exchange.request_omitted)
    return Session(messages, b"\n".join(lines).decode(), broken or None, closed or (False if whole and asked else None), whole, error)


def _complaint(payload: str | bytes) -> tuple[str, str] | None:
    """What a Close frame of the upstream says went wrong; None for an ordinary end (RFC 6455, 7.4)."""
    if not isinstance(payload, bytes) or len(payload) < 2:
        return None
    code = int.from_bytes(payload[:2], "big")
    if code in ORDINARY:
        return None
    return f"websocket_close_{code}", payload[2:].decode("utf-8", "replace") or MEANINGS.get(code, f"the upstream closed with code {code}")
