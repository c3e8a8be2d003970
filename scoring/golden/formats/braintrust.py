"""Braintrust: events of a dataset as JSON lines, as `Dataset.insert` and `POST /v1/dataset/{id}/insert` take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scoring.golden.case import GoldenCase
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """One event a line; the id makes a repeated insert an update."""
    return json_rows.lines(_row(case) for case in cases)


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of events, or of fetched records. Raises BadCase."""
    return [
        neutral.restored(
            {key: value for key, value in row.items() if key in _KEYS},  # a fetched record has keys of the server's own beside them
            neutral.own_of(row.get("metadata")),
            _row,
            _case,
            where,
        )
        for row, where in json_rows.parsed(text, place)
    ]


_KEYS = frozenset({"id", "input", "expected", "metadata", "tags"})


def _row(case: GoldenCase) -> dict[str, Any]:
    return {
        "id": case.id,
        "input": neutral.inputs(case),
        "expected": neutral.reference(case.expected),
        "metadata": neutral.carried(case),
        "tags": list(case.tags),
    }


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    asked, context = neutral.asked_with(row.get("input"), place)
    return neutral.made(
        place,
        input=asked,
        context=context,
        expected=neutral.expected_of(row.get("expected")),
        tags=tuple(str(tag) for tag in row.get("tags") or ()),
        metadata=neutral.facts_of(row.get("metadata")),
        tool="braintrust",
    )


FORMAT = Format(
    "braintrust",
    "Events for `init_dataset(…).insert(…)` or the insert endpoint.",
    ".jsonl",
    write,
    read,
    notes=(
        "Braintrust grades with scorers of your own: checks and rubric travel in metadata and are not run.",
        "`origin` stays empty: it must name an object of Braintrust, and the exchange lies in our log; metadata.exchange_id names it.",
    ),
)
