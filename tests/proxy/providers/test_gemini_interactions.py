"""Gemini's Interactions API."""

from __future__ import annotations

from typing import Any

from tests.helpers.answers import SSE, answered, sse

PATH = "/v1beta/interactions"
USAGE = {
    "total_input_tokens": 9,
    "total_output_tokens": 13,
    "total_thought_tokens": 207,
    "total_tool_use_tokens": 2,
    "total_cached_tokens": 4,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 5}, {"modality": "image", "tokens": 4}],
}
WHOLE = {
    "id": "v1_x",
    "status": "requires_action",
    "model": "gemini-2.5-flash",
    "usage": USAGE,
    "service_tier": "standard",
    "steps": [
        {"type": "thought", "signature": "s", "summary": [{"type": "text", "text": "hm"}]},
        {"type": "model_output", "content": [{"type": "text", "text": "Hi"}]},
        {"type": "function_call", "id": "f1", "name": "look", "arguments": {"a": 1}},
    ],
}


def test_a_whole_interaction() -> None:
    """Steps become text, reasoning and calls; the status is the finish reason."""
    reading = answered(PATH, WHOLE, request={"model": "gemini-2.5-flash", "input": "Hi"})
    assert (reading.output_text, reading.reasoning_text, reading.finish_reasons) == ("Hi", "hm", ("requires_action",))
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("f1", "look", '{"a":1}')]
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.cache_read_tokens, usage.input_image_tokens) == (
        11,
        220,
        207,
        4,
        4,
    )


def events(*middle: dict[str, Any]) -> bytes:
    """A stream with steps in the middle."""
    head = {"id": "v1_x", "status": "in_progress", "model": "gemini-2.5-flash"}
    tail = head | {"status": "completed", "usage": USAGE}
    return sse(
        {"event_type": "interaction.created", "interaction": head},
        {"event_type": "interaction.status_update", "interaction_id": "v1_x", "status": "in_progress"},
        *middle,
        {"event_type": "interaction.completed", "interaction": tail},
        "[DONE]",
    )


def test_a_stream_grows_by_steps() -> None:
    """Deltas join by step; the end tells usage and status."""
    body = events(
        {"event_type": "step.start", "index": 0, "step": {"type": "thought"}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "thought_signature", "signature": "s"}},
        {"event_type": "step.start", "index": 1, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "Hi "}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "you"}},
    )
    reading = answered(PATH, body, headers=SSE)
    assert (reading.output_text, reading.finish_reasons, reading.terminal, reading.response_id) == ("Hi you", ("completed",), True, "v1_x")
    assert reading.usage is not None
    assert reading.usage.output_tokens == 220


def test_a_cut_stream_is_not_whole() -> None:
    """Without the completing event nothing ended."""
    reading = answered(PATH, events()[:150], headers=SSE)
    assert (reading.terminal, reading.finish_reasons) == (False, ())


def test_calls_are_streamed_by_their_arguments() -> None:
    """arguments_delta pieces join; a thought's summary is reasoning."""
    body = events(
        {"event_type": "step.delta", "index": 0, "delta": {"type": "thought_summary", "content": {"text": "hm"}}},
        {"event_type": "step.start", "index": 1, "step": {"type": "function_call", "id": "f1", "name": "look"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "arguments_delta", "arguments": '{"a":'}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "arguments_delta", "arguments": "1}"}},
    )
    reading = answered(PATH, body, headers=SSE)
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("f1", "look", '{"a":1}')]
    assert (reading.reasoning_text, reading.output_text) == ("hm", None)


def test_early_versions_had_contents_for_steps() -> None:
    """content.start and content.delta, outputs, interaction.complete."""
    whole = answered(PATH, {"id": "v1_x", "status": "completed", "outputs": [{"type": "thought"}, {"type": "text", "text": "Hi"}]})
    assert whole.output_text == "Hi"
    body = sse(
        {"event_type": "interaction.start", "interaction": {"id": "v1_x", "status": "in_progress"}},
        {"event_type": "content.start", "index": 0, "content": {"type": "text"}},
        {"event_type": "content.delta", "index": 0, "delta": {"type": "text", "text": "Hi"}},
        {"event_type": "content.delta", "index": 1, "delta": {"type": "function_call", "id": "f1", "name": "look", "arguments": {"a": 1}}},
        {"event_type": "interaction.complete", "interaction": {"id": "v1_x", "status": "requires_action", "usage": USAGE}},
    )
    reading = answered(PATH, body, headers=SSE)
    assert (reading.output_text, reading.finish_reasons, reading.terminal) == ("Hi", ("requires_action",), True)
    assert [(call.id, call.name, call.arguments) for call in reading.tool_calls] == [("f1", "look", '{"a":1}')]


def test_an_error_event_is_an_error() -> None:
    """A quota may end in the middle of a stream."""
    body = events()[:150].rsplit(b"data:", 1)[0] + sse({"event_type": "error", "error": {"code": "quota_exceeded", "message": "no more"}})
    reading = answered(PATH, body, headers=SSE)
    assert (reading.error_type, reading.error_message, reading.terminal) == ("quota_exceeded", "no more", False)
