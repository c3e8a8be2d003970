"""HuggingFace's inference API and text-generation servers."""

from __future__ import annotations

from tests.helpers.answers import SSE, answered, sse


def test_text_generation_is_text() -> None:
    """An array around one text; details count what was generated."""
    body = [{"generated_text": "Hi", "details": {"finish_reason": "length", "generated_tokens": 20, "prefill": [{"id": 1}, {"id": 2}]}}]
    reading = answered("/models/meta/llama-3", body, upstream="huggingface")
    assert reading.usage is not None
    assert (reading.output_text, reading.finish_reasons, reading.usage.output_tokens, reading.usage.input_tokens) == (
        "Hi",
        ("length",),
        20,
        2,
    )
    assert reading.request_model == "meta/llama-3"


def test_other_tasks_are_no_text() -> None:
    """Scores of a masked word."""
    reading = answered(
        "/pipeline/fill-mask/bert-base-uncased", [{"score": 0.8, "token_str": "this", "sequence": "this is"}], upstream="huggingface"
    )
    assert (reading.output_text, reading.usage, reading.error_type) == (None, None, None)


def test_a_token_stream_ends_with_the_whole_text() -> None:
    """The last event repeats all; special tokens are no text."""
    first = {"token": {"id": 1, "text": "A", "special": False}, "generated_text": None}
    last = {
        "token": {"id": 2, "text": "</s>", "special": True},
        "generated_text": "A",
        "details": {"finish_reason": "eos_token", "generated_tokens": 2},
    }
    whole = answered("/generate_stream", sse(first, last), headers=SSE)
    assert (whole.output_text, whole.terminal, whole.finish_reasons) == ("A", True, ("eos_token",))
    cut = answered("/generate_stream", sse(first), headers=SSE)
    assert (cut.output_text, cut.terminal) == ("A", False)
