"""The frame format of a segment: bytes to frames and back, without a file in sight.

A segment is HEADER_SIZE bytes of header, then frames at 8-byte boundaries, then zeros. A frame is

    size u32 | crc u32 | seq u64 | payload (size bytes, the first is the kind)        little endian

`size` is stored last, so a reader that sees it sees the whole frame; 0 means "nothing here yet", SEALED means "go on in the
next segment". `crc` is CRC-32 of the payload started at the low half of `seq`; `seq` counts the frames of one run from 0, so
that a hole is seen. Texts inside payloads are lines joined by a line feed, which no header value, path or name can hold.

    ACCEPTED  id, time, the request's facts, and what has come of its body
    PART      id, direction, bytes that passed since
    ANSWERED  id, status and headers of the answer; only where a PART of it follows before the end
    FINISHED  id, ending, times, counts, hashes, and the rest of both bodies; nothing twice
    RECORD    an opinion or event (feedback, score, label …) as JSON
    SHED      a count of exchanges and bytes that could not be spooled, and why
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from zlib_ng.zlib_ng import crc32

from proxy.exchange import Ending

MAGIC: Final = b"GWSPOOL1"
HEADER_SIZE: Final = 512  # magic, length u32, JSON: {run, host, worker, segment, pid, created_ns}
SEALED: Final = 0xFFFFFFFF
PREFIX: Final = struct.Struct("<IIQ")
ALIGN: Final = 8

ACCEPTED: Final = 1
PART: Final = 2
FINISHED: Final = 3
RECORD: Final = 4
SHED: Final = 5
ANSWERED: Final = 6

# Directions of a PART.
REQUEST: Final = 0
RESPONSE: Final = 1
CLIENT_FRAMES: Final = 2  # raw WebSocket bytes, client to upstream
UPSTREAM_FRAMES: Final = 3  # raw WebSocket bytes, upstream to client

# Flags of ACCEPTED and FINISHED.
OMIT_REQUEST: Final = 1
OMIT_RESPONSE: Final = 2
REQUEST_TRUNCATED: Final = 4
RESPONSE_TRUNCATED: Final = 8
WEBSOCKET: Final = 16
USAGE_ASKED: Final = 32  # by us, of an upstream whose client did not; the kept answer may hold it, the counted one does not

ENDINGS: Final = (Ending.COMPLETE, Ending.PARTIAL, Ending.CLIENT_GONE, Ending.UPSTREAM_ERROR, Ending.LOST)
ENDING_CODES: Final = {ending: code for code, ending in enumerate(ENDINGS)}

_ACCEPTED: Final = struct.Struct("<B16sQBII")  # kind, id, accepted_at_ns, flags, len(text), len(body)
_PART: Final = struct.Struct("<B16sBQ")  # kind, id, direction, after_ns; data is the rest
_ANSWERED: Final = struct.Struct("<B16sH")  # kind, id, status; header lines are the rest
# kind, id, ending, flags, status, first_chunk_after_ns, ended_after_ns, request_bytes, response_bytes, request_sha256,
# response_sha256, len(text), len(rest of the request body), len(rest of the response body)
_FINISHED: Final = struct.Struct("<B16sBBHQQQQ32s32sIII")
_RECORD: Final = struct.Struct("<B16sQH")  # kind, id, at_ns, len(name); name and JSON are the rest
_SHED: Final = struct.Struct("<BQQQ")  # kind, at_ns, exchanges, bytes; the reason is the rest

NO_HASH: Final = bytes(32)
NO_TIME: Final = 0xFFFFFFFFFFFFFFFF


class FrameError(ValueError):
    """The bytes at this place are no frame of this format: a torn or overwritten segment."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request was taken in, before anything was forwarded."""

    exchange_id: bytes  # 16 bytes, UUIDv7
    accepted_at_ns: int  # Unix time
    flags: int
    facts: tuple[str, ...]  # upstream, dialect_hint, upstream_url, method, path, query, api_key_hash, url metadata (FACTS)
    headers: tuple[tuple[str, str], ...]  # allow-listed, names lower case
    body: bytes


FACTS: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that passed since the last frame of this exchange."""

    exchange_id: bytes
    direction: int
    after_ns: int  # since accepted, when the first of these bytes passed
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """Status and headers of an answer whose end is not here yet."""

    exchange_id: bytes
    status: int
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an exchange, with what no earlier frame held."""

    exchange_id: bytes
    ending: Ending
    flags: int
    status: int  # 0 = no answer
    first_chunk_after_ns: int | None  # since accepted, until the first byte of the answer's body (its head, where it has none)
    ended_after_ns: int
    request_bytes: int  # that passed, kept or not
    response_bytes: int
    request_sha256: bytes | None  # None: all bytes are here, whoever reads them can hash them
    response_sha256: bytes | None
    error_type: str | None
    error_message: str | None
    headers: tuple[tuple[str, str], ...]  # of the answer, where no ANSWERED held them
    request_rest: bytes
    response_rest: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """An opinion or an event that somebody stated: feedback, score, label …"""

    record_id: bytes  # 16 bytes, UUIDv7: makes loading it twice harmless
    at_ns: int
    name: str  # the table it goes to
    json: bytes


