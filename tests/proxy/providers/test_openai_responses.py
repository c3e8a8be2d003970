"""OpenAI's responses: whole, streamed, cut, failed, retrieved, compacted and counted."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.exchange import ToolCall
from proxy.providers.openai_responses import ResponsesReader
from tests.helpers.answers import SSE, answered, sse

PATH = "/v1/responses"
USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Rome"}'}


def said(*texts: str) -> dict[str, Any]:
    """A message of the assistant."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text} for text in texts]}


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    """A whole response."""
    return {
        "id": "resp_1",
        "object": "response",
        "model": "gpt-5-2025-08-07",
        "status": status,
        "output": list(output),
        "error": None,
    } | more


def event(kind: str, **more: Any) -> dict[str, Any]:
    """One event of a stream."""
    return {"type": kind, "sequence_number": 1, **more}


def streamed(*events: Any) -> Any:
    """The reading of a stream of these events."""
    return answered(PATH, sse(*events, named=True), headers=SSE)


def test_a_whole_response() -> None:
    """Texts, reasoning, calls, status, tier and usage."""
    reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "content": []}
    document = response(reasoning, said("a", "b"), CALL, usage=USAGE, service_tier="flex")
    reading = answered(PATH, document, request={"model": "gpt-5", "service_tier": "flex"})
    assert (reading.dialect, reading.output_text, reading.reasoning_text) == ("openai.responses", "ab", "hm")
    assert (reading.finish_reasons, reading.service_tier, reading.service_tier_requested) == (("completed",), "flex", "flex")
    assert reading.tool_calls == (ToolCall("call_1", "weather", '{"city":"Rome"}'),)
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.usage.reasoning_tokens) == (20, 9, 4)
    assert (reading.error_type, reading.error_message, reading.terminal) == (None, None, None)


def test_a_stream_ends_with_the_whole_response() -> None:
    """The last event's response holds, and [DONE] after it changes nothing."""
    events = [event("response.created", response=response(status="in_progress")), event("response.output_text.delta", delta="a")]
    for rest in ([], ["[DONE]"]):
        body = sse(*events, event("response.completed", response=response(said("a"), usage=USAGE)), *rest)
        reading = answered(PATH, body, headers=SSE)
        assert (reading.output_text, reading.terminal, reading.finish_reasons) == ("a", True, ("completed",))
        assert reading.usage.output_tokens == 9


def test_a_cut_stream_tells_what_came() -> None:
    """Pieces of text, calls, reasoning and refusals are put together; usage is unknown, and the end was not seen."""
    reading = streamed(
        event("response.created", response=response(status="in_progress")),
        event("response.reasoning_summary_text.delta", output_index=0, delta="hm"),
        event("response.output_item.added", output_index=1, item={"type": "message", "role": "assistant", "content": []}),
        event("response.output_text.delta", output_index=1, content_index=0, delta="Hel"),
        event("response.output_text.delta", output_index=1, content_index=0, delta="lo"),
        event("response.output_item.added", output_index=2, item={**CALL, "arguments": ""}),
        event("response.function_call_arguments.delta", output_index=2, delta='{"city'),
        event("response.refusal.delta", output_index=3, delta="No."),
    )
    assert (reading.output_text, reading.reasoning_text, reading.refusal) == ("Hello", "hm", "No.")
    assert reading.tool_calls == (ToolCall("call_1", "weather", '{"city'),)
    assert (reading.usage, reading.terminal, reading.finish_reasons, reading.response_id) == (None, False, ("in_progress",), "resp_1")


def test_incomplete_and_failed_are_ends() -> None:
    """An incomplete response says why; a failed one has its error; both ended their streams."""
    incomplete = response(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    reading = streamed(event("response.incomplete", response=incomplete))
    assert (reading.finish_reasons, reading.terminal, reading.error_type) == (("incomplete:max_output_tokens",), True, None)
    failed = response(status="failed", error={"code": "server_error", "message": "m"})
    reading = streamed(event("response.output_text.delta", delta="par"), event("response.failed", response=failed))
    assert (reading.error_type, reading.error_message, reading.terminal, reading.output_text) == ("server_error", "m", True, "par")
    assert streamed(event("response.failed", response=response(status="failed"))).error_type == "failed"


@pytest.mark.parametrize(
    "error",
    [
        {"type": "error", "code": "rate_limit", "message": "m", "param": None},
        {"type": "error", "error": {"type": "rate_limit", "message": "m"}},
    ],
)
def test_an_error_event(error: dict[str, Any]) -> None:
    """Both shapes of the error event are errors, and no end."""
    reading = streamed(event("response.created", response=response(status="in_progress")), error)
    assert (reading.error_type, reading.error_message, reading.terminal) == ("rate_limit", "m", False)


def test_calls_for_the_client_and_calls_at_the_provider() -> None:
    """Custom, computer, shell and patch calls are the client's to make; searches, MCP and shells in a container are not."""
    output = [
        {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "SELECT 1"},
        {"type": "computer_call", "call_id": "c2", "action": {"type": "screenshot"}},
        {"type": "local_shell_call", "call_id": "c3", "action": {"command": ["ls"]}},
        {"type": "apply_patch_call", "call_id": "c4", "operation": {"path": "a"}},
        {"type": "shell_call", "call_id": "c5", "action": {}, "environment": {"type": "container_reference"}},
        {"type": "web_search_call", "id": "ws_1", "action": {"query": "q"}},
        {"type": "mcp_call", "name": "x", "arguments": "{}"},
    ]
    calls = answered(PATH, response(*output)).tool_calls
    assert [(call.id, call.name) for call in calls] == [("c1", "sql"), ("c2", "computer"), ("c3", "local_shell"), ("c4", "apply_patch")]
    assert [call.arguments for call in calls] == ["SELECT 1", '{"type":"screenshot"}', '{"command":["ls"]}', '{"path":"a"}']


def test_compaction_shows_no_text_of_the_user() -> None:
    """A compaction repeats the user's message, which is not output."""
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello!"}]}
    document = {
        "id": "resp_2",
        "object": "response.compaction",
        "output": [user, {"type": "compaction", "encrypted_content": "x"}],
        "usage": USAGE,
    }
    reading = answered("/v1/responses/compact", document)
    assert (reading.output_text, reading.response_id, reading.usage.input_tokens) == (None, "resp_2", 20)


def test_counting_tokens_is_no_usage() -> None:
    """A count of input tokens was asked for, not generated."""
    reading = answered("/v1/responses/input_tokens", {"object": "response.input_tokens", "input_tokens": 16}, request={"model": "gpt-4.1"})
    assert (reading.usage, reading.request_model, reading.error_type) == (None, "gpt-4.1", None)


def test_retrieving_a_background_response() -> None:
    """A response in progress has no usage; once completed, it has."""
    path = "/v1/responses/resp_1"
    assert answered(path, response(status="in_progress", usage=None), method="GET").usage is None
    assert answered(path, response(said("4"), usage=USAGE), method="GET").output_text == "4"


def test_it_is_recognised_by_its_looks() -> None:
    """Responses and their events are known on any path."""
    assert ResponsesReader.recognises(response())
    assert ResponsesReader.recognises(event("response.created", response={}))
    assert not any(map(ResponsesReader.recognises, [None, {}, {"type": "response.x"}, {"object": "list"}]))
