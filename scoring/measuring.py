"""Gathers the scored items of a day as the metrics of each task take them: exchange, findings, verdicts, people's labels, cost, weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import orjson

from proxy.service.client import Access
from scoring.checks import run
from scoring.checks.answers import parsed
from scoring.checks.contract import Finding
from scoring.checks.label import answered
from scoring.logged import LoggedExchange
from scoring.metrics import Item, Metric, measure
from scoring.pages import BETWEEN, Window, among, by_id, of_traces, paged, rows
from scoring.pages import day as day_of
from scoring.tasks import Task, Tasks

MOST: Final = 2_000
"""Items of a task that are measured: the first by hash, which are a random part."""
PAGE: Final = 200
CONFIDENCE: Final = "confidence"
"""Field of a JSON answer in which a classifier says how sure it is."""


def measured(access: Access, day: date, tasks: Tasks) -> dict[str, list[Metric]]:
    """The metrics of each task that has items on a day. Raises ServiceError."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    sql = """
        SELECT sha256(item) AS place, item, exchange_id::VARCHAR AS id, trace_id, task, passed, inclusion_probability AS p FROM score_ledger
        WHERE day = CAST($day AS DATE) AND inclusion_probability IS NOT NULL"""
    for row in paged(access, sql, "place", {"day": day.isoformat()}):
        of_task = by_task.setdefault(row["task"] or "", [])
        if len(of_task) < MOST:
            of_task.append(row)
    found: dict[str, list[Metric]] = {}
    for task in tasks.tasks:
        if task.name in by_task and task.metrics:
            found[task.name] = measure(task.metrics, _items(access, day_of(day), task, by_task[task.name]), top=task.top)
    return found


def _items(access: Access, span: Window, task: Task, drawn: Sequence[Mapping[str, Any]]) -> list[Item]:
    in_time = sorted(drawn, key=lambda row: str(row["id"]))
    return [item for start in range(0, len(in_time), PAGE) for item in _page(access, span, task, in_time[start : start + PAGE])]


def _page(access: Access, span: Window, task: Task, drawn: Sequence[Mapping[str, Any]]) -> list[Item]:
    ids = [row["id"] for row in drawn]
    traced = [row["trace_id"] for row in drawn if row["trace_id"]]
    steps = of_traces(access, Window(span.start, span.end + (span.end - span.start)), traced) if traced else {}
    alone = by_id(access, [row["id"] for row in drawn if not row["trace_id"]])
    verdicts, labels = _verdicts(access, ids), _labels(access, ids)
    found = []
    for row in drawn:
        whole = steps.get(row["trace_id"], []) if row["trace_id"] else [alone[row["id"]]] if row["id"] in alone else []
        if whole:
            found.append(_item(task, row, whole, verdicts.get(row["id"], {}), labels.get(row["id"], {})))
    return found


def _item(
    task: Task, row: Mapping[str, Any], whole: Sequence[LoggedExchange], verdicts: Mapping[str, bool], label: Mapping[str, Any]
) -> Item:
    last = whole[-1]
    found = [{result.name: result.finding for result in run(step, task.checks)} for step in whole]
    expected = _expected(label.get("expected"))
    costs = [step.cost_usd for step in whole]
    return Item(
        exchange=last,
        findings=found[-1],
        verdicts=verdicts,
        passed=label.get("passed") if label.get("passed") is not None else row["passed"],
        given=answered(last, task.label_field),
        expected=expected.get("label"),
        confidence=_confidence(last),
        should_refuse=expected.get("refusal"),
        steps=[not _flags(one) for one in found] if row["trace_id"] else (),
        cost_usd=None if any(cost is None for cost in costs) else float(sum(cost for cost in costs if cost is not None)),
        weight=1 / row["p"],
    )


def _flags(findings: Mapping[str, Finding]) -> bool:
    return any(finding.flags for finding in findings.values())


def _verdicts(access: Access, ids: Sequence[str]) -> dict[str, dict[str, bool]]:
    """What the first judge said to each question, by exchange and question."""
    found: dict[str, dict[str, bool]] = {}
    for row in rows(
        access,
        "SELECT exchange_id::VARCHAR AS id, name, passed FROM scores WHERE kind = 'judge_item' AND passed IS NOT NULL "  # noqa: S608
        f"AND {BETWEEN.format('')} AND exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) ORDER BY created_at",
        among(ids),
    ):
        found.setdefault(row["id"], {})[row["name"].partition(".")[2]] = row["passed"]
    return found


def _labels(access: Access, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The newest label of a whole answer, by exchange."""
    found = rows(
        access,
        "SELECT exchange_id::VARCHAR AS id, arg_max(passed, created_at) AS passed, "
        "arg_max(CAST(expected AS VARCHAR), created_at) AS expected FROM labels "
        "WHERE exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) GROUP BY exchange_id",
        {"ids": list(ids)},
    )
    return {row["id"]: row for row in found}


def _expected(value: Any) -> dict[str, Any]:
    try:
        found = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _confidence(exchange: LoggedExchange) -> float | None:
    value = exchange.once(parsed).value
    said = value.get(CONFIDENCE) if isinstance(value, dict) else None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= 100:
        return None
    return float(said) / 100 if said > 1 else float(said)
