"""The tools a request offers, and the format it wants."""

from __future__ import annotations

from scoring.wanted import AnswerFormat, answer_format, tools


def test_tools_and_whether_they_are_all():
    """Server-side tools may bring others."""
    function = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    assert tools({"tools": [function]}) == ((("find", {"type": "object"}, False),), True)
    assert tools({"tools": [function, {"type": "web_search"}]})[1] is False
    assert tools({"tools": [{"googleSearch": {}}]}) == ((), False)
    assert tools({}) == ((), False)


def test_the_format_asked_for():
    """None for free text; a schema where there is one."""
    assert answer_format({"response_format": {"type": "text"}}) is None
    assert answer_format({"text": {"verbosity": "low"}}) is None
    assert answer_format({"response_format": {"type": "json_object"}}) == AnswerFormat(None)
    assert answer_format({"generationConfig": {"responseSchema": {"type": "OBJECT"}}}) == AnswerFormat({"type": "OBJECT"}, openapi=True)
    assert answer_format({"response_format": "mp3"}) is None
