"""The small shapes of Bedrock's own models."""

from __future__ import annotations

from proxy.providers.bedrock_texts import Texts
from tests.helpers.answers import captured


def reader(*documents: object, streams: bool = False) -> Texts:
    """A reader that was fed these."""
    fed = Texts(captured("/model/amazon.titan-text/invoke", b""), None)
    fed.is_stream = streams
    for document in documents:
        fed.feed(None, document)
    return fed


def test_titan_counts_every_result() -> None:
    """Output tokens are the sum of the results'; text is the first one's."""
    results = [
        {"tokenCount": 9, "outputText": "A", "completionReason": "FINISH"},
        {"tokenCount": 2, "outputText": "B", "completionReason": "LENGTH"},
    ]
    reading = reader({"inputTextTokenCount": 3, "results": results}).result()
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (3, 11)
    assert (reading.output_text, reading.finish_reasons) == ("A", ("FINISH", "LENGTH"))


def test_embeddings_are_no_text() -> None:
    """Titan's tell their tokens in the body."""
    reading = reader({"embedding": [0.1], "inputTextTokenCount": 5}).result()
    assert reading.usage is not None
    assert (reading.operation, reading.usage.input_tokens, reading.usage.output_tokens, reading.output_text) == (
        "embeddings",
        5,
        None,
        None,
    )


def test_a_rerank_reports_nothing() -> None:
    """Results without text or counts."""
    reading = reader({"results": [{"index": 2, "relevance_score": 0.8}]}).result()
    assert (reading.usage, reading.output_text, reading.finish_reasons) == (None, None, ())
