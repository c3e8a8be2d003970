"""Tool calls held against the request's own tools."""

from __future__ import annotations

import pytest

from scoring.checks import tool_arguments
from tests.scoring.checks.made import answered, asked, called, finding, passed

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GEMINI = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
CHAT = asked(tools=[{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}])


@pytest.mark.parametrize(
    "request_",
    [
        CHAT,
        asked(functions=[{"name": "weather", "parameters": SCHEMA}]),
        {"input": "x", "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}]},
        asked(tools=[{"name": "weather", "input_schema": SCHEMA}]),
        {"contents": "x", "tools": [{"functionDeclarations": [{"name": "weather", "parameters": GEMINI}]}]},
        {"contents": "x", "tools": [{"function_declarations": [{"name": "weather", "parametersJsonSchema": SCHEMA}]}]},
        {"message": "x", "tools": [{"name": "weather", "parameter_definitions": {"city": {"type": "str", "required": True}}}]},
        {"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}, {"cachePoint": {}}]}},
    ],
)
def test_the_tools_are_found_in_each_dialect(request_):
    """Right arguments pass, wrong ones and unknown tools fail."""
    assert passed(tool_arguments, answered(None, request_, calls=called("weather", {"city": "Rome"}))) is True
    assert passed(tool_arguments, answered(None, request_, calls=called("weather", {"town": "Rome"}))) is False
    assert passed(tool_arguments, answered(None, request_, calls=called("forecast", {}))) is False


def test_arguments_that_are_no_json_fail_and_say_when_they_were_cut():
    """The finish reason explains a broken end."""
    found = finding(tool_arguments, answered(None, CHAT, calls=called("weather", '{"city": "Ro'), finish_reasons=["length"]))
    assert found is not None
    assert found.passed is False
    assert "length" in found.reason


def test_the_score_is_the_share_of_right_calls():
    """One of two is a half."""
    calls = called("weather", {"city": "Rome"}) + called("weather", {}, "call-2")
    found = finding(tool_arguments, answered(None, CHAT, calls=calls))
    assert found is not None
    assert found.score == 0.5


@pytest.mark.parametrize("arguments", ["", "null", "{}"])
def test_a_tool_without_arguments_may_be_called_with_nothing(arguments):
    """Providers write no arguments in several ways."""
    request_ = asked(tools=[{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}])
    assert passed(tool_arguments, answered(None, request_, calls=called("now", arguments))) is True


@pytest.mark.parametrize(
    "more", [{"mcp_servers": [{"url": "x"}]}, {"previous_response_id": "resp_1"}, {"tools": [*CHAT["tools"], {"type": "tool_search"}]}]
)
def test_an_unknown_tool_is_no_fault_where_others_may_exist(more):
    """Servers, searches and earlier responses bring tools that the request does not list."""
    assert passed(tool_arguments, answered(None, {**CHAT, **more}, calls=called("forecast", {}))) is None


def test_it_does_not_apply_or_cannot_tell():
    """No calls, no tools, a stream that broke: nothing; a schema that cannot be used: unscored."""
    assert passed(tool_arguments, answered("text", CHAT)) is None
    assert passed(tool_arguments, answered(None, calls=called("weather", {}))) is None
    assert passed(tool_arguments, answered(None, CHAT, calls=called("weather", "{"), ending="partial")) is None
    strange = asked(tools=[{"name": "weather", "input_schema": {"$ref": "file:///etc/hosts"}}])
    assert passed(tool_arguments, answered(None, strange, calls=called("weather", {}))) == "unscored"
