"""IBM watsonx.ai."""

from __future__ import annotations

from typing import Any

from tests.helpers.answers import SSE, answered, sse

ONCE = "/ml/v1/text/generation"


def part(text: str, **more: Any) -> dict[str, Any]:
    """An answer, or an event of a stream."""
    return {"model_id": "ibm/granite", "results": [{"generated_text": text} | more]}


def test_a_document_tells_text_and_tokens() -> None:
    """Counts and the stop reason stand beside the text."""
    reading = answered(
        ONCE, part("2", generated_token_count=2, input_token_count=7, stop_reason="eos_token"), request={"model_id": "ibm/granite"}
    )
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (7, 2)
    assert (reading.output_text, reading.finish_reasons, reading.request_model) == ("2", ("eos_token",), "ibm/granite")


def test_a_stream_counts_on() -> None:
    """Counts are cumulative; the prompt is counted once; not_finished is no reason."""
    body = sse(
        part("A", generated_token_count=1, input_token_count=7, stop_reason="not_finished"),
        part("B", generated_token_count=2, input_token_count=0, stop_reason="max_tokens"),
    )
    reading = answered(ONCE + "_stream", body, headers=SSE)
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (7, 2)
    assert (reading.output_text, reading.finish_reasons, reading.terminal) == ("AB", ("max_tokens",), True)


def test_chat_is_openais_with_another_name_for_the_model() -> None:
    """model_id stands for model on both sides."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    body = {
        "id": "c",
        "model_id": "ibm/granite",
        "choices": [choice],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
    reading = answered("/ml/v1/text/chat", body, request={"model_id": "ibm/granite"})
    assert (reading.dialect, reading.request_model, reading.response_model, reading.output_text) == (
        "watsonx.chat",
        "ibm/granite",
        "ibm/granite",
        "Hi",
    )
    assert reading.usage is not None
    assert reading.usage.input_tokens == 3


def test_embeddings_count_their_input() -> None:
    """One number for all texts."""
    usage = answered("/ml/v1/text/embeddings", {"model_id": "ibm/slate", "results": [{"embedding": [0.1]}], "input_token_count": 10}).usage
    assert usage is not None
    assert usage.input_tokens == 10


def test_an_instance_page_is_bookkeeping() -> None:
    """Its token_count is the account's, not the exchange's."""
    reading = answered("/ml/v4/instances/x", {"entity": {"consumption": {"token_count": {"current": 38768}}}}, method="GET")
    assert (reading.dialect, reading.usage) == ("watsonx.other", None)
