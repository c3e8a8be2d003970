"""Values out of JSON that nobody promised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.fields import MAX_COUNT, count, items, mapping, text, total, word


@pytest.mark.parametrize(
    ("value", "want"),
    [(0, 0), (12, 12), (12.0, 12), ("12", 12), (MAX_COUNT, MAX_COUNT)]
    + [
        (value, None)
        for value in (None, True, -1, 1.5, MAX_COUNT + 1, 10**400, float("inf"), float("nan"), "", "-1", "1e3", "٣", "9" * 30, [], {})
    ],
)
def test_counts_are_whole_and_not_negative(value: Any, want: int | None) -> None:
    """Numbers, whole floats and digits; everything else is unknown."""
    assert count(value) == want


def test_words_are_names_or_numbers() -> None:
    """Enums come either way; an empty word is none."""
    assert [word(value) for value in ("STOP", 1, "", True, 1.5, None, [])] == ["STOP", "1", None, None, None, None, None]


def test_sums_leave_out_what_is_unknown() -> None:
    """And are unknown where all is."""
    assert (total(1, None, 2), total(None, 0), total(None), total()) == (3, 0, None, None)


@given(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.dictionaries(st.text(), st.integers())
    )
)
def test_any_value_is_taken_or_left(value: Any) -> None:
    """Each view gives its own type."""
    assert isinstance(mapping(value), dict)
    assert isinstance(items(value), list)
    assert text(value) is None or isinstance(text(value), str)
    assert word(value) is None or isinstance(word(value), str)
    assert count(value) is None or type(count(value)) is int
