"""Replicate's predictions."""

from __future__ import annotations

from tests.helpers.answers import SSE, answered


def test_a_started_prediction_has_used_nothing_yet() -> None:
    """It has an id, a model, and no end."""
    reading = answered(
        "/v1/predictions", {"id": "p1", "model": "meta/llama-3", "status": "starting", "error": None, "logs": ""}, status=201
    )
    assert (reading.response_id, reading.response_model, reading.usage, reading.finish_reasons, reading.error_type) == (
        "p1",
        "meta/llama-3",
        None,
        (),
        None,
    )


def test_a_finished_language_model_tells_tokens() -> None:
    """An array of pieces is the text; metrics count."""
    body = {
        "id": "p1",
        "status": "succeeded",
        "output": ["A", "B"],
        "metrics": {"predict_time": 1.5, "input_token_count": 4, "output_token_count": 2},
    }
    reading = answered("/v1/models/meta/llama-3/predictions", body)
    assert reading.usage is not None
    assert (reading.output_text, reading.finish_reasons, reading.usage.input_tokens, reading.request_model) == (
        "AB",
        ("succeeded",),
        4,
        "meta/llama-3",
    )


def test_files_are_no_text() -> None:
    """An image model gives addresses."""
    reading = answered(
        "/v1/predictions/p1", {"id": "p1", "status": "succeeded", "output": ["https://replicate.delivery/out.png"]}, method="GET"
    )
    assert (reading.output_text, reading.usage) == (None, None)


def test_a_failed_prediction_is_an_error() -> None:
    """The HTTP status says 200 all the same."""
    reading = answered("/v1/predictions/p1", {"id": "p1", "status": "failed", "error": "CUDA out of memory"}, method="GET")
    assert (reading.error_message, reading.finish_reasons) == ("CUDA out of memory", ("failed",))


def test_a_stream_ends_with_done() -> None:
    """output events are text, done ends, error breaks."""
    path = "/v1/stream/predictions/p1"
    whole = answered(path, b"event: output\ndata: A\n\nevent: output\ndata: B\n\nevent: done\ndata: {}\n\n", headers=SSE)
    assert (whole.output_text, whole.terminal) == ("AB", True)
    broken = answered(path, b'event: output\ndata: A\n\nevent: error\ndata: {"detail": "gone"}\n\n', headers=SSE)
    assert (broken.error_message, broken.terminal) == ("gone", False)
