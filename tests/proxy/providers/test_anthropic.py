"""Anthropic's messages: counts, blocks, streams and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.answers import SSE, answered, sse

MESSAGES = "/v1/messages"
COUNTS = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 50,
    "output_tokens_details": {"thinking_tokens": 20},
    "server_tool_use": {"web_search_requests": 2},
    "service_tier": "priority",
}
START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-sonnet-4-5", "role": "assistant", "usage": COUNTS}}
STOP = {"type": "message_stop"}


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one content block."""
    grown = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [{"type": "content_block_start", "index": index, "content_block": start}, *grown, {"type": "content_block_stop", "index": index}]


def stop(reason: str, **usage: Any) -> dict[str, Any]:
    """The event that tells why a message ended and what it used."""
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


def message(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole message."""
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": list(content)} | more


def test_input_counts_cached_tokens_too() -> None:
    """Fresh, read and written tokens together are the input; lifetimes, thinking, searches and the tier are kept apart."""
    reading = answered(MESSAGES, message({"type": "text", "text": "Hi"}, stop_reason="end_turn", usage=COUNTS))
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (2310, 50, 20)
    assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (
        2000,
        300,
        100,
        200,
    )
    assert (usage.web_searches, reading.service_tier, reading.batch, reading.terminal) == (2, "priority", None, None)
    assert usage.raw is not None
    assert '"ephemeral_1h_input_tokens":200' in usage.raw


def test_streamed_usage_is_the_last_word_of_each_field() -> None:
    """message_delta rewrites what message_start said, field by field, and nothing is added up."""
    events = [START, *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"})]
    reading = answered(
        MESSAGES, sse(*events, stop("end_turn", input_tokens=40, output_tokens=7, cache_read_input_tokens=None), STOP), headers=SSE
    )
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.usage.cache_read_tokens) == (2340, 7, 2000)
    assert (reading.is_stream, reading.terminal, reading.response_id, reading.finish_reasons) == (True, True, "msg_1", ("end_turn",))


def test_blocks_keep_apart() -> None:
    """Texts join in order, thinking is reasoning, the client's tools are calls, the server's are not."""
    events = [
        START,
        *block(
            0,
            {"type": "thinking", "thinking": ""},
            {"type": "thinking_delta", "thinking": "Let me"},
            {"type": "signature_delta", "signature": "x"},
        ),
        *block(1, {"type": "text", "text": "A"}, {"type": "text_delta", "text": "B"}),
        *block(
            2,
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": "{}"},
        ),
        *block(3, {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}),
        *block(
            4,
            {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
            *({"type": "input_json_delta", "partial_json": x} for x in ("", '{"a"', ":1}")),
        ),
        *block(5, {"type": "tool_use", "id": "t2", "name": "stop", "input": {}}),
        *block(6, {"type": "redacted_thinking", "data": "…"}),
        *block(7, {"type": "text", "text": ""}, {"type": "text_delta", "text": "C"}),
    ]
    reading = answered(MESSAGES, sse(*events, stop("tool_use", output_tokens=9), STOP, named=True), headers=SSE)
    assert (reading.output_text, reading.reasoning_text) == ("ABC", "Let me")
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("t1", "look", '{"a":1}'), ("t2", "stop", "{}")]


def test_an_error_inside_a_good_stream_is_an_error() -> None:
    """The error event ends the stream; what was counted before it stays."""
    reading = answered(
        MESSAGES, sse(START, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, named=True), headers=SSE
    )
    assert (reading.error_type, reading.error_message, reading.terminal) == ("overloaded_error", "Overloaded", False)
    assert reading.usage is not None


def test_a_stream_that_stops_early_is_not_whole() -> None:
    """Without message_stop the terminal event is missing, whatever came before."""
    assert answered(MESSAGES, sse(START, stop("end_turn", output_tokens=3)), headers=SSE).terminal is False


def test_an_error_answer_says_its_type() -> None:
    """A stream was asked for and JSON answered: no stream, an error, no usage."""
    body = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    reading = answered(MESSAGES, body, status=401, request={"model": "claude-x", "stream": True})
    assert (reading.error_type, reading.is_stream, reading.terminal, reading.usage) == ("authentication_error", False, None, None)
    assert reading.request_model == "claude-x"


def test_batch_fast_and_refusal_are_told() -> None:
    """The batch tier, fast mode and the explanation of a refusal come out as such."""
    usage = {"input_tokens": 1, "output_tokens": 2, "service_tier": "batch", "speed": "fast"}
    reading = answered(MESSAGES, message(stop_reason="refusal", stop_details={"explanation": "No."}, usage=usage))
    assert (reading.batch, reading.speed, reading.refusal, reading.finish_reasons) == (True, "fast", "No.", ("refusal",))


@pytest.mark.parametrize("verb", ["rawPredict", "streamRawPredict"])
def test_vertex_names_the_model_in_its_path(verb: str) -> None:
    """Claude on Vertex AI answers in the same words, and the path holds the model asked for."""
    path = f"/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-3-7-sonnet@20250219:{verb}"
    reading = answered(path, message({"type": "text", "text": "Hi"}, usage={"input_tokens": 1, "output_tokens": 2}))
    assert (reading.dialect, reading.request_model, reading.output_text) == ("anthropic.messages", "claude-3-7-sonnet@20250219", "Hi")


def test_a_renamed_path_is_known_by_its_looks() -> None:
    """A gateway may serve messages under any path."""
    assert answered("/llm", message({"type": "text", "text": "Hi"}, stop_reason="end_turn")).dialect == "anthropic.messages"


@pytest.mark.parametrize(
    ("path", "body", "dialect"),
    [
        ("/v1/messages/count_tokens", {"input_tokens": 12}, "anthropic.count_tokens"),
        ("/v1/messages/batches", {"id": "msgbatch_1", "type": "message_batch"}, "anthropic.batches"),
        (
            "/v1/messages/batches/msgbatch_1/results",
            {"custom_id": "0", "result": {"type": "succeeded", "message": message(usage=COUNTS)}},
            "anthropic.batches",
        ),
        ("/v1/files", {"id": "file_1", "type": "file"}, "anthropic.other"),
    ],
)
def test_bookkeeping_is_no_usage(path: str, body: Any, dialect: str) -> None:
    """Counting tokens, batches and files use nothing themselves."""
    reading = answered(path, body, upstream="anthropic")
    assert (reading.dialect, reading.usage, reading.output_text, reading.error_type) == (dialect, None, None, None)


def test_a_batch_with_a_failed_request_is_no_failed_exchange() -> None:
    """Results tell of single failures, and say so line by line."""
    body = b'{"custom_id":"0","result":{"type":"succeeded"}}\n{"error":{"type":"x","message":"y"}}\n'
    assert answered("/v1/messages/batches/b/results", body, headers={"content-type": "application/x-jsonl"}).error_type is None
