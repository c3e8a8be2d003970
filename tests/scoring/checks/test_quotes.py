"""Quotes that stand in a source, or in none."""

from __future__ import annotations

import pytest

from scoring.checks import quotes
from scoring.checks.quotes import quotes_in
from tests.scoring.checks.made import answered, asked, finding, passed

SOURCE = asked("<context>Gold is heavy, and it sinks where\nthe river slows: behind “old” boulders.</context> Where is it?")


@pytest.mark.parametrize(
    "text",
    [
        'It says: "it sinks where the river slows".',
        "It says: “Gold is heavy, and it sinks” there.",
        'It says: «it sinks where … behind "old" boulders».',
        "As the text has it:\n> Gold is heavy, and it sinks where the river slows",
        "It says: “Gold is **heavy**, and it sinks where the river slows”",
    ],
)
def test_quotes_from_the_source_pass(text):
    """White space, case, emphasis and the form of marks do not matter; an ellipsis stands for anything."""
    assert passed(quotes, answered(text, SOURCE)) is True


def test_an_invented_quote_fails():
    """With the share that was found."""
    found = finding(quotes, answered('It says "gold floats on top of the water" and "it sinks where the river slows".', SOURCE))
    assert found is not None
    assert found.passed is False
    assert found.score == 0.5
    assert found.evidence == "gold floats on top of the water"
    assert found.flags is quotes.MEASURED.validated


def test_it_does_not_apply():
    """No source, no quotes, short ones, code, and sources that are not all text."""
    assert passed(quotes, answered('It says "gold floats on top of the water".')) is None
    assert passed(quotes, answered("It sinks.", SOURCE)) is None
    assert passed(quotes, answered('The word "heavy".', SOURCE)) is None
    assert passed(quotes, answered('```\nx = "gold floats on top of the water"\n```', SOURCE)) is None
    image = {"type": "image_url", "image_url": {"url": "data:x"}}
    attached = {"messages": [*SOURCE["messages"], {"role": "user", "content": [image]}]}
    assert passed(quotes, answered('It says "gold floats on top of the water".', attached)) is None


def test_an_odd_mark_does_not_turn_a_line_inside_out():
    """A lone inch mark is no quotation."""
    assert quotes_in('a 5" pipe that is long enough to be taken for something') == []
