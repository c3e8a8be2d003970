"""Gemini's generateContent: candidates, parts, counts, and its two kinds of stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.answers import SSE, answered, sse

ONCE = "/v1beta/models/gemini-2.5-pro:generateContent"
STREAM = "/v1beta/models/gemini-2.5-pro:streamGenerateContent"


def chunk(*parts: dict[str, Any], reason: Any = None, usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One answer or chunk with one candidate."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    out = {"candidates": [candidate], "modelVersion": "gemini-2.5-pro", "responseId": "r1"} | more
    return out if usage is None else out | {"usageMetadata": usage}


USAGE = {
    "promptTokenCount": 15,
    "candidatesTokenCount": 37,
    "thoughtsTokenCount": 742,
    "toolUsePromptTokenCount": 770,
    "cachedContentTokenCount": 5,
    "totalTokenCount": 1564,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 5},
        {"modality": "AUDIO", "tokenCount": 7},
        {"modality": "IMAGE", "tokenCount": 3},
    ],
    "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}],
    "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
    "serviceTier": "SERVICE_TIER_FLEX",
}


def test_all_that_is_billed_is_counted() -> None:
    """Input holds the tool-use prompt, output the thoughts; modalities and the tier are kept."""
    reading = answered(ONCE, chunk({"text": "Hi"}, reason="STOP", usage=USAGE), request={"service_tier": "flex"})
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.cache_read_tokens) == (785, 779, 742, 5)
    assert (usage.input_audio_tokens, usage.output_audio_tokens, usage.cache_read_audio_tokens, usage.input_image_tokens) == (7, 30, 4, 3)
    assert usage.output_image_tokens is None
    assert (reading.service_tier, reading.service_tier_requested, reading.request_model, reading.response_id) == (
        "flex",
        "flex",
        "gemini-2.5-pro",
        "r1",
    )


def test_enums_may_come_as_numbers() -> None:
    """With enum-encoding=int finish reasons and modalities are numbers; a zero says nothing."""
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 2, "trafficType": 1, "promptTokensDetails": [{"modality": 4, "tokenCount": 1}]}
    reading = answered(ONCE, chunk({"text": "Hi"}, reason=1, usage=usage))
    assert reading.finish_reasons == ("1",)
    assert reading.usage is not None
    assert reading.usage.input_audio_tokens == 1
    assert answered(ONCE, chunk({"text": "Hi"}, reason=0)).finish_reasons == ()


def test_a_traffic_type_alone_is_no_usage() -> None:
    """Vertex sends a usage object before it has counted."""
    assert answered(ONCE, chunk({"text": "Hi"}, usage={"trafficType": "ON_DEMAND"})).usage is None


def test_thoughts_and_text_keep_apart() -> None:
    """Parts marked as thought are reasoning."""
    reading = answered(
        ONCE, chunk({"text": "hm", "thought": True}, {"text": "A"}, {"executableCode": {"code": "1"}}, {"text": "B"}, reason="STOP")
    )
    assert (reading.reasoning_text, reading.output_text) == ("hm", "AB")


@pytest.mark.parametrize("as_array", [True, False])
def test_a_stream_comes_as_events_or_as_one_array(as_array: bool) -> None:
    """Both framings read alike; usage is the last word of each field."""
    chunks = [
        chunk({"text": "A"}, usage={"promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 4}),
        chunk({"text": "B"}, reason="STOP", usage={"promptTokenCount": 3, "candidatesTokenCount": 2}),
    ]
    body = json.dumps(chunks).encode() if as_array else sse(*chunks)
    reading = answered(STREAM, body, headers=None if as_array else SSE)
    assert (reading.output_text, reading.terminal, reading.is_stream) == ("AB", True, True)
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (3, 6)


def test_a_stream_without_finish_reason_is_not_whole() -> None:
    """A cut array gives the chunks that came, and no end."""
    body = json.dumps([chunk({"text": "A"}), chunk({"text": "B"}, reason="STOP")]).encode()
    reading = answered(STREAM, body[:-60])
    assert (reading.output_text, reading.terminal) == ("A", False)


def test_an_error_inside_a_good_stream_is_an_error() -> None:
    """The last chunk may be an error object."""
    reading = answered(
        STREAM, sse(chunk({"text": "A"}), {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}), headers=SSE
    )
    assert (reading.error_type, reading.error_message, reading.terminal) == ("UNAVAILABLE", "overloaded", False)


def test_a_blocked_prompt_is_a_finish_reason() -> None:
    """No candidate was made, and the answer says why."""
    reading = answered(ONCE, {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}})
    assert (reading.finish_reasons, reading.output_text, reading.error_type) == (("SAFETY",), None, None)
    assert reading.usage is not None
    assert reading.usage.output_tokens is None


def test_several_candidates_have_a_reason_each() -> None:
    """Text is the first candidate's."""
    two = [
        {"index": 0, "finishReason": "STOP", "content": {"parts": [{"text": "A"}]}},
        {"index": 1, "finishReason": "MAX_TOKENS", "content": {"parts": [{"text": "B"}]}},
    ]
    reading = answered(ONCE, {"candidates": two})
    assert (reading.output_text, reading.finish_reasons) == ("A", ("STOP", "MAX_TOKENS"))


def test_function_calls_come_whole_or_in_pieces() -> None:
    """A call in one part, and one whose arguments are streamed by path."""
    pieces = [
        chunk({"functionCall": {"name": "whole", "args": {"a": 1}, "id": "c1"}}),
        chunk({"functionCall": {"name": "grown", "willContinue": True}}),
        chunk(
            {"functionCall": {"partialArgs": [{"jsonPath": "$.city", "stringValue": "Bos", "willContinue": True}], "willContinue": True}}
        ),
        chunk(
            {
                "functionCall": {
                    "partialArgs": [{"jsonPath": "$.city", "stringValue": "ton"}, {"jsonPath": "$.days[1].n", "numberValue": 2}],
                    "willContinue": True,
                }
            }
        ),
        chunk({"functionCall": {}}, reason="STOP"),
    ]
    reading = answered(STREAM, sse(*pieces), headers=SSE)
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in reading.tool_calls]
    assert calls == [("c1", "whole", {"a": 1}), (None, "grown", {"city": "Boston", "days": [None, {"n": 2}]})]


@pytest.mark.parametrize(
    "path", ["/v1beta/models/gemini-2.5-pro:countTokens", "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:countTokens"]
)
def test_counting_tokens_is_no_usage(path: str) -> None:
    """countTokens generates nothing."""
    reading = answered(path, {"totalTokens": 5, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}]})
    assert (reading.dialect, reading.usage, reading.request_model) == ("gemini.countTokens", None, "gemini-2.5-pro")
