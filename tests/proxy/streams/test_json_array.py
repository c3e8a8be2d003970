"""A JSON array's elements come out one by one, whatever pieces its bytes come in."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.streams.json_array import ArrayParser

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(alphabet='a"\\[]{},é', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k"\\', max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=5), st.booleans(), st.integers(0, 200))
def test_elements_are_the_arrays_own(values: list[Any], indented: bool, cut: int) -> None:
    """Whole, cut in two and byte by byte, the elements are those of the array."""
    body = json.dumps(values, indent=2 if indented else None).encode()
    for pieces in ([body], [body[:cut], body[cut:]], [body[at : at + 1] for at in range(len(body))]):
        parser = ArrayParser()
        assert [json.loads(element) for piece in pieces for element in parser.feed(piece)] == values
        assert parser.closed


def test_a_cut_array_gives_its_complete_elements() -> None:
    """What stands complete before the cut is given, and the array is not closed."""
    parser = ArrayParser()
    assert parser.feed(b'[{"a": [1, 2]}, {"b": "],"}, {"c": ') == [b'{"a": [1, 2]}', b'{"b": "],"}']
    assert not parser.closed


@given(st.binary(max_size=80))
def test_garbage_is_survived(body: bytes) -> None:
    """Any bytes at all raise nothing."""
    ArrayParser().feed(body)
