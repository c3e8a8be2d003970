"""Documents that stand in the text of a request."""

from __future__ import annotations

import time

import pytest

from scoring.conversation import messages
from scoring.marked import documents


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<context>Gold.</context> Where?", [(None, "Gold.")]),
        ('<documents><document index="1">A</document><document index="2">B</document></documents>', [("1", "A"), ("2", "B")]),
        ('<doc id="x-7">A</doc> and <doc id=x-8>B</doc>', [("x-7", "A"), ("x-8", "B")]),
        ("Context:\n[1] Gold is heavy.\n[2] Rivers slow.\n\nQuestion: where?", [("1", "Gold is heavy."), ("2", "Rivers slow.")]),
        ("## Context:\nGold is heavy and it sinks.\n\n## Question: where?", [(None, "Gold is heavy and it sinks.")]),
        ("Explain the word context: what is it?", []),
        ("a < b and <context> is a tag", []),
    ],
)
def test_documents_marked_in_text(text, found):
    """By tags, by a heading, numbered or whole."""
    said = messages({"messages": [{"role": "user", "content": text}]})
    assert [(document.document_id, document.text) for document in documents(said)] == found


def test_unclosed_tags_take_no_long_time():
    """One pass, however many there are."""
    for text in ("<context>" * 30_000, "<doc><source><passage>" * 10_000, "Context:\n" + "\n[1 " * 50_000, "\n" * 200_000 + "Context:"):
        said = messages({"messages": [{"role": "user", "content": text}]})
        start = time.process_time()
        documents(said)
        assert time.process_time() - start < 1
