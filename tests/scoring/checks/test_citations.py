"""Citations of documents that were supplied, or were not."""

from __future__ import annotations

import pytest

from scoring.checks import citations
from scoring.conversation import Document
from tests.scoring.checks.made import answered, asked, finding, passed

TWO = asked("Context:\n[1] Gold is heavy and sinks.\n[2] Rivers slow at their bends.\n\nQuestion: where is gold?")
NAMED = asked('<documents><document id="faq-1">Gold is heavy.</document><document id="faq-2">Rivers slow.</document></documents> Where?')


@pytest.mark.parametrize("text", ["Behind boulders [1].", "At bends [1, 2].", "At bends [1-2]", "Both [^2] say", "So 【2†source】."])
def test_citations_that_exist_pass(text):
    """By number, in lists and ranges, in other brackets."""
    assert passed(citations, answered(text, TWO)) is True


@pytest.mark.parametrize("text", ["Behind boulders [3].", "At bends [1, 7].", "See [doc 9].", "So 【5†source】."])
def test_citations_of_what_was_not_supplied_fail(text):
    """The hit rate is the score."""
    found = finding(citations, answered(text, TWO))
    assert found is not None
    assert found.passed is False
    assert found.score is not None
    assert found.score < 1
    assert found.flags is citations.MEASURED.validated


def test_documents_are_known_by_their_ids():
    """As the request names them, or as they were reported beside the traffic."""
    assert passed(citations, answered("Heavy [source: faq-1].", NAMED)) is True
    assert passed(citations, answered("Heavy [source: faq-7].", NAMED)) is False
    beside = answered("Heavy [ref: d-1].", asked())
    beside = type(beside)(**{**{k: v for k, v in vars(beside).items() if not k.startswith("_")}, "contexts": (Document("d-1", "x"),)})
    assert passed(citations, beside) is True


def test_what_only_looks_like_a_citation_is_none():
    """Links, indexes, code."""
    for text in ("see [1](https://a.example)", "take a[3] of it", "```\nx = [9]\n```", "[9]: a footnote"):
        assert passed(citations, answered(text, TWO)) is None


def test_citing_can_be_a_duty():
    """`required` fails an answer that cites nothing, where there was something to cite."""
    assert passed(citations, answered("Behind boulders.", TWO), required=True) is False
    assert passed(citations, answered("Behind boulders."), required=True) is None


def test_it_does_not_apply():
    """No documents, or no citations."""
    assert passed(citations, answered("Behind boulders [1].")) is None
    assert passed(citations, answered("Behind boulders.", TWO)) is None
