"""What models wrote can neither leave its place in a report nor do anything there."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.gate.reports import escaping as safe

ANY = st.text(st.characters(codec=None), max_size=300) | st.text("`<>&@#\n\r\t:%|*_[]()!\\$\x1b\u202e\x00-w. /sd1", max_size=200)


@given(ANY)
def test_nothing_is_hidden(text):
    """No control character, no mark that turns text round, no half surrogate is left; line ends and tabs are."""
    shown = safe.visible(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ud800-\udfff]", shown)
    shown.encode()


@given(ANY)
def test_a_fence_holds_whatever_is_in_it(text):
    """No line within closes the block: its fence is longer than any run of backticks."""
    first, *inside, last = safe.fenced(text, 1000).split("\n")
    assert first == last
    assert set(first) == {"`"}
    assert not any(line.strip().startswith(first) for line in inside)


@given(ANY)
def test_a_code_span_is_one_span_in_a_table(text):
    """It has no cell mark and no line end, and its ticks are longer than any within."""
    span = safe.code(text)
    assert "|" not in span
    assert "\n" not in span
    ticks = re.match("`+", span)
    assert ticks is not None
    assert span.endswith(ticks[0])
    assert ticks[0] not in span[len(ticks[0]) : -len(ticks[0])]


@pytest.mark.parametrize("show", [safe.markdown, safe.html])
@given(text=ANY)
def test_words_hold_no_tag_mention_reference_or_address(show, text):
    """GitHub would notify people, link issues and fetch pictures."""
    shown = show(text, 400)
    assert not re.search(r"(?<!\\)<(?!/?\\)", shown)
    assert not re.search(r"@\w|#\d|://|www\.", shown.replace("&#8203;", "\u200b"))
    assert "\n" not in shown


@given(ANY)
def test_markdown_marks_are_words(text):
    """Each mark has its backslash, so that there is no emphasis, link, picture, code or table cell."""
    shown = re.sub(r"\\[\\`*_\[\]<>|~$]", "", safe.markdown(text, 400))
    assert not re.search(r"[`*\[\]<>|~]", shown)


@given(ANY)
def test_xml_can_be_read_again(text):
    """Any text is the text and the attribute of an element that a parser takes."""
    element = ET.Element("a", b=safe.xml(text))
    element.text = safe.xml(text)
    ET.fromstring(ET.tostring(element, encoding="unicode"))


@given(ANY)
def test_a_workflow_command_stays_one_line(text):
    """The runner sees one command, with the properties that we gave it."""
    line = f"::error file={safe.command_property(text)},line=1::{safe.command(text)}"
    assert len(line.splitlines()) == 1
    properties = line.removeprefix("::error ").partition("::")[0]
    assert properties.count(",") == 1
    assert properties.count(":") == 0
    assert "##[" not in line


@pytest.mark.parametrize("order", ["\n::set-env name=PATH::/tmp", "##[add-mask]x", "\r::stop-commands::x", "\x1b]0;title\x07"])
def test_a_log_line_gives_no_order(order):
    """What the runner or the terminal would obey is broken up or written out."""
    shown = safe.for_log(f"hello{order}")
    assert len(shown.splitlines()) == 1
    assert "##[" not in shown
    assert "\x1b" not in shown
    assert not shown.startswith("::")
