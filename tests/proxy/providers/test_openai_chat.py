"""OpenAI's chat completions: choices, calls, streams, errors and ends, as its many hosts send them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from proxy.exchange import ToolCall
from proxy.providers.openai_chat import ChatReader
from tests.helpers.answers import SSE, answered, sse

CHAT = "/v1/chat/completions"
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 1},
}


def whole(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole completion with one choice a message."""
    choices = [{"index": index, "message": message, "finish_reason": "stop"} for index, message in enumerate(messages)]
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-2024-08-06", "choices": choices} | more


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """One chunk of a stream; without a delta it has no choice."""
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06", "choices": choices} | more


def streamed(*events: Any, **facts: Any) -> Any:
    """The reading of a stream of these events."""
    return answered(CHAT, sse(*events), **({"headers": SSE} | facts))


def test_a_whole_answer() -> None:
    """Text, model, id, tier, fingerprint, usage with its parts, and no terminal event, since it is no stream."""
    document = whole(
        {"role": "assistant", "content": "Hi", "refusal": None}, usage=USAGE, service_tier="default", system_fingerprint="fp_1"
    )
    reading = answered(CHAT, document, request={"model": "gpt-4o", "service_tier": "auto"})
    assert (reading.dialect, reading.operation, reading.is_stream, reading.terminal) == ("openai.chat", "chat", False, None)
    assert (reading.request_model, reading.response_model, reading.response_id) == ("gpt-4o", "gpt-4o-2024-08-06", "chatcmpl-1")
    assert (reading.output_text, reading.finish_reasons, reading.system_fingerprint) == ("Hi", ("stop",), "fp_1")
    assert (reading.service_tier_requested, reading.service_tier) == ("auto", "default")
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (100, 30, 64, 20)
    assert (usage.input_audio_tokens, usage.output_audio_tokens, usage.cache_write_tokens) == (3, 1, None)


def test_a_stream_with_its_usage_in_a_chunk_without_choices() -> None:
    """Pieces are joined, the last usage holds, and [DONE] is the end."""
    events = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}, usage={"prompt_tokens": 100, "completion_tokens": 1})]
    reading = streamed(*events, chunk({"content": "lo"}), chunk({}, "stop"), chunk(None, usage=USAGE), "[DONE]")
    assert (reading.output_text, reading.finish_reasons, reading.terminal, reading.is_stream) == ("Hello", ("stop",), True, True)
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (100, 30)


def test_a_stream_without_usage_has_none() -> None:
    """Usage that was not asked for is unknown, and not zero."""
    assert streamed(chunk({"content": "x"}, "stop"), "[DONE]").usage is None


@pytest.mark.parametrize(("upstream", "terminal"), [("openai", False), ("writer", True)])
def test_a_stream_without_done(upstream: str, terminal: bool) -> None:
    """Without [DONE] OpenAI's stream was cut; of a host that never sends it, a finish reason is the end."""
    assert streamed(chunk({"content": "x"}), chunk({}, "stop"), upstream=upstream).terminal is terminal
    assert streamed(chunk({"content": "x"}), upstream=upstream).terminal is False


def test_tool_calls_by_index() -> None:
    """Pieces of parallel calls are put together by index, in the provider's own text."""
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    second = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "clock", "arguments": ""}}
    pieces = [(0, '{"ci'), (1, "{}"), (0, 'ty": "Rome"}')]
    events = [chunk({"tool_calls": [first]}), chunk({"tool_calls": [second]})]
    events += [chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}) for index, piece in pieces]
    reading = streamed(*events, chunk({}, "tool_calls"), "[DONE]")
    assert reading.tool_calls == (ToolCall("call_1", "weather", '{"city": "Rome"}'), ToolCall("call_2", "clock", "{}"))


