"""Which headers are kept for the log, and that what is remembered stays bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.lane.headers import FORWARD, KEEP, HeaderPolicy, connection_tokens, key_in_query, masked_query


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"x-ratelimit-remaining-tokens", True),
        (b"x-amzn-bedrock-input-token-count", True),
        (b"anthropic-ratelimit-input-tokens-reset", True),
        (b"x-request-id", True),
        (b"set-cookie", False),
        (b"x-litellm-key-spend", True),
        (b"x-ratelimit-key", False),
        (b"x-portkey-secret", False),
        (b"www-authenticate", False),
        (b"location", False),  # may be a signed URL
        (b"x-goog-upload-url", False),
        (b"x-anything-else", False),
    ],
)
def test_response_headers(name: bytes, kept: bool) -> None:
    """Counts of tokens are kept; credentials, and what nobody knows to be harmless, are not. All of them go on."""
    lower, bits = HeaderPolicy().of_response(name.title())
    assert lower == name
    assert bool(bits & KEEP) is kept
    assert bits & FORWARD


def test_memory_is_bounded() -> None:
    """Names come from clients: a flood of new ones is forgotten, and decided the same again."""
    policy = HeaderPolicy()
    first = policy.of_request(b"Accept")
    for n in range(HeaderPolicy.MAX_NAMES * 2):
        policy.of_request(b"x-%d" % n)
    policy.of_request(b"x" * 50_000)
    assert len(policy.request) <= HeaderPolicy.MAX_NAMES
    assert max(map(len, policy.request)) <= HeaderPolicy.MAX_NAME
    assert policy.of_request(b"Accept") == first


@given(
    st.sampled_from(["key", "api_key", "API-Key", "access_token", "sig", "X-Amz-Credential", "client_secret", "code"]),
    st.text("abc123", min_size=6),
)
def test_query_secrets_are_masked(name: str, value: str) -> None:
    """The value of a parameter that may carry a secret never stays, wherever it stands."""
    for query in (f"{name}={value}", f"a=1&{name}={value}&b=2", f"a=1;{name}={value}"):
        assert value.encode() not in masked_query(query.encode())
    assert masked_query(b"alt=sse&api-version=2024-10-21&limit=20") == b"alt=sse&api-version=2024-10-21&limit=20"


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        (b"%6bey=s3cret1", b"%6bey=***"),
        (b"ap%69_k%65y=s3cret1&a=b", b"ap%69_k%65y=***&a=b"),
        (b"next=https%3A%2F%2Fx%2F%3Fkey%3Ds3cret1", b"next=***"),
        (b"next=https%3A%2F%2Fx%2F%3Falt%3Dsse", b"next=https%3A%2F%2Fx%2F%3Falt%3Dsse"),
        (b"key=", b"key="),
        (b"key", b"key"),
        (b"", b""),
        (b"&&;a=%zz&%=1", b"&&;a=%zz&%=1"),
    ],
)
def test_names_count_as_they_read(query: bytes, masked: bytes) -> None:
    """Escapes in a name hide nothing, nor does a URL within a value; what is no secret stays byte for byte."""
    assert masked_query(query) == masked


def test_key_in_query_and_connection_tokens() -> None:
    """Gemini's key is found in the query; tokens of Connection lose case and space."""
    assert key_in_query(b"alt=sse&key=AIza1") == b"AIza1"
    assert key_in_query(b"monkey=1") == b""
    assert connection_tokens(b" Keep-Alive , X-A,,") == {b"keep-alive", b"x-a"}
