"""Anthropic's retired text completions."""

from __future__ import annotations

from tests.helpers.answers import SSE, answered, sse


def piece(text: str, reason: str | None = None) -> dict[str, object]:
    """One event of the stream."""
    return {"type": "completion", "id": "compl_1", "completion": text, "stop_reason": reason, "model": "claude-2.1"}


def test_increments_join_and_the_stop_reason_ends() -> None:
    """A stream is its pieces together, whole once a stop reason came."""
    reading = answered("/v1/complete", sse(piece(" A"), {"type": "ping"}, piece("B"), piece("", "stop_sequence"), named=True), headers=SSE)
    assert (reading.output_text, reading.finish_reasons, reading.terminal) == (" AB", ("stop_sequence",), True)
    assert (reading.response_model, reading.usage) == ("claude-2.1", None)


def test_the_oldest_version_repeats_the_whole_text() -> None:
    """Before 2023-06-01 every event held all that was said so far."""
    body = sse(piece(" A"), piece(" AB", "stop_sequence"))
    assert answered("/v1/complete", body, headers=SSE, asked_with={"anthropic-version": "2023-01-01"}).output_text == " AB"


def test_an_unfinished_stream_is_not_whole() -> None:
    """No stop reason, no end."""
    assert answered("/v1/complete", sse(piece(" A")), headers=SSE).terminal is False


def test_an_error_is_told() -> None:
    """An error event inside the stream."""
    reading = answered(
        "/v1/complete", sse(piece(" A"), {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}), headers=SSE
    )
    assert (reading.error_type, reading.terminal) == ("overloaded_error", False)
