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


@dataclass(frozen=True, slots=True)
class Session:
    """What was said: (who, message) for a reader, the same as JSON lines for the log, and why a part could not be read."""

    messages: list[tuple[str, bytes | str]]
    lines: str
    broken: str | None


def session(exchange: Exchange) -> Session:
    """Decode both directions by the extensions that the answer agreed on.

    Lines: `{"from": client|upstream, "after_ms", "kind": text|binary|close, "data"}`; data is base64 where kind is binary. Pings and
    pongs carry nothing of the session and are left out.
    """
    agreed = ", ".join(value for name, value in exchange.captured.response_headers if name == "sec-websocket-extensions")
    decoders = {direction: FrameDecoder.agreed(agreed, from_client=direction == CLIENT_FRAMES) for direction in NAMES}
    messages: list[tuple[str, bytes | str]] = []
    lines: list[bytes] = []
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
            else:
                messages.append((NAMES[direction], message.data))
                line["data"] = message.data if isinstance(message.data, str) else base64.b64encode(message.data).decode()
            if message.cut:
                line["cut"] = True
            lines.append(orjson.dumps(line))
    broken = "; ".join(f"{NAMES[direction]}: {decoder.broken}" for direction, decoder in decoders.items() if decoder.broken)
    return Session(messages, b"\n".join(lines).decode(), broken or None)
