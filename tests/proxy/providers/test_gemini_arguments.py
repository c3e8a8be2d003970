"""Function arguments put together from paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.gemini_arguments import MAX_INDEX, apply_piece


@pytest.mark.parametrize(
    ("pieces", "want"),
    [
        ([("$.a", "stringValue", "x"), ("$.a", "stringValue", "y")], {"a": "xy"}),
        ([("$.a.b", "numberValue", 1), ("$.a.c", "boolValue", False)], {"a": {"b": 1, "c": False}}),
        ([("$.a[0]", "stringValue", "x"), ("$.a[1]", "stringValue", "y")], {"a": ["x", "y"]}),
        ([("$['a b']", "stringValue", "x")], {"a b": "x"}),
        ([("$.a", "nullValue", None)], {"a": None}),
        ([("a", "stringValue", "x"), ("$", "stringValue", "x"), ("$[0]", "stringValue", "x"), ("$.a..b", "stringValue", "x")], {}),
        ([(f"$.a[{MAX_INDEX + 1}]", "stringValue", "x")], {"a": []}),
    ],
)
def test_pieces_make_the_arguments(pieces: list[tuple[str, str, Any]], want: dict[str, Any]) -> None:
    """Texts of one path are appended, other values set, senseless paths left out."""
    arguments: dict[str, Any] = {}
    for path, key, value in pieces:
        apply_piece(arguments, {"jsonPath": path, key: value})
    assert arguments == want


@given(st.lists(st.tuples(st.text(alphabet="$.[]'\"ab01", max_size=12), st.sampled_from(["x", 1, True, None])), max_size=8))
def test_any_path_is_survived(pieces: list[tuple[str, Any]]) -> None:
    """Paths are the provider's text, and may be anything."""
    arguments: dict[str, Any] = {}
    for path, value in pieces:
        apply_piece(arguments, {"jsonPath": "$" + path, "stringValue": value})
