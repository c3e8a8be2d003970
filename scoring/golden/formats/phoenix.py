"""Phoenix: one upload of parallel arrays, the body of `POST /v1/datasets/upload` (Phoenix client 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from scoring.golden.case import BadCase, GoldenCase
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options

_SPAN: Final = re.compile(r"[0-9a-f]{16}")
_ARRAYS: Final = {
    "inputs": "input",
    "outputs": "output",
    "metadata": "metadata",
    "splits": "split",
    "span_ids": "span",
    "example_ids": "id",
}


def write(cases: Sequence[GoldenCase], options: Options) -> str:
    """One upload of all cases."""
    rows = [_row(case) for case in cases]
    arrays = {name: [row[key] for row in rows] for name, key in _ARRAYS.items()}
    if not any(arrays["span_ids"]):
        del arrays["span_ids"]
    return json_rows.document({"action": "update", "name": options.name, "description": "golden cases of goldwash", **arrays})


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of an upload, or of downloaded examples ({input, output, metadata} a line). Raises BadCase."""
    value = neutral.parsed(text)
    if isinstance(value, dict) and isinstance(value.get("inputs"), list):
        rows = _rows(value, place)
    else:
        rows = [({**_EMPTY, **{key: row[key] for key in _EMPTY if key in row}}, where) for row, where in json_rows.parsed(text, place)]
    return [neutral.restored(row, neutral.own_of(row.get("metadata")), _row, _case, where) for row, where in rows]


_EMPTY: Final[dict[str, Any]] = {"input": {}, "output": {}, "metadata": {}, "split": None, "span": None, "id": None}


def _rows(value: dict[str, Any], place: str) -> list[tuple[dict[str, Any], str]]:
    n = len(value["inputs"])
    arrays: dict[str, list[Any]] = {}
    for name, key in _ARRAYS.items():
        given = value.get(name)
        if given is not None and (not isinstance(given, list) or len(given) != n):
            raise BadCase(f"{place}: {name} must be a list as long as inputs ({n})")
        arrays[key] = given if given is not None else [_EMPTY[key]] * n
    return [({key: arrays[key][number] for key in arrays}, f"{place}: row {number + 1}") for number in range(n)]


def _row(case: GoldenCase) -> dict[str, Any]:
    span = case.source.span_id or ""
    return {
        "input": neutral.inputs(case),
        "output": neutral.reference(case.expected) or {},
        "metadata": neutral.carried(case),
        "split": case.split,
        "span": span if _SPAN.fullmatch(span) else None,
        "id": case.id,
    }


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    asked, context = neutral.asked_with(row.get("input"), place)
    return neutral.made(
        place,
        input=asked,
        context=context,
        expected=neutral.expected_of(row.get("output")),
        split=neutral.split_of(row.get("split")),
        metadata=neutral.facts_of(row.get("metadata")),
        tool="phoenix",
    )


FORMAT = Format(
    "phoenix",
    "The JSON body of `POST /v1/datasets/upload`; sent again it updates the examples of the same ids.",
    ".json",
    write,
    read,
    notes=("Phoenix grades with evaluators of your own: checks and rubric travel in metadata and are not run.",),
)
