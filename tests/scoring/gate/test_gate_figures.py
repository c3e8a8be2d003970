"""Figures of a set against values worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from scoring.gate.figures import figures, in_words
from scoring.gate.results import Result, Results


def rows(name: str, details: list[dict[str, Any]], **more: Any) -> list[Result]:
    """A run a detail."""
    return [
        Result(f"{name}{number}", 1, True, extra={"grades": [{"name": name, "passed": True, "detail": detail}]}, **more)
        for number, detail in enumerate(details)
    ]


def test_labels():
    """Precision, recall and F1 a label, their mean, and accuracy; an answer that is no label counts against recall alone."""
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", ""), ("c", "a")]
    found = figures(Results(tuple(rows("expected.label", [{"expected": one, "given": other} for one, other in pairs]))))
    assert found.accuracy == pytest.approx(3 / 6)
    by_label = {one.label: one for one in found.labels}
    assert (by_label["a"].precision, by_label["a"].recall, by_label["a"].f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (by_label["b"].precision, by_label["b"].recall, by_label["b"].f1) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert (by_label["c"].precision, by_label["c"].recall, by_label["c"].f1) == (None, 0.0, 0.0)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_retrieval_and_refusals():
    """Means of the measures; refusals counted both ways."""
    measured = [{"recall": 1.0, "precision": 0.5, "mrr": 1.0, "ndcg": 1.0}, {"recall": 0.0, "precision": 0.0, "mrr": 0.0, "ndcg": 0.0}]
    refused = [{"expected": True, "refused": False}, {"expected": False, "refused": True}, {"expected": False, "refused": False}]
    found = figures(Results((*rows("expected.retrieved_ids", measured), *rows("expected.refusal", refused))))
    assert found.retrieval == {"recall": 0.5, "precision": 0.25, "mrr": 0.5, "ndcg": 0.5}
    assert (found.over_refused, found.under_refused) == ((1, 2), (1, 1))
    said = dict(in_words(found))
    assert said["retrieval"] == "recall 0.50, precision 0.25, MRR 0.50, nDCG 0.50 (2 runs)"
    assert said["answered, and should refuse"] == "1 of 1 runs"


def test_what_counts_for_nothing_and_files_without_grades():
    """Candidates are left out; a file of somebody else's has no figures, and says none."""
    candidates = rows("expected.label", [{"expected": "a", "given": "b"}], status="candidate")
    found = figures(Results((*candidates, Result("x", 1, True), Result("y", 1, True, extra={"grades": "?"}))))
    assert found.accuracy is None
    assert in_words(found) == []
