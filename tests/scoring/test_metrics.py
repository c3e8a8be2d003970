"""Metrics over scored items, by hand-worked figures."""

from __future__ import annotations

import pytest

from scoring.checks.contract import Finding
from scoring.conversation import Document
from scoring.logged import LoggedExchange
from scoring.metrics import METRICS, Item, calibration_error, context_precision, measure, recall_at

NOTHING = LoggedExchange(exchange_id="x")


def _one(name, items, **options):
    return measure([name], items, **options)[0]


def _labelled(*pairs):
    return [Item(NOTHING, given=given, expected=expected) for given, expected in pairs]


def _docs(*ranks_and_relevance):
    return [Document(str(n), "x", rank=rank, relevance=relevance) for n, (rank, relevance) in enumerate(ranks_and_relevance)]


@pytest.mark.parametrize("name", METRICS)
def test_without_ground_there_is_no_value_but_a_reason(name):
    """Never nought."""
    for items in ([], [Item(NOTHING)]):
        metric = _one(name, items)
        assert metric.value is None
        assert metric.note


def test_classification():
    """Three of four right; precision, recall and F1 a label and their means."""
    items = _labelled(("a", "a"), ("A.", "a"), ("a", "b"), ("b", "b"))
    assert _one("accuracy", items).value == 0.75
    precision = {metric.name: metric.value for metric in measure(["precision"], items)}
    assert precision == {"precision": pytest.approx((2 / 3 + 1) / 2), "precision[a]": pytest.approx(2 / 3), "precision[b]": 1.0}
    recall = {metric.name: metric.value for metric in measure(["recall"], items)}
    assert recall == {"recall": 0.75, "recall[a]": 1.0, "recall[b]": 0.5}
    f1 = {metric.name: metric.value for metric in measure(["f1"], items)}
    assert f1["f1[a]"] == pytest.approx(0.8)
    assert f1["f1[b]"] == pytest.approx(2 / 3)


def test_a_label_that_no_answer_gave_has_no_precision_and_a_recall_of_nought():
    """Unknown and nought are two things."""
    items = _labelled(("a", "a"), ("a", "b"), (None, "b"))
    precision = {metric.name: metric for metric in measure(["precision"], items)}
    assert precision["precision[b]"].value is None
    assert "1 labels" in precision["precision"].note
    assert {metric.name: metric.value for metric in measure(["recall"], items)}["recall[b]"] == 0.0


def test_weights_count():
    """An item sampled with probability 1/9 stands for nine."""
    items = [Item(NOTHING, passed=True, weight=9.0), Item(NOTHING, passed=False)]
    assert _one("verdict_pass", items).value == 0.9


def test_calibration():
    """Surely right is well calibrated, surely wrong is not."""
    assert calibration_error([1.0, 1.0], [True, True], [1, 1]) == 0.0
    assert calibration_error([0.95, 0.95, 0.15], [True, False, False], [1, 1, 1]) == pytest.approx((2 * 0.45 + 0.15) / 3)
    items = [Item(NOTHING, given="a", expected="b", confidence=1.0)]
    assert _one("calibration", items).value == 1.0


def test_retrieval():
    """Average precision over ranks, and the share of relevant documents that were retrieved."""
    assert context_precision(_docs((1, 1.0), (2, 0.0), (3, 1.0))) == pytest.approx((1 + 2 / 3) / 2)
    assert context_precision(_docs((1, 0.0))) == 0.0
    assert context_precision(_docs((1, None))) is None
    missed = _docs((1, 1.0), (12, 1.0), (None, 1.0), (2, 0.0))
    assert recall_at(missed, 10) == pytest.approx(1 / 3)
    assert recall_at(missed, 20) == pytest.approx(2 / 3)
    assert recall_at(_docs((1, 0.0)), 5) is None
    assert recall_at(_docs((None, 1.0)), 5) is None
    item = Item(LoggedExchange(exchange_id="x", contexts=tuple(missed)))
    assert _one("recall_at_k", [item], top=20).value == pytest.approx(2 / 3)
    assert _one("context_precision", [item]).n == 1


def test_groundedness_and_citations():
    """From the judge's item and from the check's score."""
    items = [
        Item(NOTHING, verdicts={"supported": True}, findings={"citations": Finding(False, "x", score=0.5)}),
        Item(NOTHING, verdicts={"supported": False}, findings={"citations": Finding(None, "unscored")}),
    ]
    assert _one("groundedness", items).value == 0.5
    metric = _one("citation_hit_rate", items)
    assert (metric.value, metric.n) == (0.5, 1)


def test_refusals_both_ways():
    """Of what ought to be refused, and of what ought not."""
    refused, answered = Finding(False, "refused in words"), Finding(True, "not refused")
    rightly, wrongly = Finding(True, "refused by the provider's own mark (SAFETY)"), Finding(False, "answered what was to be refused")
    items = [
        Item(NOTHING, {"refusal": rightly}, should_refuse=True),
        Item(NOTHING, {"refusal": wrongly}, should_refuse=True),
        Item(NOTHING, {"refusal": refused}, should_refuse=False),
        Item(NOTHING, {"refusal": answered}, should_refuse=False),
        Item(NOTHING, {"refusal": answered}, should_refuse=False),
        Item(NOTHING, {"refusal": answered}),
    ]
    assert _one("refused_rightly", items).value == 0.5
    assert _one("refused_wrongly", items).value == pytest.approx(1 / 3)


def test_agents():
    """Steps, tools and the whole task."""
    tools = {"tool_arguments": Finding(False, "x", score=0.5), "tool_errors": Finding(True, "x", score=1.0)}
    items = [Item(NOTHING, tools, passed=True, steps=(True, True, False)), Item(NOTHING, passed=False, steps=(True,))]
    assert _one("tool_call_correctness", items).value == 0.5
    assert _one("tool_success", items).value == 1.0
    assert _one("step_success", items).value == 0.75
    assert _one("task_success", items).value == 0.5


def test_cost_per_success():
    """All that was spent over what succeeded; an unknown price is left out and said."""
    items = [Item(NOTHING, passed=True, cost_usd=1.0), Item(NOTHING, passed=False, cost_usd=2.0), Item(NOTHING, passed=True)]
    metric = _one("cost_per_success", items)
    assert metric.value == 3.0
    assert "1 items" in metric.note
    assert _one("cost_per_success", [Item(NOTHING, passed=False, cost_usd=2.0)]).value is None
