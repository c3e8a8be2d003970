"""JSON answers held against their schemas."""

from __future__ import annotations

import pytest

from scoring.checks import json_schema
from tests.scoring.checks.made import answered, asked, finding, passed

PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}


def _strict(schema):
    return asked(response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema}})


@pytest.mark.parametrize(
    "request_",
    [
        _strict(PERSON),
        {"input": "x", "text": {"format": {"type": "json_schema", "name": "person", "schema": PERSON}}},
        {"contents": "x", "generationConfig": {"responseJsonSchema": PERSON}},
        {
            "contents": "x",
            "generationConfig": {
                "responseSchema": {
                    "type": "OBJECT",
                    "properties": {"name": {"type": "STRING"}, "age": {"type": "INTEGER", "format": "int32"}},
                    "required": ["name", "age"],
                }
            },
        },
        asked(output_config={"format": {"type": "json_schema", "schema": PERSON}}),
        asked(response_format={"type": "json_object", "json_schema": PERSON}),
        asked(format=PERSON),
    ],
)
def test_the_requests_own_schema_counts(request_):
    """The schema is found in each dialect's place."""
    assert passed(json_schema, answered('{"name": "Ann", "age": 3}', request_)) is True
    assert passed(json_schema, answered('{"name": "Ann", "age": "3"}', request_)) is False
    assert passed(json_schema, answered('{"name": "Ann"}', request_)) is False


def test_gemini_nullable_and_numbered_types():
    """OpenAPI's nullable admits null, and enums sent as numbers are types too."""
    schema = {"type": 6, "properties": {"name": {"type": 1, "nullable": True}}, "required": ["name"]}
    request_ = {"contents": "x", "generationConfig": {"responseSchema": schema}}
    assert passed(json_schema, answered('{"name": null}', request_)) is True
    assert passed(json_schema, answered('{"name": 5}', request_)) is False


def test_the_fault_is_named():
    """Reason and evidence say where and what."""
    found = finding(json_schema, answered('{"name": "Ann", "age": "3"}', _strict(PERSON)))
    assert found is not None
    assert "age" in found.reason


def test_the_tasks_schema_takes_the_place_of_the_requests():
    """A schema in the options is asked first."""
    assert passed(json_schema, answered('{"name": "Ann"}'), schema={"required": ["name"]}) is True
    assert passed(json_schema, answered("[]"), schema={"type": "object"}) is False


def test_object_mode_wants_an_object():
    """json_object without a schema refuses an array."""
    assert passed(json_schema, answered("[1]", asked(response_format={"type": "json_object"}))) is False
    assert passed(json_schema, answered("{}", asked(response_format={"type": "json_object"}))) is None


@pytest.mark.parametrize("exchange", [answered("prose"), answered("prose", _strict(PERSON)), answered("", _strict(PERSON))])
def test_it_does_not_apply(exchange):
    """Free text and answers that are no JSON are not told here."""
    assert passed(json_schema, exchange) is None


@pytest.mark.parametrize("schema", [{"$ref": "http://schemas.example/x"}, {"type": "nothing"}, {"$ref": "#/missing"}])
def test_a_schema_that_cannot_be_used_leaves_the_answer_unscored(schema):
    """Neither passed nor failed."""
    assert passed(json_schema, answered("{}", _strict(schema))) == "unscored"