@dataclass(frozen=True, slots=True)
class Shed:
    """What could not be spooled since the last such frame."""

    at_ns: int
    exchanges: int
    bytes: int
    reason: str


Frame = Accepted | Part | Answered | Finished | Record | Shed


def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Headers as the text of a frame; surrogates carry bytes that are no UTF-8."""
    return "\n".join([f"{name}:{value}" for name, value in headers]).encode("utf-8", "surrogateescape")


def accepted(exchange_id: bytes, at_ns: int, flags: int, text: bytes, body: bytes) -> bytes:
    """Payload of ACCEPTED. `text`: FACTS lines, then one line a header."""
    return b"".join((_ACCEPTED.pack(ACCEPTED, exchange_id, at_ns, flags, len(text), len(body)), text, body))


def part(exchange_id: bytes, direction: int, after_ns: int, data: bytes = b"") -> bytes:
    """Payload of PART; without `data`, its beginning, for a writer that takes the rest apart."""
    return _PART.pack(PART, exchange_id, direction, after_ns) + data


def answered(exchange_id: bytes, status: int, text: bytes) -> bytes:
    """Payload of ANSWERED. `text`: one line a header."""
    return _ANSWERED.pack(ANSWERED, exchange_id, status) + text


def finished(
    exchange_id: bytes,
    ending: int,
    flags: int,
    status: int,
    first_chunk_after_ns: int,
    ended_after_ns: int,
    request_bytes: int,
    response_bytes: int,
    request_sha256: bytes,
    response_sha256: bytes,
    text: bytes,
    request_rest: bytes,
    response_rest: bytes,
    *,
    apart: bool = False,
) -> bytes:
    """Payload of FINISHED. `text`: error type, error message, then one line a header; NO_TIME and NO_HASH mean None.

    apart: without the rests, for a writer that takes them apart, in this order.
    """
    head = _FINISHED.pack(
        FINISHED, exchange_id, ending, flags, status, first_chunk_after_ns, ended_after_ns, request_bytes, response_bytes,
        request_sha256, response_sha256, len(text), len(request_rest), len(response_rest),
    )  # fmt: skip
    return head + text if apart else b"".join((head, text, request_rest, response_rest))


def record(record_id: bytes, at_ns: int, name: str, json: bytes) -> bytes:
    """Payload of RECORD."""
    encoded = name.encode()
    return b"".join((_RECORD.pack(RECORD, record_id, at_ns, len(encoded)), encoded, json))


def shed(at_ns: int, exchanges: int, size: int, reason: str) -> bytes:
    """Payload of SHED."""
    return _SHED.pack(SHED, at_ns, exchanges, size) + reason.encode()


def without_bodies(payload: bytes) -> bytes:
    """The same frame with its bodies shed and marked as cut, for when there is little room; b"" where nothing but bodies was in it.

    A hash that would have been left to the reader of a whole body is made here.
    """
    kind = payload[0]
    if kind == PART:
        return b""
    if kind == ACCEPTED:
        _, exchange_id, at_ns, flags, text_size, body_size = _ACCEPTED.unpack_from(payload)
        if not body_size:
            return payload
        return accepted(exchange_id, at_ns, flags | REQUEST_TRUNCATED, payload[_ACCEPTED.size : _ACCEPTED.size + text_size], b"")
    if kind == FINISHED:
        (_, exchange_id, ending, flags, status, first_ns, ended_ns, request_bytes, response_bytes, request_hash, response_hash,
         text_size, request_size, response_size) = _FINISHED.unpack_from(payload)  # fmt: skip
        start = _FINISHED.size + text_size
        middle = start + request_size
        if request_size:
            flags |= REQUEST_TRUNCATED
            if request_hash == NO_HASH and request_size == request_bytes:
                request_hash = sha256(payload[start:middle]).digest()
        if response_size:
            flags |= RESPONSE_TRUNCATED
            if response_hash == NO_HASH and response_size == response_bytes:
                response_hash = sha256(payload[middle:]).digest()
        return finished(
            exchange_id, ending, flags, status, first_ns, ended_ns, request_bytes, response_bytes, request_hash, response_hash,
            payload[_FINISHED.size : start], b"", b"",
        )  # fmt: skip
    return payload


def blanked(payload: bytes) -> bytes:
    """The same frame, as long as before, with nothing of what was said in it: no header, path or body, and no hash of one.

    What accounts for it stays: ids, times, sizes, the upstream, the ending.
    """
    kind = payload[0]
    if kind == ACCEPTED:
        _, exchange_id, at_ns, flags, text_size, body_size = _ACCEPTED.unpack_from(payload)
        facts = payload[_ACCEPTED.size : _ACCEPTED.size + text_size].split(b"\n")[:FACTS]
        text = b"\n".join([*facts[:4], b"", b"", facts[6], b""]).ljust(text_size)
        return accepted(exchange_id, at_ns, flags | REQUEST_TRUNCATED, text, bytes(body_size))
    if kind == FINISHED:
        (_, exchange_id, ending, flags, status, first_ns, ended_ns, request_bytes, response_bytes, _, _,
         text_size, request_size, response_size) = _FINISHED.unpack_from(payload)  # fmt: skip
        said = payload[_FINISHED.size : _FINISHED.size + text_size].partition(b"\n")[0]
        return finished(
            exchange_id, ending, flags | REQUEST_TRUNCATED | RESPONSE_TRUNCATED, status, first_ns, ended_ns, request_bytes, response_bytes,
            NO_HASH, NO_HASH, (said + b"\n").ljust(text_size)[:text_size], bytes(request_size), bytes(response_size),
        )  # fmt: skip
    if kind == RECORD:
        start = _RECORD.size + _RECORD.unpack_from(payload)[3]
        return payload[:start] + b"{}".ljust(len(payload) - start)[: len(payload) - start]
    start = _PART.size if kind == PART else _ANSWERED.size if kind == ANSWERED else len(payload)
    return payload[:start] + bytes(len(payload) - start)


def record_content(payload: bytes) -> bytes | None:
    """The JSON of a RECORD; None for any other frame."""
    if payload[0] != RECORD:
        return None
    return payload[_RECORD.size + _RECORD.unpack_from(payload)[3] :]


def checksum(payload: bytes, seq: int) -> int:
    """CRC-32 of a payload at its place in the run, so that a frame of another place does not pass."""
    return crc32(payload, seq & 0xFFFFFFFF)


def span(size: int) -> int:
    """Bytes that a frame with a payload of `size` takes in the segment."""
    return (PREFIX.size + size + ALIGN - 1) & -ALIGN


def _headers(lines: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple([(name, value) for name, _, value in [line.partition(":") for line in lines]])


def _lines(text: bytes) -> list[str]:
    return text.decode("utf-8", "surrogateescape").split("\n") if text else []


def decode(payload: bytes) -> Frame:
    """Payload to frame. Raises FrameError on anything this format does not know."""
    try:
        kind = payload[0]
        if kind == ACCEPTED:
            _, exchange_id, at_ns, flags, text_size, body_size = _ACCEPTED.unpack_from(payload)
            start = _ACCEPTED.size + text_size
            lines = _lines(payload[_ACCEPTED.size : start])
            if len(lines) < FACTS or len(payload) != start + body_size:
                raise FrameError(f"an ACCEPTED frame of {len(payload)} bytes does not hold what its sizes say")
            return Accepted(exchange_id, at_ns, flags, tuple(lines[:FACTS]), _headers(lines[FACTS:]), payload[start:])
        if kind == FINISHED:
            (_, exchange_id, ending, flags, status, first_ns, ended_ns, request_bytes, response_bytes, request_hash, response_hash,
             text_size, request_size, response_size) = _FINISHED.unpack_from(payload)  # fmt: skip
            start = _FINISHED.size + text_size
            middle = start + request_size
            if len(payload) != middle + response_size:
                raise FrameError(f"a FINISHED frame of {len(payload)} bytes does not hold what its sizes say")
            lines = _lines(payload[_FINISHED.size : start])
            return Finished(
                exchange_id,
                ENDINGS[ending],
                flags,
                status,
                None if first_ns == NO_TIME else first_ns,
                ended_ns,
                request_bytes,
                response_bytes,
                None if request_hash == NO_HASH else request_hash,
                None if response_hash == NO_HASH else response_hash,
                lines[0] or None,
                lines[1] or None,
                _headers(lines[2:]),
                payload[start:middle],
                payload[middle:],
            )
        if kind == PART:
            _, exchange_id, direction, after_ns = _PART.unpack_from(payload)
            return Part(exchange_id, direction, after_ns, payload[_PART.size :])
        if kind == ANSWERED:
            _, exchange_id, status = _ANSWERED.unpack_from(payload)
            return Answered(exchange_id, status, _headers(_lines(payload[_ANSWERED.size :])))
        if kind == RECORD:
            _, record_id, at_ns, name_size = _RECORD.unpack_from(payload)
            start = _RECORD.size + name_size
            return Record(record_id, at_ns, payload[_RECORD.size : start].decode(), payload[start:])
        if kind == SHED:
            _, at_ns, exchanges, size = _SHED.unpack_from(payload)
            return Shed(at_ns, exchanges, size, payload[_SHED.size :].decode())
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise FrameError(f"a frame of {len(payload)} bytes cannot be read: {error}") from error
    raise FrameError(f"frame kind {kind} is not known to this version")
