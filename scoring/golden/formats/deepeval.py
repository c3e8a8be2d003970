"""DeepEval: goldens in one JSON list, as `EvaluationDataset.add_goldens_from_json_file` takes them (DeepEval 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scoring.golden.case import Call, Expected, GoldenCase, Observed, canonical
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """One list of goldens."""
    return json_rows.document([_row(case) for case in cases])


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of goldens. Raises BadCase."""
    return [
        neutral.restored(
            {key: value for key, value in row.items() if value is not None},
            neutral.own_of(row.get("additionalMetadata", row.get("additional_metadata"))),
            _row,
            _case,
            where,
        )
        for row, where in json_rows.parsed(text, place)
    ]


def _row(case: GoldenCase) -> dict[str, Any]:
    observed, expected = case.observed, case.expected
    row: dict[str, Any] = {
        "input": case.question or canonical(neutral.inputs(case)),
        "actualOutput": observed.text if observed else None,
        "expectedOutput": neutral.answer(expected),
        "context": neutral.texts(case) or None,
        "retrievalContext": neutral.texts(case) or None,
        "toolsCalled": [_tool(call) for call in observed.tool_calls] if observed and observed.tool_calls else None,
        "expectedTools": [_tool(call) for call in expected.tools] if expected and expected.tools else None,
        "additionalMetadata": neutral.carried(case),
        "sourceFile": case.source.exchange_id,
        "name": case.id,
    }
    return {key: value for key, value in row.items() if value is not None}


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    def get(name: str, snake: str) -> Any:
        return row.get(name, row.get(snake))

    asked, _ = neutral.asked_with(row.get("input"), place)
    text = get("actualOutput", "actual_output")
    called = tuple(_call(one) for one in get("toolsCalled", "tools_called") or ())
    tools = tuple(_call(one) for one in get("expectedTools", "expected_tools") or ())
    expected = neutral.expected_of(get("expectedOutput", "expected_output"))
    if tools:
        expected = (expected or Expected(tools=tools)).model_copy(update={"tools": tools})
    return neutral.made(
        place,
        input=asked,
        context=neutral.documents(get("retrievalContext", "retrieval_context") or row.get("context")),
        observed=Observed(text=text, tool_calls=called) if text is not None or called else None,
        expected=expected,
        metadata=neutral.facts_of(get("additionalMetadata", "additional_metadata")),
        tool="deepeval",
    )


def _tool(call: Call) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, dict) else neutral.parsed(call.arguments)
    return {"name": call.name, **({"inputParameters": arguments} if isinstance(arguments, dict) else {})}


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
        "`input` is the user's last words alone; the whole conversation travels in additionalMetadata.",
        "DeepEval's metrics are chosen in your test file: checks and rubric travel in additionalMetadata and are not run.",
    ),
)
