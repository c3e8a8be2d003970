"""Tools that failed, as the next request tells."""

from __future__ import annotations

import pytest

from scoring.checks import tool_errors
from scoring.logged import link
from tests.scoring.checks.made import answered, called, finding, passed


def _followed(result, calls=None):
    first = answered(None, calls=calls or called("weather", {"city": "Rome"}))
    second = answered("done", {"messages": [{"role": "user", "content": "x"}, result]})
    link([first, second])
    return first


def _anthropic(text, **marks):
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call-1", "content": text, **marks}]}


@pytest.mark.parametrize(
    "result",
    [
        _anthropic("no such city", is_error=True),
        {"role": "user", "content": [{"toolResult": {"toolUseId": "call-1", "status": "error", "content": [{"text": "no"}]}}]},
    ],
)
def test_a_marked_error_fails_and_flags(result):
    """The client's own mark is a fact."""
    found = finding(tool_errors, _followed(result))
    assert found is not None
    assert found.passed is False
    assert found.flags


@pytest.mark.parametrize(
    "text", ["Error: timeout", "Traceback (most recent call last):\n …", '{"error": "x"}', "failed to connect", '{"success": false}']
)
def test_a_result_that_reads_like_an_error_informs(text):
    """Words alone do not flag until their precision is shown."""
    found = finding(tool_errors, _followed({"role": "tool", "tool_call_id": "call-1", "content": text}))
    assert found is not None
    assert found.passed is False
    assert found.flags is tool_errors.MEASURED.validated


def test_gemini_results_are_joined_by_name():
    """Its calls have no ids."""
    response = {"name": "weather", "response": {"error": "gone"}}
    request_ = {"contents": [{"role": "model", "parts": []}, {"role": "user", "parts": [{"functionResponse": response}]}]}
    first = answered(None, calls=[{"id": None, "name": "weather", "arguments": "{}"}])
    link([first, answered("x", request_)])
    assert passed(tool_errors, first) is False


def test_a_good_result_passes():
    """Whatever it says of errors further down."""
    assert passed(tool_errors, _followed(_anthropic("18 °C and sunny"))) is True


def test_it_does_not_apply():
    """No next exchange, no calls, no results of these calls."""
    assert passed(tool_errors, answered(None, calls=called("weather", {}))) is None
    assert passed(tool_errors, _followed({"role": "tool", "tool_call_id": "other", "content": "Error"})) is None
    text = answered("text")
    link([text, answered("more")])
    assert passed(tool_errors, text) is None
