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
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.cache_read_tokens, usage.input_image_tokens) == (11, 220, 207, 4, 4)


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
