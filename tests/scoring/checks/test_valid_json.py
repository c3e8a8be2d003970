"""Answers that were to be JSON."""

from __future__ import annotations

import pytest

from scoring.checks import valid_json
from tests.scoring.checks.made import answered, asked, called, finding, passed

OBJECT_MODE = asked(response_format={"type": "json_object"})


@pytest.mark.parametrize(
    "request_",
    [
        OBJECT_MODE,
        asked(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
        {"input": "x", "text": {"format": {"type": "json_schema", "schema": {}}}},
        {"contents": "x", "generationConfig": {"responseMimeType": "application/json"}},
        {"contents": "x", "generationConfig": {"responseSchema": {"type": "OBJECT"}}},
        {"contents": "x", "generation_config": {"response_json_schema": {"type": "object"}}},
        asked(output_config={"format": {"type": "json_schema", "schema": {}}}),
        asked(outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}),
        asked(format="json"),
        asked(format={"type": "object", "properties": {}}),
    ],
)
def test_json_is_asked_for_in_each_dialect(request_):
    """Whichever parameter asks for JSON, a JSON answer passes and prose fails."""
    assert passed(valid_json, answered('{"a": 1}', request_)) is True
    assert passed(valid_json, answered("Sure, here you are.", request_)) is False


def test_a_fence_fails_unless_it_is_allowed():
    """A parser refuses a code fence, unless the application takes it off."""
    fenced = answered('```json\n{"a": 1}\n```', OBJECT_MODE)
    assert passed(valid_json, fenced) is False
    assert passed(valid_json, fenced, allow_fence=True) is True


def test_a_cut_answer_says_that_it_was_cut():
    """The reason names the limit."""
    found = finding(valid_json, answered('{"a": [1, 2', OBJECT_MODE, finish_reasons=["length"]))
    assert found is not None
    assert found.passed is False
    assert "length" in found.reason
    assert found.evidence is not None


def test_the_task_can_ask_for_json_itself():
    """`required` stands for a prompt that asks in words."""
    assert passed(valid_json, answered("no"), required=True) is False


@pytest.mark.parametrize(
    "exchange",
    [
        answered("prose"),
        answered("", OBJECT_MODE),
        answered(None, OBJECT_MODE, calls=called("f", {})),
        answered("half", OBJECT_MODE, ending="client_gone"),
        answered("half", OBJECT_MODE, response_truncated=True),
        answered("no", OBJECT_MODE, refusal="no"),
        answered("x", OBJECT_MODE, status=500),
    ],
)
def test_it_does_not_apply(exchange):
    """Free text, tool calls, refusals and answers that are not whole are not told."""
    assert passed(valid_json, exchange) is None
