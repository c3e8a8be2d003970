"""The chunked decoder: right however the bytes are cut, and strict where others have been lenient."""

from __future__ import annotations

import itertools

import h11
import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.lane.chunked import MAX_SIZE_LINE, MAX_TRAILERS, ChunkedDecoder, ChunkError


def decoded(data: bytes, cuts: list[int] | None = None) -> tuple[bytes, bytes, bool, bytes]:
    """Body, what follows it, whether it ended, trailers."""
    decoder, body, used = ChunkedDecoder(), b"", 0
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or ())})
    for start, end in itertools.pairwise(places):
        pieces, taken = decoder.feed(data[start:end])
        body += b"".join(pieces)
        used += taken
        if decoder.done:
            break
    return body, data[used:], decoder.done, decoder.trailers


def encoded(pieces: list[bytes]) -> bytes:
    """The pieces as a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(min_value=0)), st.binary(max_size=20))
def test_cut_anywhere(pieces: list[bytes], cuts: list[int], after: bytes) -> None:
    """However it is cut, the body is the same, and what follows it is left alone."""
    assert decoded(encoded(pieces) + after, cuts) == (b"".join(pieces), after, True, b"")


def test_byte_by_byte_with_extension_and_trailers() -> None:
    """Extensions are dropped, trailers are kept, whatever the cuts."""
    data = b'5;name="v"\r\nhello\r\nA \t;x\r\n0123456789\r\n0\r\nx-sum: 1\r\nx-b: 2\r\n\r\nNEXT'
    want = (b"hello0123456789", b"NEXT", True, b"x-sum: 1\r\nx-b: 2\r\n")
    assert decoded(data) == want
    assert decoded(data, list(range(len(data)))) == want


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\r\n0\r\n\r\n",  # bare line feed
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",  # longer than it says
        b"5\r\nhel\r\n0\r\n\r\n\r\n",  # shorter than it says
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello",  # overflows 64 bits
        b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"0\r\nx: a\nb\r\n\r\n",
        b"0\r\nx: a\x00b\r\n\r\n",
        b"1;" + b"a" * MAX_SIZE_LINE + b"\r\nx\r\n0\r\n\r\n",
        b"0\r\nx: " + b"a" * MAX_TRAILERS + b"\r\n\r\n",
    ],
)
def test_refused(data: bytes) -> None:
    """What is not exactly right is refused, whole and byte by byte."""
    with pytest.raises(ChunkError):
        decoded(data)
    with pytest.raises(ChunkError):
        decoded(data, list(range(len(data))))


def by_h11(data: bytes) -> tuple[bytes, bytes] | None:
    """What h11 makes of the same body: body and rest, None where it refuses or waits."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return body, connection.trailing_data[0]
            elif event is h11.NEED_DATA or event is h11.PAUSED:
                return None
    except h11.RemoteProtocolError:
        return None


class _Body:
    def __init__(self) -> None:
        self.body, self.done = b"", False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done = True


def by_llhttp(data: bytes) -> bytes | None:
    """What llhttp makes of it: the body, None where it refuses or waits."""
    told = _Body()
    try:
        httptools.HttpRequestParser(told).feed_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    except httptools.HttpParserError:
        return None
    return told.body if told.done else None


CHUNKISH = st.lists(
    st.sampled_from(
        [
            b"0",
            b"1",
            b"5",
            b"a",
            b"F",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b";",
            b"x",
            b"hello",
            b"0\r\n\r\n",
            b"5\r\nhello\r\n",
            b":",
            b"x: y\r\n",
        ]
    ),
    max_size=14,
).map(b"".join)


@given(CHUNKISH)
def test_never_more_lenient_than_others(data: bytes) -> None:
    """A body that is taken here is taken by h11 and llhttp too, with the same content: nothing can be smuggled between us."""
    try:
        body, rest, done, _ = decoded(data)
    except ChunkError:
        return
    if not done:
        return
    strict = by_h11(data)
    assert strict is None or strict == (body, rest)
    if not rest:
        other = by_llhttp(data)
        assert other is None or other == body
    assert strict is not None or by_llhttp(data[: len(data) - len(rest)]) == body
