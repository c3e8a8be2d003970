"""Cohere's embed, rerank and generate, and the hosts that copied rerank."""

from __future__ import annotations

import pytest

from tests.helpers.answers import answered, lines


def test_embeddings_are_billed_by_tokens_or_images() -> None:
    """Both units are kept."""
    reading = answered("/v2/embed", {"id": "e", "embeddings": {}, "meta": {"billed_units": {"input_tokens": 4}}})
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.images, reading.operation) == (4, None, "embeddings")
    images = answered("/v2/embed", {"id": "e", "embeddings": {}, "meta": {"billed_units": {"images": 2}}}).usage
    assert images is not None
    assert (images.images, images.input_tokens) == (2, None)


@pytest.mark.parametrize(
    ("body", "units", "tokens"),
    [
        ({"results": [], "meta": {"billed_units": {"search_units": 1}}}, 1, None),
        ({"object": "list", "data": [], "model": "rerank-2", "usage": {"total_tokens": 57}}, None, 57),
        ({"results": [], "usage": {"search_units": 1, "total_tokens": 9, "cost": 0.001}}, 1, 9),
    ],
)
def test_rerank_is_billed_by_searches_or_tokens(body: object, units: int | None, tokens: int | None) -> None:
    """Cohere counts searches, Voyage tokens, gateways both."""
    usage = answered("/v1/rerank", body).usage
    assert usage is not None
    assert (usage.search_units, usage.input_tokens) == (units, tokens)


def test_amazons_rerank_reports_nothing() -> None:
    """The same path on Bedrock."""
    reading = answered("/rerank", {"results": [{"index": 0, "relevanceScore": 0.5}]}, upstream="aws-bedrock")
    assert (reading.dialect, reading.usage) == ("bedrock.other", None)


def test_generate_is_a_document_or_lines() -> None:
    """Text, reasons and units of the retired API."""
    made = [{"id": "1", "text": "AB", "finish_reason": "COMPLETE"}]
    whole = {"id": "g", "generations": made, "meta": {"billed_units": {"input_tokens": 5, "output_tokens": 57}}}
    body = lines(
        {"text": "A", "is_finished": False},
        {"text": "B", "is_finished": False},
        {"is_finished": True, "finish_reason": "COMPLETE", "response": whole},
    )
    for reading in (answered("/v1/generate", whole), answered("/v1/generate", body, headers={"content-type": "application/stream+json"})):
        assert (reading.output_text, reading.finish_reasons, reading.response_id) == ("AB", ("COMPLETE",), "g")
        assert reading.usage is not None
        assert reading.usage.output_tokens == 57


def test_tokenizing_is_no_usage() -> None:
    """Bookkeeping of Cohere."""
    reading = answered("/v1/tokenize", {"tokens": [1, 2], "token_strings": ["a", "b"]}, upstream="cohere")
    assert (reading.dialect, reading.usage) == ("cohere.other", None)
