"""What is measured of a task over many exchanges: each metric a pure function of scored items, weighted as they were sampled.

A metric whose ground is missing (no label, no relevance, no price) is None with the reason, and never 0; `n` says on how many items a
value rests. Rates here are raw: the estimates beside them carry the judge's error and the interval.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from scoring.checks.contract import Finding
from scoring.conversation import Document
from scoring.logged import LoggedExchange

BINS: Final = 10
"""Of the calibration error: with fewer items a bin than some tens it says little, with any number of bins."""


@dataclass(frozen=True, slots=True)
class Item:
    """One scored unit: an exchange, or a trace with its last exchange. None = nobody said."""

    exchange: LoggedExchange
    findings: Mapping[str, Finding] = field(default_factory=dict)  # by check
    verdicts: Mapping[str, bool] = field(default_factory=dict)  # by rubric item; True = good
    passed: bool | None = None  # the whole: a person's label where there is one, else the judge's verdict
    given: str | None = None  # the label that the answer gives
    expected: str | None = None  # the label that a person gave
    confidence: float | None = None  # of the answer in its label, 0 to 1
    should_refuse: bool | None = None
    steps: Sequence[bool] = ()  # of a trace: whether each step failed no validated check
    cost_usd: float | None = None  # of the whole unit
    weight: float = 1.0  # 1 / inclusion probability


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure."""

    name: str
    value: float | None
    n: int  # items it rests on
    note: str = ""  # why there is no value, or what was left out


def measure(names: Iterable[str], items: Sequence[Item], *, top: int = 10) -> list[Metric]:
    """The metrics of these names. Per-label figures of a classification come as `precision[label]` after the whole."""
    return [metric for name in names for metric in METRICS[name][0](name, items, top)]


def context_precision(documents: Sequence[Document]) -> float | None:
    """Mean of the precision at each relevant document's rank; None where none is ranked and known to be relevant.

    Source: average precision as information retrieval has it.
    """
    ranked = sorted((d for d in documents if d.rank is not None and d.relevance is not None), key=lambda d: d.rank or 0)
    hits, total = 0, 0.0
    for place, document in enumerate(ranked, 1):
        if document.relevance:
            hits += 1
            total += hits / place
    return total / hits if hits else (0.0 if ranked else None)


def recall_at(documents: Sequence[Document], top: int) -> float | None:
    """The share of relevant documents among the first `top`; those that were not retrieved have no rank.

    None: no relevant one is known, or none has a rank.
    """
    relevant = [document for document in documents if document.relevance]
    if not relevant or all(document.rank is None for document in documents):
        return None
    return sum(1 for document in relevant if document.rank is not None and document.rank <= top) / len(relevant)


def calibration_error(confidences: Sequence[float], right: Sequence[bool], weights: Sequence[float]) -> float | None:
    """Expected calibration error over equal bins; None without items. Source: Guo et al. 2017, section 2."""
    bins: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for confidence, hit, weight in zip(confidences, right, weights, strict=True):
        one = bins[min(BINS - 1, int(confidence * BINS))]
        one[0] += weight
        one[1] += weight * confidence
        one[2] += weight * hit
    total = sum(one[0] for one in bins.values())
    return sum(abs(one[1] - one[2]) for one in bins.values()) / total if total else None


def _mean(name: str, values: Sequence[tuple[float, float]], without: str) -> list[Metric]:
    """The weighted mean of (value, weight)."""
    total = math.fsum(weight for _, weight in values)
    if not total:
        return [Metric(name, None, 0, without)]
    return [Metric(name, math.fsum(value * weight for value, weight in values) / total, len(values))]


