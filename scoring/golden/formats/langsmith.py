"""LangSmith: examples as JSON lines, as its SDK's `create_examples` and its JSONL upload take them (langsmith 0.14 schemas)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scoring.golden.case import GoldenCase
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """One example a line."""
    return json_rows.lines(_row(case) for case in cases)


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of examples. Raises BadCase."""
    return [neutral.restored(row, neutral.own_of(row.get("metadata")), _row, _case, where) for row, where in json_rows.parsed(text, place)]


def _row(case: GoldenCase) -> dict[str, Any]:
    return {
        "id": neutral.uuid_of(case),
        "inputs": neutral.inputs(case),
        "outputs": neutral.reference(case.expected),
        "metadata": neutral.carried(case),
        "split": case.split,
    }


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    asked, context = neutral.asked_with(row.get("inputs"), place)
    splits = row.get("split")
    return neutral.made(
        place,
        input=asked,
        context=context,
        expected=neutral.expected_of(row.get("outputs")),
        split=neutral.split_of(splits[0] if isinstance(splits, list) and splits else splits),
        metadata=neutral.facts_of(row.get("metadata")),
        tool="langsmith",
    )


FORMAT = Format(
    "langsmith",
    "Examples for `Client.create_examples(dataset_id, examples=…)` or the JSONL upload.",
    ".jsonl",
    write,
    read,
    notes=("LangSmith grades with evaluators of your own: checks and rubric travel in metadata and are not run.",),
)