@pytest.mark.parametrize(
    "deltas",
    [
        [{"id": "a", "function": {"name": "x", "arguments": "{}"}}, {"id": "b", "function": {"name": "y", "arguments": "{}"}}],
        [
            {"index": 0, "id": "a", "function": {"name": "x", "arguments": "{}"}},
            {"index": 0, "id": "b", "function": {"name": "y", "arguments": "{}"}},
        ],
        [
            {"id": "a", "function": {"name": "x", "arguments": "{"}},
            {"function": {"arguments": "}"}},
            {"id": "b", "function": {"name": "y", "arguments": {}}},
        ],
        [
            {"id": "a", "function": {"name": "x"}},
            {"id": "a", "function": {"arguments": "{}"}},
            {"id": "b", "custom": {"name": "y", "input": "{}"}},
        ],
    ],
)
def test_tool_calls_as_hosts_vary_them(deltas: list[dict[str, Any]]) -> None:
    """No index, one index for all, pieces after an id, arguments as an object, and custom tools give the same two calls."""
    reading = streamed(*(chunk({"tool_calls": [delta]}) for delta in deltas), chunk({}, "tool_calls"), "[DONE]")
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("a", "x", "{}"), ("b", "y", "{}")]


def test_a_legacy_function_call() -> None:
    """A function_call is a tool call without an id; an empty one is none."""
    reading = answered(CHAT, whole({"content": None, "function_call": {"name": "f", "arguments": "{}"}}))
    assert reading.tool_calls == (ToolCall(None, "f", "{}"),)
    assert answered(CHAT, whole({"content": "x", "function_call": {"name": "", "arguments": ""}})).tool_calls == ()


def test_several_choices() -> None:
    """The text is the first choice's; there is a finish reason for each choice, in their order, whatever order they came in."""
    reading = streamed(chunk({"content": "b"}, index=1), chunk({"content": "a"}), chunk({}, "length", index=1), chunk({}, "stop"), "[DONE]")
    assert (reading.output_text, reading.finish_reasons) == ("a", ("stop", "length"))
    assert answered(CHAT, whole({"content": "a"}, {"content": "b"})).output_text == "a"


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab", None),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}], "a", "hm"),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, {"type": "text", "text": "a"}], "a", "hm"),
        ({"name": "Ann"}, '{"name":"Ann"}', None),
        (["a", "b"], "ab", None),
        ([7, None, {}], None, None),
    ],
)
def test_content_that_is_no_text(content: Any, text: str | None, reasoning: str | None) -> None:
    """Lists of parts (Mistral, Databricks) and objects (Cloudflare) are read like text."""
    reading = answered(CHAT, whole({"content": content}))
    assert (reading.output_text, reading.reasoning_text) == (text, reasoning)


@pytest.mark.parametrize(
    "message",
    [
        {"content": "a", "reasoning_content": "hm"},
        {"content": "a", "reasoning": "hm"},
        {"content": "a", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"content": "a", "reasoning_details": [{"type": "reasoning.summary", "summary": "h"}, {"type": "reasoning.text", "text": "m"}]},
    ],
)
def test_reasoning_is_read_once(message: dict[str, Any]) -> None:
    """Hosts have three places for reasoning, and some fill two of them."""
    assert answered(CHAT, whole(message)).reasoning_text == "hm"


def test_refusal_and_audio() -> None:
    """A refusal stands apart from the text; spoken answers give their transcript."""
    assert answered(CHAT, whole({"content": None, "refusal": "No."})).refusal == "No."
    assert answered(CHAT, whole({"content": None, "audio": {"transcript": "Hi"}})).output_text == "Hi"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"message": "m", "type": "server_error"}}, "server_error"),
        ({"id": "x", "choices": [{"delta": {"content": ""}, "finish_reason": "error"}], "error": {"code": 502, "message": "m"}}, "502"),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "BadRequestError"),
        ({"error": "m", "error_type": "generation"}, "generation"),
        ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "m"}}, "1008"),
        ({"choices": [{"index": 0, "delta": {}, "error": {"message": "m", "code": "upstream"}}]}, "upstream"),
    ],
)
def test_an_error_inside_a_stream(event: dict[str, Any], kind: str) -> None:
    """Whatever its shape, an error inside a 200 stream is an error, and the stream did not end well, [DONE] or not."""
    reading = streamed(chunk({"content": "x"}), event, "[DONE]")
    assert (reading.error_type, reading.error_message, reading.terminal, reading.output_text) == (kind, "m", False, "x")


