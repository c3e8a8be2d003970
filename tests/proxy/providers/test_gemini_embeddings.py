"""Google's embeddings and Vertex AI's predict."""

from __future__ import annotations

from tests.helpers.answers import answered


def test_embeddings_count_where_the_model_counts() -> None:
    """Newer models report their prompt, older ones nothing."""
    path = "/v1beta/models/gemini-embedding-2:batchEmbedContents"
    reading = answered(path, {"embeddings": [{"values": [0.1]}], "usageMetadata": {"promptTokenCount": 8}})
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.request_model) == (8, None, "gemini-embedding-2")
    assert answered(path, {"embeddings": [{"values": [0.1]}]}).usage is None


def test_predictions_count_one_by_one() -> None:
    """Each prediction of a text embedding tells its own tokens; their sum is the input."""
    counted = [{"embeddings": {"statistics": {"token_count": n, "truncated": False}, "values": [0.5]}} for n in (3, 10)]
    reading = answered("/v1/projects/p/locations/l/publishers/google/models/text-embedding-004:predict", {"predictions": counted})
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.request_model) == (13, "text-embedding-004")


def test_palm_told_text_and_tokens() -> None:
    """The retired text models are read as long as somebody's log holds them."""
    counts = {"inputTokenCount": {"totalTokens": 4}, "outputTokenCount": {"totalTokens": 6}}
    body = {"predictions": [{"candidates": [{"content": "Hi"}]}], "metadata": {"tokenMetadata": counts}}
    reading = answered("/v1/projects/p/locations/l/publishers/google/models/chat-bison:predict", body)
    assert reading.usage is not None
    assert (reading.output_text, reading.usage.input_tokens, reading.usage.output_tokens) == ("Hi", 4, 6)
