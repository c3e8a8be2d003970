"""Langfuse: dataset items as JSON lines, each the body of `POST /api/public/dataset-items` (API of Langfuse 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from scoring.golden.case import GoldenCase
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options

_TRACE: Final = re.compile(r"[0-9a-f]{32}")
_KEYS: Final = frozenset({"datasetName", "id", "input", "expectedOutput", "metadata", "sourceTraceId", "sourceObservationId", "status"})


def write(cases: Sequence[GoldenCase], options: Options) -> str:
    """One item a line; the id makes a repeated post an update."""
    return json_rows.lines(_row(case, options.name) for case in cases)


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of items, posted or fetched. Raises BadCase."""
    found = []
    for row, where in json_rows.parsed(text, place):
        name = row.get("datasetName") or "golden"
        item = {key: value for key, value in row.items() if key in _KEYS and value is not None} | {"datasetName": name}
        own = neutral.own_of(row.get("metadata"))
        found.append(neutral.restored(item, own, lambda case, name=name: _row(case, name), _case, where))  # type: ignore[misc]
    return found


def _row(case: GoldenCase, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "datasetName": name,
        "id": case.id,
        "input": neutral.inputs(case),
        "expectedOutput": neutral.reference(case.expected),
        "metadata": neutral.carried(case),
        "sourceTraceId": case.source.trace_id if _TRACE.fullmatch(case.source.trace_id or "") else None,
        "status": "ARCHIVED" if case.status == "retired" else "ACTIVE",
    }
    return {key: value for key, value in row.items() if value is not None}


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    asked, context = neutral.asked_with(row.get("input"), place)
    return neutral.made(
        place,
        input=asked,
        context=context,
        expected=neutral.expected_of(row.get("expectedOutput")),
        metadata=neutral.facts_of(row.get("metadata")),
        tool="langfuse",
        status="retired" if row.get("status") == "ARCHIVED" else "candidate",
    )


FORMAT = Format(
    "langfuse",
    "Items for `POST /api/public/dataset-items`, or `Langfuse().create_dataset_item(…)` with its names in snake case.",
    ".jsonl",
    write,
    read,
    notes=(
        "An item's id is unique in a project, not in a dataset: the same case cannot be in two datasets of one project.",
        "sourceTraceId is given where the app sent a W3C trace id, which Langfuse's tracing shares; metadata.exchange_id names the row.",
        "Checks and rubric travel in metadata and are not run.",
    ),
)
