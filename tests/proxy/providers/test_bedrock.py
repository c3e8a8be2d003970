"""Bedrock's Converse, whole and streamed."""

from __future__ import annotations

from typing import Any

from tests.helpers.answers import EVENTSTREAM, answered
from tests.helpers.eventstream import event, exception, frame

ONCE = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
STREAM = ONCE + "-stream"
USAGE = {"inputTokens": 2, "outputTokens": 5, "cacheReadInputTokens": 30, "cacheWriteInputTokens": 1322, "totalTokens": 1359}


def whole(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole answer."""
    return {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": "end_turn", "usage": USAGE} | more


def delta(index: int, piece: dict[str, Any]) -> bytes:
    """A contentBlockDelta."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": piece, "p": "abc"})


END = event("messageStop", {"stopReason": "end_turn"}) + event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})


def test_input_counts_cached_tokens_too() -> None:
    """inputTokens leaves cache reads and writes out; lifetimes are told beside them."""
    lives = [{"ttl": "5m", "inputTokens": 322}, {"ttl": "1h", "inputTokens": 1000}]
    reading = answered(ONCE, whole({"text": "21"}, usage=USAGE | {"cacheDetails": lives}, serviceTier={"type": "flex"}))
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (1354, 5, 30, 1322)
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (322, 1000)
    assert (reading.request_model, reading.service_tier) == ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "flex")


def test_older_services_spell_the_counts_otherwise() -> None:
    """cacheReadInputTokenCount means the same."""
    usage = answered(ONCE, whole(usage={"inputTokens": 1, "outputTokens": 1, "cacheReadInputTokenCount": 7})).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (8, 7, None)


def test_blocks_of_a_whole_answer() -> None:
    """Cited text is text; the server's own tools are no calls."""
    reading = answered(
        ONCE,
        whole(
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"text": "A"},
            {"citationsContent": {"content": [{"text": "B"}], "citations": [{"sourceContent": [{"text": "no"}]}]}},
            {"toolUse": {"toolUseId": "t0", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
            {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1}}},
        ),
    )
    assert (reading.output_text, reading.reasoning_text) == ("AB", "hm")
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("t1", "look", '{"a":1}')]


def test_a_stream_grows_by_blocks() -> None:
    """Deltas join by block; the usage comes after the stop."""
    tool = event("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "look"}}})
    body = event("messageStart", {"role": "assistant"}) + delta(0, {"reasoningContent": {"text": "hm"}}) + delta(1, {"text": "A"})
    body += delta(1, {"text": "B"}) + tool + delta(2, {"toolUse": {"input": '{"a":'}}) + delta(2, {"toolUse": {"input": "1}"}}) + END
    reading = answered(STREAM, body, headers=EVENTSTREAM)
    assert (reading.output_text, reading.reasoning_text, reading.terminal, reading.is_stream) == ("AB", "hm", True, True)
    assert reading.tool_calls[0].arguments == '{"a":1}'
    assert reading.usage is not None
    assert reading.usage.input_tokens == 1354


def test_an_exception_frame_is_an_error() -> None:
    """The stream began with 200 and broke; what had come is kept."""
    body = delta(0, {"text": "Gr"}) + exception("modelStreamErrorException", {"message": "stream broke", "originalStatusCode": 500})
    reading = answered(STREAM, body, headers=EVENTSTREAM)
    assert (reading.error_type, reading.error_message, reading.terminal) == ("modelStreamErrorException", "stream broke", False)
    assert (reading.output_text, reading.usage) == ("Gr", None)


def test_an_error_frame_is_an_error() -> None:
    """Frames of the message type `error` hold a code and a message in their headers."""
    broken = frame({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "gone"}, b"")
    reading = answered(STREAM, delta(0, {"text": "A"}) + broken, headers=EVENTSTREAM)
    assert (reading.error_type, reading.error_message, reading.terminal) == ("InternalFailure", "gone", False)


def test_a_refused_request_says_its_type_in_a_header() -> None:
    """The body holds the message alone."""
    headers = {"content-type": "application/json", "x-amzn-errortype": "ValidationException:http://internal.amazon.com/"}
    reading = answered(STREAM, {"message": "The provided model identifier is invalid."}, status=400, headers=headers)
    assert (reading.error_type, reading.error_message) == ("ValidationException", "The provided model identifier is invalid.")
    assert (reading.is_stream, reading.terminal) == (False, None)


def test_a_cut_stream_is_not_whole() -> None:
    """Without messageStop nothing ended."""
    assert answered(STREAM, delta(0, {"text": "A"}), headers=EVENTSTREAM).terminal is False


def test_counting_tokens_is_no_usage() -> None:
    """count-tokens generates nothing."""
    reading = answered("/model/anthropic.claude-sonnet-4-20250514-v1:0/count-tokens", {"inputTokens": 18})
    assert (reading.dialect, reading.usage, reading.request_model) == (
        "bedrock.count-tokens",
        None,
        "anthropic.claude-sonnet-4-20250514-v1:0",
    )
