"""Answers that go in circles."""

from __future__ import annotations

import pytest

from scoring.checks import repetition
from tests.scoring.checks.made import PROSE, answered, asked, called, finding, passed


@pytest.mark.parametrize(
    "text",
    [
        PROSE + "and so on and on " * 40,
        "no " * 200,
        "The joke is the one that is not funny.\nA: I think the best " * 6,
        PROSE + "haha" * 100,
        PROSE + "This sentence is said again and again without need. Something else stands between, number 1. " * 4 + "end",
    ],
)
def test_loops_and_repeated_sentences_fail(text):
    """At the end, or spread over the answer."""
    assert passed(repetition, answered(text)) is False


@pytest.mark.parametrize(
    "text",
    [
        PROSE * 2,
        PROSE + "\n\n" + "-" * 200,
        "\n".join(f"| {n} | a row of a table like any other row | 0 |" for n in range(20)),
        PROSE + "\n```\n" + "    x = 1  # the same line of code in each of these cases\n" * 10 + "```\nand a last word of explanation.",
        "\n".join(f"{n}. Add {n} to the list of things that have to be done." for n in range(20)),
    ],
)
def test_prose_tables_lists_and_code_pass(text):
    """What repeats by right."""
    assert passed(repetition, answered(text)) is True


def test_an_earlier_answer_once_more_fails():
    """Word for word, in the same conversation."""
    request_ = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": PROSE}, {"role": "user", "content": "b"}]}
    assert passed(repetition, answered(PROSE, request_)) is False


def test_the_same_tool_call_too_often_fails():
    """An agent that turns in circles; other arguments are other calls."""
    earlier = [
        {"role": "assistant", "tool_calls": [{"id": str(n), "type": "function", "function": {"name": "find", "arguments": '{"q":1}'}}]}
        for n in range(3)
    ]
    request_ = {"messages": [{"role": "user", "content": "x"}, *earlier]}
    found = finding(repetition, answered(None, request_, calls=called("find", '{"q":1}')))
    assert found is not None
    assert found.passed is False
    assert "4th" in found.reason
    assert passed(repetition, answered(None, request_, calls=called("find", '{"q":2}'))) is None
    assert passed(repetition, answered(None, request_, calls=called("find", '{"q":1}')), same_call=5) is None


def test_it_does_not_apply():
    """Short answers, and what is no answer."""
    assert passed(repetition, answered("no no no")) is None
    assert passed(repetition, answered("no " * 200, asked(), operation="embeddings")) is None
