"""DeepEval: goldens in one JSON list, as `EvaluationDataset.add_goldens_from_json_file` takes them (DeepEval 4).

The loader reads snake_case; what its platform sends has camelCase, which is read too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from scoring.golden.case import Call, Expected, GoldenCase, Observed, canonical
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options

_SNAKE: Final = re.compile(r"(?<=[a-z])([A-Z])")


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """One list of goldens."""
    return json_rows.document([_row(case) for case in cases])


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of goldens. Raises BadCase."""
    found = []
    for row, where in json_rows.parsed(text, place):
        snake = {_SNAKE.sub(r"_\1", key).lower(): value for key, value in row.items() if value is not None}
        found.append(neutral.restored(snake, neutral.own_of(snake.get("additional_metadata")), _row, _case, where))
    return found


def _row(case: GoldenCase) -> dict[str, Any]:
    observed, expected = case.observed, case.expected
    row: dict[str, Any] = {
        "input": case.question or canonical(neutral.inputs(case)),
        "actual_output": observed.text if observed else None,
        "expected_output": neutral.answer(expected),
        "context": neutral.texts(case) or None,
        "retrieval_context": neutral.texts(case) or None,
        "tools_called": [_tool(call) for call in observed.tool_calls] if observed and observed.tool_calls else None,
        "expected_tools": [_tool(call) for call in expected.tools] if expected and expected.tools else None,
        "additional_metadata": neutral.carried(case),
        "source_file": case.source.exchange_id,
        "name": case.id,
    }
    return {key: value for key, value in row.items() if value is not None}


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    asked, _ = neutral.asked_with(row.get("input"), place)
    text = row.get("actual_output")
    called = tuple(_call(one) for one in row.get("tools_called") or ())
    tools = tuple(_call(one) for one in row.get("expected_tools") or ())
    expected = neutral.expected_of(row.get("expected_output"))
    if tools:
        expected = (expected or Expected(tools=tools)).model_copy(update={"tools": tools})
    return neutral.made(
        place,
        input=asked,
        context=neutral.documents(row.get("retrieval_context") or row.get("context")),
        observed=Observed(text=text, tool_calls=called) if text is not None or called else None,
        expected=expected,
        metadata=neutral.facts_of(row.get("additional_metadata")),
        tool="deepeval",
    )


def _tool(call: Call) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, dict) else neutral.parsed(call.arguments)
    return {"name": call.name, **({"input_parameters": arguments} if isinstance(arguments, dict) else {})}


def _call(said: Any) -> Call:
    if not isinstance(said, dict):
        return Call(name=str(said))
    return Call(name=str(said.get("name") or ""), arguments=said.get("inputParameters", said.get("input_parameters")))


FORMAT = Format(
    "deepeval",
    "Goldens for `EvaluationDataset().add_goldens_from_json_file(…)`.",
    ".json",
    write,
    read,
    notes=(
        "`input` is the user's last words alone; the whole conversation travels in additional_metadata.",
        "DeepEval's metrics are chosen in your test file: checks and rubric travel in additional_metadata and are not run.",
    ),
)
