"""Aleph Alpha's completions."""

from __future__ import annotations

from tests.helpers.answers import answered


def test_a_completion_tells_text_and_tokens() -> None:
    """The tokens stand beside the completions."""
    body = {
        "completions": [{"completion": " Hi", "finish_reason": "maximum_tokens"}],
        "model_version": "v1",
        "num_tokens_prompt_total": 9,
        "num_tokens_generated": 10,
    }
    reading = answered("/complete", body, request={"model": "luminous-base"})
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (9, 10)
    assert (reading.output_text, reading.finish_reasons, reading.request_model) == (" Hi", ("maximum_tokens",), "luminous-base")


def test_older_answers_count_nothing() -> None:
    """No counts, no usage."""
    assert answered("/complete", {"completions": [{"completion": "Hi"}]}).usage is None
