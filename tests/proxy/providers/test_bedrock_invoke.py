"""Bedrock's InvokeModel: every model's own words, and counts from three places."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from tests.helpers.answers import EVENTSTREAM, answered
from tests.helpers.eventstream import event, exception

METRICS = {
    "amazon-bedrock-invocationMetrics": {"inputTokenCount": 20, "outputTokenCount": 10, "invocationLatency": 1, "firstByteLatency": 1}
}


def path(model: str, stream: bool = False) -> str:
    """Where a model is invoked."""
    return f"/model/{model}/invoke" + ("-with-response-stream" if stream else "")


def chunks(*values: dict[str, Any]) -> bytes:
    """A stream of chunks."""
    return b"".join(event("chunk", {"bytes": b64encode(json.dumps(value).encode()).decode(), "p": "abc"}) for value in values)


def test_headers_count_where_the_body_does_not() -> None:
    """An embedding of Cohere tells its tokens in a header only."""
    headers = {
        "content-type": "application/json",
        "x-amzn-bedrock-input-token-count": "4",
        "x-amzn-bedrock-cache-read-input-token-count": "2",
    }
    reading = answered(path("cohere.embed-english-v3"), {"embeddings": [[0.1]], "response_type": "embeddings_floats"}, headers=headers)
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.usage.cache_read_tokens) == (6, None, 2)
    assert (reading.operation, reading.output_text, reading.request_model) == ("embeddings", None, "cohere.embed-english-v3")


def test_the_last_chunk_counts_where_the_body_does_not() -> None:
    """A stream's metrics stand for a usage nobody else reports, and say that it ended."""
    body = chunks(
        {"text": " I", "is_finished": False},
        {"text": " am", "is_finished": False},
        {"finish_reason": "MAX_TOKENS", "is_finished": True} | METRICS,
    )
    reading = answered(path("cohere.command-light-text-v14", stream=True), body, headers=EVENTSTREAM)
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (20, 10)
    assert (reading.output_text, reading.finish_reasons, reading.terminal) == (" I am", ("MAX_TOKENS",), True)


