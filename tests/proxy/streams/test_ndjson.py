"""Lines of JSON come out the same whatever pieces their bytes come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.streams.ndjson import LineParser


def parse(*pieces: bytes) -> list[bytes]:
    parser = LineParser()
    return [line for piece in pieces for line in parser.feed(piece)] + parser.finish()


def test_blank_lines_and_a_missing_last_end() -> None:
    """Blank lines are left out, CRLF is an end of line, and the last line needs none."""
    assert parse(b'{"a":1}\r\n\n  \n{"b":2}\n{"c"', b":3}") == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@given(st.binary(max_size=60), st.integers(0, 60))
def test_pieces_do_not_matter(body: bytes, cut: int) -> None:
    """Any bytes cut anywhere give the lines of the whole."""
    assert parse(body[:cut], body[cut:]) == parse(body) == parse(*(body[at : at + 1] for at in range(len(body))))
