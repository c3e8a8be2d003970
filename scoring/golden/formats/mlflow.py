"""MLflow: records of an evaluation dataset in one JSON list, as `EvaluationDataset.merge_records` takes them (MLflow 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scoring.golden.case import Expected, GoldenCase, Observed, canonical
from scoring.golden.formats import json_rows, neutral
from scoring.golden.formats.contract import Format, Options


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """One list of records."""
    return json_rows.document([_row(case) for case in cases])


def read(text: str, place: str) -> list[GoldenCase]:
    """Cases of records. Raises BadCase."""
    return [
        neutral.restored(
            {key: value for key, value in row.items() if key in _KEYS},
            (row.get("tags") or {}).get(neutral.CARRIED),
            _row,
            _case,
            where,
        )
        for row, where in json_rows.parsed(text, place)
    ]


_KEYS = frozenset({"inputs", "outputs", "expectations", "source", "tags"})


def _row(case: GoldenCase) -> dict[str, Any]:
    carried = neutral.carried(case)
    own = carried.pop(neutral.CARRIED)
    expected = case.expected
    expectations: dict[str, Any] = {
        "expected_response": neutral.answer(expected) if expected and not expected.facts else None,
        "expected_facts": list(expected.facts) if expected and expected.facts else None,
        "guidelines": [case.rubric.question] if case.rubric and case.rubric.question else None,
        "expected_retrieved_context": [{"doc_uri": one} for one in expected.retrieved_ids] if expected and expected.retrieved_ids else None,
    }
    row: dict[str, Any] = {
        "inputs": neutral.inputs(case),
        "expectations": {key: value for key, value in expectations.items() if value is not None},
        "tags": {**{key: str(value) for key, value in carried.items()}, neutral.CARRIED: canonical(own)},
        "source": {"source_type": "TRACE", "source_data": {"trace_id": case.source.trace_id or case.source.exchange_id or case.id}},
    }
    if case.observed is not None and case.observed.text is not None:
        row["outputs"] = {"response": case.observed.text}
    return row


def _case(row: dict[str, Any], place: str) -> GoldenCase:
    asked, context = neutral.asked_with(row.get("inputs"), place)
    said = dict(row.get("expectations") or {})
    facts = said.pop("expected_facts", None)
    retrieved = said.pop("expected_retrieved_context", None)
    said.pop("guidelines", None)
    response = said.pop("expected_response", None)
    expected: dict[str, Any] = {
        "text": response if isinstance(response, str) else None,
        "json": response if response is not None and not isinstance(response, str) else (said or None),
        "facts": facts or (),
        "retrieved_ids": [str(one.get("doc_uri", one) if isinstance(one, dict) else one) for one in retrieved or ()],
    }
    given = {key: value for key, value in expected.items() if value not in (None, (), [])}
    outputs = row.get("outputs")
    text = outputs.get("response") if isinstance(outputs, dict) else outputs
    return neutral.made(
        place,
        input=asked,
        context=context,
        observed=Observed(text=text) if isinstance(text, str) else None,
        expected=Expected.model_validate(given) if given else None,
        metadata=neutral.facts_of(row.get("tags")),
        tool="mlflow",
    )


FORMAT = Format(
    "mlflow",
    "Records for `mlflow.genai.datasets.create_dataset(…).merge_records(…)`.",
    ".json",
    write,
    read,
    notes=(
        "MLflow knows a record by its inputs and merges two with the same; our ids do the same, but for the model's parameters.",
        "Checks are not run; a rubric's question is a guideline, which a judge of MLflow's grades.",
    ),
)
