"""JSON of real hosts is read, odd as it may be; what is none raises one documented error."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.streams.json_value import Unparsable, json_text, parse_cut_json, parse_json


def test_what_strict_parsers_refuse() -> None:
    """A BOM, NaN, half a surrogate pair and bytes that are no UTF-8 are read."""
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert math.isnan(parse_json(b"[NaN]")[0])
    assert parse_json(b'"\\ud83d"') == "\ud83d"
    assert parse_json(b'"a\xff"') == "a\ufffd"


@pytest.mark.parametrize("data", [b"", b"[DONE]", b"{", b"[" * 100_000, "text", b"\xff\xfe"])
def test_no_json(data: bytes | str) -> None:
    """What is no JSON raises Unparsable, deep nesting included."""
    with pytest.raises(Unparsable):
        parse_json(data)


def test_a_cut_document_keeps_its_complete_members() -> None:
    """Members before the cut are kept; a number or text that the cut goes through is not."""
    assert parse_cut_json(b'{"model": "m", "usage": {"a": 12, "b": 34') == {"model": "m", "usage": {"a": 12}}
    assert parse_cut_json(b'{"model": "m", "id": "chat') == {"model": "m"}


@given(st.recursive(st.none() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_text_of_any_value(value: object) -> None:
    """Any value has a text that UTF-8 holds."""
    json_text(value).encode()