def test_an_error_event_that_is_no_json() -> None:
    """An SSE event named error whose data is plain text is an error."""
    reading = answered(CHAT, b"event: error\ndata: overloaded\n\n", headers=SSE)
    assert (reading.error_type, reading.error_message) == ("error", "overloaded")


def test_an_http_error() -> None:
    """A failed request's body tells the error; Azure's content filter is named by its code."""
    error = {"error": {"message": "m", "type": None, "param": "prompt", "code": "content_filter", "status": 400}}
    reading = answered(CHAT, error, status=400)
    assert (reading.error_type, reading.error_message, reading.is_stream) == ("content_filter", "m", False)
    assert answered(CHAT, b"<html>Bad gateway</html>", status=502, headers={"content-type": "text/html"}).error_type == "502"


def test_usage_that_groq_puts_elsewhere() -> None:
    """x_groq.usage is read where there is no usage."""
    reading = streamed(chunk({}, "stop", x_groq={"id": "r", "usage": {"prompt_tokens": 4, "completion_tokens": 2}}), "[DONE]")
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (4, 2)


def test_a_gateways_cost() -> None:
    """Vercel tells the cost beside the usage, as text."""
    metadata = {"gateway": {"cost": "0.000543", "marketCost": "0.1"}}
    reading = streamed(chunk({"provider_metadata": metadata}, "stop"), chunk(None, usage=USAGE), "[DONE]")
    assert reading.reported_cost_usd == Decimal("0.000543")


def test_metrics_of_local_servers() -> None:
    """vLLM's metrics and llama.cpp's timings are kept as they are."""
    assert answered(CHAT, whole({"content": "a"}, metrics={"time_to_first_token_ms": 12.5})).metrics == '{"time_to_first_token_ms":12.5}'
    assert streamed(chunk({}, "stop", timings={"prompt_n": 3}), "[DONE]").metrics == '{"prompt_n":3}'


def test_perplexity_sends_both_kinds_of_content() -> None:
    """A whole answer's empty delta and a stream's repeated message change nothing."""
    choice = {"index": 0, "message": {"content": "1 2"}, "delta": {"content": ""}, "finish_reason": "stop"}
    assert answered(CHAT, {"id": "p", "choices": [choice]}).output_text == "1 2"
    assert streamed(chunk({"content": "1 2"}), {"id": "p", "choices": [choice]}, upstream="perplexity").output_text == "1 2"


def test_snowflake_cortex_has_no_end_of_its_own() -> None:
    """Its stream cannot tell a whole answer from a cut one."""
    body = sse(
        {"choices": [{"delta": {"type": "text", "content": "a", "text": "a"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    )
    reading = answered("/api/v2/cortex/inference:complete", body, upstream="snowflake", headers=SSE)
    assert (reading.output_text, reading.terminal, reading.is_stream) == ("a", None, True)


def test_it_is_recognised_by_its_looks() -> None:
    """Chunks and answers are known on any path; lists and other documents are not."""
    assert ChatReader.recognises(chunk({"content": "x"}))
    assert ChatReader.recognises({"choices": [{"message": {"content": "x"}}]})
    assert not any(map(ChatReader.recognises, [None, [], {}, {"choices": []}, {"choices": [3]}, {"choices": [{"text": "x"}]}]))
    assert answered("/serving-endpoints/x/invocations", whole({"content": "x"})).output_text == "x"