@pytest.mark.parametrize(
    ("model", "body", "text", "reasons", "tokens"),
    [
        ("anthropic.claude-v2", {"completion": " Hi", "stop_reason": "stop_sequence"}, " Hi", ("stop_sequence",), None),
        (
            "meta.llama3-8b",
            {"generation": "Hi", "prompt_token_count": 6, "generation_token_count": 18, "stop_reason": "length"},
            "Hi",
            ("length",),
            (6, 18),
        ),
        ("mistral.mistral-7b", {"outputs": [{"text": "Hi", "stop_reason": "stop"}]}, "Hi", ("stop",), None),
        (
            "mistral.mistral-large",
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "stop_reason": "stop"}]},
            "Hi",
            ("stop",),
            None,
        ),
        ("deepseek.r1-v1:0", {"choices": [{"text": "Hi", "stop_reason": "length"}]}, "Hi", ("length",), None),
        (
            "ai21.j2-mid-v1",
            {"id": 1, "completions": [{"data": {"text": "Hi"}, "finishReason": {"reason": "endoftext"}}]},
            "Hi",
            ("endoftext",),
            None,
        ),
        (
            "amazon.titan-text",
            {"inputTextTokenCount": 3, "results": [{"tokenCount": 9, "outputText": "Hi", "completionReason": "FINISH"}]},
            "Hi",
            ("FINISH",),
            (3, 9),
        ),
        (
            "cohere.command-text",
            {"id": "g", "generations": [{"id": "1", "text": "Hi", "finish_reason": "COMPLETE"}]},
            "Hi",
            ("COMPLETE",),
            None,
        ),
        (
            "cohere.command-r-v1:0",
            {"response_id": "r", "generation_id": "g", "text": "Hi", "finish_reason": "COMPLETE"},
            "Hi",
            ("COMPLETE",),
            None,
        ),
        (
            "amazon.nova-lite-v1:0",
            {
                "output": {"message": {"content": [{"text": "Hi"}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 4, "outputTokens": 5},
            },
            "Hi",
            ("end_turn",),
            (4, 5),
        ),
        (
            "anthropic.claude-3-haiku",
            {
                "type": "message",
                "content": [{"type": "text", "text": "Hi"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 7, "output_tokens": 8},
            },
            "Hi",
            ("end_turn",),
            (7, 8),
        ),
    ],
)
def test_every_model_answers_in_its_own_words(
    model: str, body: Any, text: str, reasons: tuple[str, ...], tokens: tuple[int, int] | None
) -> None:
    """The body's looks choose the reader; the path names the model."""
    reading = answered(path(model), body)
    assert (reading.dialect, reading.request_model, reading.output_text, reading.finish_reasons) == ("bedrock.invoke", model, text, reasons)
    assert (reading.usage and (reading.usage.input_tokens, reading.usage.output_tokens)) == tokens
    assert reading.terminal is None


@pytest.mark.parametrize(
    ("model", "pieces", "text", "tokens"),
    [
        (
            "meta.llama2-13b",
            [
                {"generation": "A", "prompt_token_count": 10, "generation_token_count": 1, "stop_reason": None},
                {"generation": "B", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": "length"} | METRICS,
            ],
            "AB",
            (10, 2),
        ),
        (
            "amazon.titan-text",
            [
                {"outputText": "A", "index": 0, "totalOutputTextTokenCount": None, "completionReason": None, "inputTextTokenCount": 5},
                {"outputText": "B", "index": 0, "totalOutputTextTokenCount": 2, "completionReason": "FINISH", "inputTextTokenCount": None}
                | METRICS,
            ],
            "AB",
            (5, 2),
        ),
        (
            "amazon.nova-micro-v1:0",
            [
                {"messageStart": {"role": "assistant"}},
                {"contentBlockDelta": {"delta": {"text": "A"}, "contentBlockIndex": 0}},
                {"contentBlockDelta": {"delta": {"text": "B"}, "contentBlockIndex": 1}},
                {"messageStop": {"stopReason": "end_turn"}},
                {"metadata": {"usage": {"inputTokens": 4, "outputTokens": 5}}} | METRICS,
            ],
            "AB",
            (4, 5),
        ),
        (
            "anthropic.claude-3-haiku",
            [
                {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 16, "output_tokens": 1}}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "AB"}},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 21}},
                {"type": "message_stop"} | METRICS,
            ],
            "AB",
            (16, 21),
        ),
    ],
)
def test_every_model_streams_in_its_own_words(model: str, pieces: list[Any], text: str, tokens: tuple[int, int]) -> None:
    """The first chunk's looks choose the reader; the body's own counts go before the metrics."""
    reading = answered(path(model, stream=True), chunks(*pieces), headers=EVENTSTREAM)
    assert (reading.output_text, reading.terminal) == (text, True)
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == tokens


def test_a_broken_stream_is_an_error() -> None:
    """An exception frame, and a stream that just stops."""
    start = chunks({"generation": "A", "prompt_token_count": 1, "generation_token_count": 1, "stop_reason": None})
    broken = answered(path("meta.x", stream=True), start + exception("throttlingException", {"message": "slow down"}), headers=EVENTSTREAM)
    assert (broken.error_type, broken.error_message, broken.terminal, broken.output_text) == (
        "throttlingException",
        "slow down",
        False,
        "A",
    )
    assert answered(path("meta.x", stream=True), start, headers=EVENTSTREAM).terminal is False


def test_senseless_base64_is_survived() -> None:
    """A chunk that holds no JSON is left out."""
    body = (
        event("chunk", {"bytes": "!!!"})
        + event("chunk", {"bytes": b64encode(b"nonsense").decode()})
        + chunks({"generation": "A", "stop_reason": "stop"})
    )
    assert answered(path("meta.x", stream=True), body, headers=EVENTSTREAM).output_text == "A"


def test_tool_calls_pass_through() -> None:
    """The inner dialect's calls are the exchange's."""
    content = [{"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1}}]
    reading = answered(path("anthropic.claude-3-haiku"), {"type": "message", "content": content, "stop_reason": "tool_use"})
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("t", "look", '{"a":1}')]
