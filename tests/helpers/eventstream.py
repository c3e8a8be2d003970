"""AWS event-stream frames as Bedrock sends them, written from the specification apart from the proxy's own reader.

A frame is: total length, header length, CRC-32 of these 8 bytes, headers, payload, CRC-32 of all before it; big-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from zlib import crc32

STRING = 7  # the type of a header value that is UTF-8 text with a 16-bit length


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message."""
    named = b"".join(
        bytes([len(name.encode())]) + name.encode() + struct.pack(">BH", STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 12 + len(named) + len(payload) + 4, len(named))
    body = prelude + struct.pack(">I", crc32(prelude)) + named + payload
    return body + struct.pack(">I", crc32(body))


def event(name: str, payload: object) -> bytes:
    """An event with a JSON payload."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(payload, separators=(",", ":")).encode())


def exception(name: str, payload: object) -> bytes:
    """An error inside a stream that began with 200."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps(payload).encode())
