"""Server-sent events come out the same whatever pieces their bytes come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.streams.sse import SseEvent, SseParser


def parse(*pieces: bytes) -> list[SseEvent]:
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.finish()


CASES = {
    "LF": (b"data: a\n\ndata: b\n\n", [(None, b"a"), (None, b"b")]),
    "CRLF": (b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [("x", b"a"), (None, b"b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [(None, b"a"), (None, b"b")]),
    "mixed ends": (b"data: a\r\n\ndata: b\n\r\n", [(None, b"a"), (None, b"b")]),
    "comments": (b": hello\n\ndata: a\n:\n\n", [(None, b"a")]),
    "BOM": (b"\xef\xbb\xbfdata: a\n\n", [(None, b"a")]),
    "BOM before a comment": (b"\xef\xbb\xbf: x\n\ndata: a\n\n", [(None, b"a")]),
    "several data lines": (b"data: a\ndata:b\ndata\n\n", [(None, b"a\nb\n")]),
    "one space only": (b"data:  a\n\n", [(None, b" a")]),
    "no space": (b"data:a\nevent:b\n\n", [("b", b"a")]),
    "empty data": (b"data:\n\n", [(None, b"")]),
    "name without data": (b"event: x\n\ndata: a\n\n", [(None, b"a")]),
    "last name wins": (b"event: x\nevent: y\ndata: a\n\n", [("y", b"a")]),
    "unknown field": (b"foo: 1\ndata: a\nfoo\n\n", [(None, b"a")]),
    "end without a blank line": (b"data: a\n\ndata: [DONE]", [(None, b"a"), (None, b"[DONE]")]),
    "end inside a CRLF": (b"data: a\r\n\r", [(None, b"a")]),
    "characters of many bytes": ("data: 漢字🧪\n\n".encode(), [(None, "漢字🧪".encode())]),
}


@pytest.mark.parametrize("case", CASES)
def test_whole_and_byte_by_byte_and_at_each_cut(case: str) -> None:
    """Each case gives its events whole, byte by byte, and cut in two anywhere."""
    body, want = CASES[case]
    assert parse(body) == want
    assert parse(*(body[at : at + 1] for at in range(len(body)))) == want
    for cut in range(len(body)):
        assert parse(body[:cut], body[cut:]) == want


def test_id_and_retry_are_kept() -> None:
    """The last id and the retry time are what the stream said last; nonsense is passed over."""
    parser = SseParser()
    parser.feed(b"id: 7\nretry: 3000\ndata: a\n\nid: a\0b\nretry: soon\n\n")
    assert (parser.last_event_id, parser.retry_ms) == ("7", 3000)


@given(
    st.lists(st.sampled_from([b"data: a", b"data", b"event: e", b":c", b"id: 1", b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"x"])), st.data()
)
def test_pieces_do_not_matter(parts: list[bytes], data: st.DataObject) -> None:
    """Any bytes cut anywhere give the events of the whole."""
    body = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert parse(*pieces) == parse(body)
