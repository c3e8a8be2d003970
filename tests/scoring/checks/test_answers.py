"""What several checks read in an answer."""

from __future__ import annotations

from scoring.checks.answers import cut_short, parsed, prose, without_code
from tests.scoring.checks.made import answered


def test_json_is_read_with_and_without_a_fence():
    """And the reason given where there is none."""
    assert parsed(answered('{"a": 1}')).value == {"a": 1}
    fenced = parsed(answered('```json\n{"a": 1}\n```'))
    assert (fenced.value, fenced.fenced, fenced.error) == ({"a": 1}, True, None)
    assert parsed(answered("no")).error


def test_prose_is_the_answer_without_its_code():
    """An unclosed fence runs to the end."""
    assert "x = 1" not in prose(answered("a\n```\nx = 1\n```\nb"))
    assert without_code("a\n```\nx = 1") == "a\n"


def test_a_limit_is_known_in_any_case():
    """MAX_TOKENS is max_tokens."""
    assert cut_short(answered("x", finish_reasons=["MAX_TOKENS"])) == "MAX_TOKENS"
    assert cut_short(answered("x")) is None
