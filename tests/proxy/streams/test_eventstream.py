"""AWS event stream frames come out whole and checked, whatever pieces their bytes come in."""

from __future__ import annotations

import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from proxy.streams.eventstream import EventStreamParser, Frame, looks_like_frame


def frame(payload: bytes, **headers: str) -> bytes:
    """A frame as AWS builds it, from the specification."""
    head = b"".join(
        bytes([len(name) + 1]) + b":" + name.replace("_", "-").encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    start = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    start += struct.pack(">I", zlib.crc32(start)) + head + payload
    return start + struct.pack(">I", zlib.crc32(start))


BODY = frame(b'{"a":1}', event_type="chunk", message_type="event") + frame(b"", event_type="metadata")
WANT = [Frame({":event-type": "chunk", ":message-type": "event"}, b'{"a":1}'), Frame({":event-type": "metadata"}, b"")]


def parse(*pieces: bytes) -> tuple[list[Frame], str | None]:
    parser = EventStreamParser()
    return [found for piece in pieces for found in parser.feed(piece)], parser.broken


def test_whole_and_byte_by_byte() -> None:
    """Frames are the same whole and byte by byte, and the first twelve bytes are recognised."""
    assert parse(BODY) == (WANT, None)
    assert parse(*(BODY[at : at + 1] for at in range(len(BODY)))) == (WANT, None)
    assert looks_like_frame(BODY[:12])
    assert not looks_like_frame(b'{"message":"x"')


def test_every_type_of_header_is_read() -> None:
    """Booleans, numbers, bytes, text, times and UUIDs stand in headers; an unknown type breaks the frame."""
    head = b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x03\x00\x02\x01e\x04\x00\x00\x00\x03\x01f\x05" + bytes(7) + b"\x04"
    head += b"\x01g\x06\x00\x01z\x01h\x07\x00\x01y\x01i\x08" + bytes(8) + b"\x01j\x09" + bytes(16)
    for extra, broken in ((b"", False), (b"\x01k\x0a", True)):
        start = struct.pack(">II", 16 + len(head + extra), len(head + extra))
        start += struct.pack(">I", zlib.crc32(start)) + head + extra
        frames, why = parse(start + struct.pack(">I", zlib.crc32(start)))
        assert bool(why) is broken
        if not broken:
            expected = {"a": True, "b": False, "c": -1, "d": 2, "e": 3, "f": 4, "g": b"z", "h": "y", "i": bytes(8), "j": bytes(16)}
            assert frames[0].headers == expected


def test_a_changed_byte_is_noticed() -> None:
    """Whatever byte of the second frame changes, the first is given, the second is not, and the reason is said."""
    second = len(frame(b'{"a":1}', event_type="chunk", message_type="event"))
    for at in range(second, len(BODY)):
        body = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
        frames, why = parse(body)
        assert frames == WANT[:1]
        assert why


@given(st.binary(max_size=100), st.integers(0, 200))
def test_garbage_and_cuts(garbage: bytes, cut: int) -> None:
    """Any bytes after good frames raise nothing and spoil nothing before them."""
    whole = BODY + garbage
    assert parse(whole)[0][:2] == WANT
    assert parse(whole[:cut], whole[cut:]) == parse(whole)