def _finding(check: str, *, score: bool) -> Callable[[str, Sequence[Item], int], list[Metric]]:
    def metric(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
        values = []
        for item in items:
            found = item.findings.get(check)
            if found is not None and found.passed is not None:
                value = found.score if score and found.score is not None else float(found.passed)
                values.append((value, item.weight))
        return _mean(name, values, f"the check {check} applied to no item")

    return metric


def _verdict(item_id: str) -> Callable[[str, Sequence[Item], int], list[Metric]]:
    def metric(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
        values = [(float(item.verdicts[item_id]), item.weight) for item in items if item_id in item.verdicts]
        return _mean(name, values, f"no judge answered the rubric's {item_id}")

    return metric


def _passed(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
    return _mean(name, [(float(item.passed), item.weight) for item in items if item.passed is not None], "no item has a verdict or label")


def _steps(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
    values = [(float(step), item.weight) for item in items for step in item.steps]
    return _mean(name, values, "no item is a trace of steps")


def _documents(score: Callable[[Sequence[Document], int], float | None]) -> Callable[[str, Sequence[Item], int], list[Metric]]:
    def metric(name: str, items: Sequence[Item], top: int) -> list[Metric]:
        scored = [(score(item.exchange.contexts, top), item.weight) for item in items]
        return _mean(name, [(value, weight) for value, weight in scored if value is not None], "no relevance was reported to /api/context")

    return metric


def _refused(*, rightly: bool) -> Callable[[str, Sequence[Item], int], list[Metric]]:
    def metric(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
        values = []
        for item in items:
            found = item.findings.get("refusal")
            if item.should_refuse is rightly and found is not None and found.passed is not None:
                refused = found.reason.startswith("refused")  # as scoring/checks/refusal.py says it
                values.append((float(refused), item.weight))
        return _mean(name, values, f"no item is labelled as one to be {'refused' if rightly else 'answered'}")

    return metric


def _pairs(items: Sequence[Item]) -> list[tuple[str, str, float]]:
    """(given, expected, weight) of what has a label; an answer without one counts as wrong."""
    return [
        (_plain(item.given or ""), _plain(item.expected), item.weight)
        for item in items
        if item.expected is not None and item.expected.strip()
    ]


def _plain(label: str) -> str:
    return label.strip(" \t\n\"'`*.").casefold()


_NO_LABELS: Final = "no item has a label of a person"


def _accuracy(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
    return _mean(name, [(float(given == expected), weight) for given, expected, weight in _pairs(items)], _NO_LABELS)


def _a_label(part: str) -> Callable[[str, Sequence[Item], int], list[Metric]]:
    """Precision, recall or F1: the mean over labels, then each label's own."""

    def metric(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
        pairs = _pairs(items)
        if not pairs:
            return [Metric(name, None, 0, _NO_LABELS)]
        found: list[Metric] = []
        for label in sorted({expected for _, expected, _ in pairs}):
            hit = math.fsum(weight for given, expected, weight in pairs if given == expected == label)
            said = math.fsum(weight for given, _, weight in pairs if given == label)
            true = math.fsum(weight for _, expected, weight in pairs if expected == label)
            value = {
                "precision": hit / said if said else None,
                "recall": hit / true if true else None,
                "f1": 2 * hit / (said + true) if said + true else None,
            }[part]
            n = sum(1 for given, expected, _ in pairs if label in (given, expected))
            found.append(Metric(f"{name}[{label}]", value, n, "" if value is not None else "no answer gave this label"))
        known = [one.value for one in found if one.value is not None]
        note = "" if len(known) == len(found) else f"without {len(found) - len(known)} labels that no answer gave"
        return [Metric(name, math.fsum(known) / len(known) if known else None, len(pairs), note), *found]

    return metric


def _calibration(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
    sure = [item for item in items if item.confidence is not None and item.expected is not None]
    right = [_plain(item.given or "") == _plain(item.expected or "") for item in sure]
    value = calibration_error([item.confidence or 0.0 for item in sure], right, [item.weight for item in sure])
    return [Metric(name, value, len(sure), "" if sure else "no item has both a confidence and a label of a person")]


def _cost_per_success(name: str, items: Sequence[Item], _top: int) -> list[Metric]:
    told = [item for item in items if item.passed is not None]
    priced = [item for item in told if item.cost_usd is not None]
    successes = math.fsum(item.weight for item in priced if item.passed)
    if not successes:
        return [Metric(name, None, len(priced), "no item with a price succeeded" if told else "no item has a verdict or label")]
    cost = math.fsum((item.cost_usd or 0.0) * item.weight for item in priced)
    note = f"without {len(told) - len(priced)} items whose price is not known" if len(priced) < len(told) else ""
    return [Metric(name, cost / successes, len(priced), note)]


METRICS: Final[Mapping[str, tuple[Callable[[str, Sequence[Item], int], list[Metric]], str]]] = {
    "verdict_pass": (_passed, "Share of items that passed as a whole."),
    "groundedness": (_verdict("supported"), "Share of items whose claims the sources bear out (the rubric's `supported`)."),
    "citation_hit_rate": (_finding("citations", score=True), "Share of citations that point to a supplied document."),
    "context_precision": (
        _documents(lambda docs, _: context_precision(docs)),
        "How far up the relevant documents stood among the retrieved.",
    ),
    "recall_at_k": (_documents(recall_at), "Share of the relevant documents among the first `top` retrieved."),
    "refused_rightly": (_refused(rightly=True), "Share refused of what ought to be refused."),
    "refused_wrongly": (_refused(rightly=False), "Share refused of what ought to be answered."),
    "schema_validity": (_finding("json_schema", score=False), "Share of JSON answers that keep to their schema."),
    "label_validity": (_finding("label", score=False), "Share of answers that are one of the labels."),
    "accuracy": (_accuracy, "Share of labels that agree with a person's."),
    "precision": (_a_label("precision"), "Of the answers with a label, the share that are right: the mean over labels, and each."),
    "recall": (_a_label("recall"), "Of the items with a label, the share that was found: the mean over labels, and each."),
    "f1": (_a_label("f1"), "Harmonic mean of precision and recall: the mean over labels, and each."),
    "calibration": (_calibration, "Expected calibration error of the answers' stated confidence."),
    "tool_call_correctness": (_finding("tool_arguments", score=True), "Share of tool calls that keep to the tools' schemas."),
    "tool_success": (_finding("tool_errors", score=True), "Share of tool results that are no errors."),
    "step_success": (_steps, "Share of a trace's steps that fail no validated check."),
    "task_success": (_passed, "Share of traces that did their task."),
    "cost_per_success": (_cost_per_success, "Dollars spent on all items over the number that succeeded."),
}
"""All metrics by name: how each is measured, and what it says."""
