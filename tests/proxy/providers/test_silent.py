"""Endpoints that ask no model for an answer."""

from __future__ import annotations

import pytest

from tests.helpers.answers import answered


@pytest.mark.parametrize(
    ("upstream", "method", "path", "dialect"),
    [
        ("anthropic", "GET", "/v1/models", "anthropic.other"),
        ("google", "GET", "/v1beta/models", "gemini.other"),
        ("google", "DELETE", "/v1beta/fileSearchStores/x", "gemini.other"),
        ("google-vertex", "DELETE", "/v1beta1/projects/p/locations/l/cachedContents/1", "gemini.other"),
        ("aws-bedrock", "POST", "/guardrail/g/version/1/apply", "bedrock.other"),
        ("cohere", "POST", "/v1/detokenize", "cohere.other"),
        ("ollama", "GET", "/api/tags", "ollama.other"),
        ("watsonx", "GET", "/ml/v1/foundation_model_specs", "watsonx.other"),
        ("replicate", "GET", "/v1/models/meta/llama-3/versions/1", "replicate.other"),
    ],
)
def test_bookkeeping_says_nothing(upstream: str, method: str, path: str, dialect: str) -> None:
    """No usage, no text, no calls, no error."""
    reading = answered(path, {"data": [], "text": "no", "usage": {"input_tokens": 1}}, upstream=upstream, method=method)
    assert (reading.dialect, reading.usage, reading.output_text, reading.tool_calls, reading.error_type) == (dialect, None, None, (), None)


def test_its_errors_are_told() -> None:
    """With the model that was asked."""
    body = {"error": {"code": 404, "message": "models/x is not found", "status": "NOT_FOUND"}}
    reading = answered("/v1beta/models/x:countTokens", body, status=404)
    assert (reading.error_type, reading.error_message, reading.request_model) == ("NOT_FOUND", "models/x is not found", "x")


def test_amazons_errors_are_told_by_a_header() -> None:
    """The body holds the message alone."""
    headers = {"content-type": "application/json", "x-amzn-errortype": "AccessDeniedException"}
    reading = answered("/model/x/count-tokens", {"message": "no"}, status=403, headers=headers)
    assert (reading.error_type, reading.error_message) == ("AccessDeniedException", "no")
