"""Cohere's chat, both versions."""

from __future__ import annotations

from typing import Any

from tests.helpers.answers import SSE, answered, lines, sse

BILLED = {"billed_units": {"input_tokens": 7, "output_tokens": 115}, "tokens": {"input_tokens": 69, "output_tokens": 116}}


def v2(kind: str, index: int | None = None, **message: Any) -> dict[str, Any]:
    """One event of a v2 stream."""
    return {"type": kind, "index": index, "delta": {"message": message}}


def test_billed_units_are_what_counts() -> None:
    """The tokens of the hidden preamble stay in the provider's own object."""
    body = {
        "id": "c1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
        "usage": BILLED | {"cached_tokens": 5},
    }
    reading = answered("/v2/chat", body, request={"model": "command-r"})
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (7, 115, 5)
    assert usage.raw is not None
    assert '"tokens":{"input_tokens":69' in usage.raw
    assert (reading.output_text, reading.finish_reasons, reading.response_id, reading.request_model) == (
        "Hi",
        ("COMPLETE",),
        "c1",
        "command-r",
    )


def test_a_v2_stream_keeps_text_thinking_and_calls_apart() -> None:
    """Contents and calls join by their index; message-end tells usage and reason."""
    call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": ""}}
    body = sse(
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}},
        v2("tool-plan-delta", tool_plan="I will"),
        v2("content-start", 0, content={"type": "thinking", "thinking": ""}),
        v2("content-delta", 0, content={"thinking": "hm"}),
        v2("content-delta", 1, content={"text": "A"}),
        v2("content-delta", 1, content={"text": "B"}),
        v2("tool-call-start", 0, tool_calls=call),
        v2("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"a":'}}),
        v2("tool-call-delta", 0, tool_calls={"function": {"arguments": "1}"}}),
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": BILLED}},
        "[DONE]",
        named=False,
    )
    reading = answered("/v2/chat", body, headers=SSE)
    assert (reading.output_text, reading.reasoning_text, reading.finish_reasons, reading.terminal) == ("AB", "hm", ("TOOL_CALL",), True)
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("t1", "look", '{"a":1}')]
    assert reading.usage is not None
    assert reading.usage.output_tokens == 115


def test_a_v2_stream_may_end_in_an_error() -> None:
    """message-end carries the error and no end is reached."""
    body = sse(
        v2("content-delta", 0, content={"text": "A"}), {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "broken"}}
    )
    reading = answered("/v2/chat", body, headers=SSE)
    assert (reading.error_message, reading.terminal, reading.output_text) == ("broken", False, "A")
    assert answered("/v2/chat", sse(v2("content-delta", 0, content={"text": "A"})), headers=SSE).terminal is False


def test_an_error_document_is_no_answer() -> None:
    """Its `message` is a text."""
    reading = answered("/v2/chat", {"id": "x", "message": "model not found"}, status=404)
    assert (reading.error_message, reading.output_text, reading.usage) == ("model not found", None, None)


def test_a_v1_stream_is_lines() -> None:
    """text-generation lines join; stream-end holds the whole answer."""
    whole = {"text": "AB", "generation_id": "g1", "meta": BILLED, "tool_calls": [{"name": "look", "parameters": {"a": 1}}]}
    body = lines(
        {"is_finished": False, "event_type": "stream-start", "generation_id": "g1"},
        {"is_finished": False, "event_type": "text-generation", "text": "A"},
        {"is_finished": False, "event_type": "text-generation", "text": "B"},
        {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole},
    )
    reading = answered("/v1/chat", body, headers={"content-type": "application/stream+json"}, upstream="cohere")
    assert (reading.output_text, reading.finish_reasons, reading.terminal, reading.is_stream) == ("AB", ("COMPLETE",), True, True)
    assert [(call.name, call.arguments) for call in reading.tool_calls] == [("look", '{"a":1}')]
    assert reading.usage is not None
    assert reading.usage.input_tokens == 7


def test_a_v1_document() -> None:
    """The same answer in one piece, under a path nobody knows too."""
    body = {"text": "Hi", "generation_id": "g1", "finish_reason": "MAX_TOKENS", "meta": BILLED, "chat_history": []}
    for path in ("/v1/chat", "/renamed"):
        reading = answered(path, body)
        assert (reading.dialect, reading.output_text, reading.finish_reasons) == ("cohere.chat.v1", "Hi", ("MAX_TOKENS",))
