"""Retrieval measures against values worked out by hand, and what becomes of targets that retrieve nothing."""

from __future__ import annotations

import math

import pytest

from scoring.gate.evaluators import evaluate
from scoring.gate.evaluators.retrieval import measures, ranked
from scoring.golden.case import Document
from tests.scoring.gate.evaluators.made import case, reply


@pytest.mark.parametrize(
    ("found", "wanted", "k", "expected"),
    [
        (["a", "b"], ["a", "b"], 0, (1.0, 1.0, 1.0, 1.0)),
        (["x", "a"], ["a", "b"], 0, (0.5, 0.5, 0.5, (1 / math.log2(3)) / (1 + 1 / math.log2(3)))),
        (["x", "a", "b"], ["a", "b"], 2, (0.5, 0.5, 0.5, (1 / math.log2(3)) / (1 + 1 / math.log2(3)))),
        (["x", "y"], ["a"], 0, (0.0, 0.0, 0.0, 0.0)),
        ([], ["a"], 0, (0.0, 0.0, 0.0, 0.0)),
        (["a"], ["a", "b", "c"], 1, (1 / 3, 1.0, 1.0, 1.0)),
    ],
)
def test_measures(found, wanted, k, expected):
    """Recall, precision, reciprocal rank and nDCG as the textbook defines them."""
    assert tuple(measures(found, wanted, k).values()) == pytest.approx(expected)


def test_ranks_count_before_the_order_of_arrival():
    """Documents that came without a rank keep their place; one id counts once; one without id is nobody's."""
    documents = [Document(id="b", rank=2), Document(id="a", rank=1), Document(id="a", rank=3), Document(text="no id")]
    assert ranked(documents)[:2] == ("a", "b")
    assert len(ranked(documents)) == 3


async def test_recall_is_asked_where_the_case_names_no_measure():
    """Every expected document must come back; what is missing is named, and all measures stand in the detail."""
    wanted = case(expected={"retrieved_ids": ["refunds", "terms"]})
    found = await evaluate(wanted, reply("x", found=("terms", "spam")))
    assert found.passed is False
    assert "missing: refunds" in found.reason
    assert found.grades[0].detail["precision"] == 0.5
    assert found.grades[0].evidence == "terms, spam"
    assert (await evaluate(wanted, reply("x", found=("spam", "terms", "refunds")))).passed is True


async def test_the_check_sets_measures_and_depth():
    """With k the late document does not count; with a least reciprocal rank the first place does."""
    early = case(checks=[{"name": "retrieval", "options": {"k": 1, "mrr": 1.0}}], expected={"retrieved_ids": ["a", "b"]})
    assert (await evaluate(early, reply("x", found=("a", "z", "b")))).passed is True
    late = await evaluate(early, reply("x", found=("z", "a", "b")))
    assert late.passed is False
    assert "mrr 0 of 1 asked" in late.reason


async def test_nothing_retrieved_is_a_failure_and_nothing_said_is_not_measured():
    """A target that gives an empty context back has failed; one that speaks of none cannot be measured."""
    wanted = case(expected={"retrieved_ids": ["a"]})
    empty = await evaluate(wanted, reply("x", raw='{"text": "x", "context": []}'))
    assert empty.passed is False
    silent = await evaluate(wanted, reply("x", raw='{"text": "x"}'))
    assert silent.passed is None
    assert "context" in (silent.error or "")
