"""AWS event stream frames (application/vnd.amazon.eventstream) out of bytes in any pieces, both checksums checked.

Layout, big-endian: total length u32, headers length u32, CRC32 of these eight bytes, headers, payload, CRC32 of all before it.
Source: smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

MAX_FRAME = 24 * 1024 * 1024  # bytes; the specification allows a payload of 16 MiB (older SDKs 24)
_PRELUDE = struct.Struct(">III")
_FIXED: dict[int, struct.Struct] = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q")}


class Frame(NamedTuple):
    """One frame: its headers (`:event-type`, `:message-type`, `:content-type` …) and its payload."""

    headers: dict[str, str | int | bool | bytes]
    payload: bytes


class EventStreamParser:
    """Feed it bytes; it gives complete frames. After a broken frame nothing more comes and `broken` says why."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._buffer)

    def feed(self, piece: bytes) -> list[Frame]:
        """Take the next bytes and give the frames that are complete now."""
        if self.broken:
            return []
        buffer, frames, start = self._buffer, [], 0
        buffer += piece
        while len(buffer) - start >= 12 and not self.broken:
            total, headers_length, prelude_crc = _PRELUDE.unpack_from(buffer, start)
            if zlib.crc32(buffer[start : start + 8]) != prelude_crc:
                self.broken = "eventstream: checksum of a prelude does not match"
            elif not 16 + headers_length <= total <= MAX_FRAME:
                self.broken = f"eventstream: impossible frame length {total}"
            elif len(buffer) - start < total:
                break
            else:
                frame = bytes(buffer[start : start + total])
                if zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
                    self.broken = "eventstream: checksum of a frame does not match"
                    break
                try:
                    headers = _headers(frame[12 : 12 + headers_length])
                except (ValueError, struct.error, IndexError):
                    self.broken = "eventstream: unreadable headers of a frame"
                    break
                frames.append(Frame(headers, frame[12 + headers_length : -4]))
                start += total
        del buffer[:start]
        return frames


def looks_like_frame(start: bytes) -> bool:
    """Tell whether these first twelve bytes are a frame's prelude with a right checksum."""
    return len(start) >= 12 and zlib.crc32(start[:8]) == int.from_bytes(start[8:12], "big")


def _headers(data: bytes) -> dict[str, str | int | bool | bytes]:
    headers: dict[str, str | int | bool | bytes] = {}
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        name, kind = data[at + 1 : end].decode("utf-8", "replace"), data[end]
        at = end + 1
        if kind in (0, 1):
            headers[name] = kind == 0
        elif kind in _FIXED:
            headers[name] = _FIXED[kind].unpack_from(data, at)[0]
            at += _FIXED[kind].size
        elif kind in (6, 7):
            length = int.from_bytes(data[at : at + 2], "big")
            value = data[at + 2 : at + 2 + length]
            if len(value) != length:
                raise ValueError("a header reaches past its frame")
            headers[name] = value.decode("utf-8", "replace") if kind == 7 else value
            at += 2 + length
        elif kind in (8, 9):
            size = 8 if kind == 8 else 16
            headers[name] = data[at : at + size]
            at += size
        else:
            raise ValueError(f"unknown header type {kind}")
    return headers
