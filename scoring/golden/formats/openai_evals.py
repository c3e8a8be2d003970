"""OpenAI's open-source evals: samples of messages and ideal answers as JSON lines. The hosted service is gone; the file form lives on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scoring.golden.case import BadCase, CaseCheck, GoldenCase
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Loss, Options


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """One sample a line; a case without an answer in text has none to give."""
    return json_rows.lines(_row(case) for case in cases if neutral.answer(case.expected) is not None)


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of samples. Raises BadCase."""
    return [_case(row, where) for row, where in json_rows.parsed(text, place)]


def _row(case: GoldenCase) -> dict[str, Any]:
    return {"input": neutral.chat(case), "ideal": neutral.answer(case.expected)}


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    item = row.get("item")
    if isinstance(item, dict) and "input" not in row:
        row = item  # a row of the former hosted service
    asked, context = neutral.asked_with(row.get("input"), place)
    ideal: Any = row.get("ideal")
    several = isinstance(ideal, list) and len(ideal) != 1
    if several and not all(isinstance(one, str) and one for one in ideal):
        raise BadCase(f"{place}: ideal is {ideal!r}: write one text, or a list of texts of which one must occur")
    checks = (CaseCheck(name="contains", options={"values": ideal, "need": "any"}),) if several and ideal else ()
    return neutral.made(
        place,
        input=asked,
        context=context,
        expected=None if several else neutral.expected_of(ideal[0] if isinstance(ideal, list) else ideal),
        checks=checks,
        tool="openai_evals",
    )


ALL_BUT_TEXT = tuple(
    Loss(name, "a sample has only input and ideal")
    for name in (
        *("version", "status", "critical", "slice", "split", "weight", "cluster", "tags", "owner", "unit", "context", "observed"),
        *("expected_source", "checks", "rubric", "source", "confirmation", "redaction", "metadata"),
        *("input.headers", "input.vars", "input.path", "input.method", "input.attachments", "id"),
    )
)
FORMAT = Format(
    "openai_evals",
    "Samples for the `Match`, `Includes` and `FuzzyMatch` evals of openai/evals.",
    ".jsonl",
    write,
    read,
    losses=(
        *ALL_BUT_TEXT,
        Loss("input.body", "only the messages: model, tools and parameters are left out, and other dialects become OpenAI's"),
        Loss("input.dialect", "every sample is in OpenAI's form"),
        Loss("input.operation", "every sample is a chat"),
        Loss("expected", "one text: JSON, labels and facts become text; a case that expects neither is left out of the file"),
    ),
)
