"""Which headers go on and which are kept for the log, decided once a name and then looked up.

Kept is an allow-list: what is not known to be harmless never reaches the spool. Names are compared in lower case; what goes on
keeps its spelling, its order and its duplicates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from config.options import is_secret_name

# What to do with a request header: bits of one number, so that a header costs one look-up.
FORWARD: Final = 1
KEEP: Final = 2
NOTE: Final = 4  # the lane itself reads it (framing, upgrade, omit, credentials)

HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
     b"transfer-encoding", b"upgrade")
)  # fmt: skip
"""RFC 9110, 7.6.1; what the Connection header names is hop-by-hop too."""

OWN_PREFIX: Final = b"goldwash-"
KEY_HEADER: Final = b"goldwash-key"
"""Where a client shows its proxy key; it goes neither on nor into the log."""

CREDENTIALS: Final = (
    b"authorization", b"api-key", b"x-api-key", b"x-goog-api-key", b"ocp-apim-subscription-key", b"sec-websocket-protocol",
    b"x-amz-security-token", b"cookie",
)  # fmt: skip
"""Where provider keys stand; the first four and the query tell which key was used, as a keyed hash."""

_NOTED_REQUEST: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"host", b"expect", b"goldwash-omit",
     b"helicone-omit-request", b"helicone-omit-response", b"authorization", b"api-key", b"x-api-key", b"x-goog-api-key",
     b"ocp-apim-subscription-key", b"sec-websocket-protocol", KEY_HEADER, b"origin", b"sec-fetch-site")
)  # fmt: skip

_KEPT_REQUEST: Final = frozenset(
    (b"accept", b"accept-encoding", b"accept-language", b"content-type", b"content-encoding", b"user-agent",
     b"anthropic-version", b"anthropic-beta", b"openai-beta", b"openai-organization", b"openai-project", b"x-request-id",
     b"idempotency-key", b"traceparent", b"tracestate", b"baggage", b"x-title", b"x-openrouter-title", b"http-referer",
     b"x-goog-api-client", b"x-goog-user-project", b"x-client-name", b"amz-sdk-invocation-id", b"amz-sdk-request", b"x-wait",
     b"sec-websocket-extensions", b"sec-websocket-version", b"x-ms-client-request-id", b"x-bt-parent", b"prefer", b"x-initiator")
)  # fmt: skip

# Families whose members describe a request and carry no secret, less the members that do.
_KEPT_REQUEST_PREFIXES: Final = (
    b"goldwash-", b"x-stainless-", b"helicone-", b"x-portkey-", b"x-litellm-", b"x-amzn-bedrock-", b"x-vertex-ai-", b"x-fern-",
)  # fmt: skip
_KEPT_RESPONSE: Final = frozenset(
    (b"content-type", b"content-encoding", b"date", b"server", b"via", b"age", b"etag", b"retry-after",
     b"retry-after-ms", b"request-id", b"x-request-id", b"x-should-retry", b"cf-ray", b"cf-cache-status", b"x-cache", b"openai-model",
     b"openai-organization", b"openai-processing-ms", b"openai-version", b"apim-request-id", b"azureml-model-session",
     b"azureai-requested-tier", b"azureai-processed-tier", b"x-ms-region", b"x-ms-served-model", b"x-ms-deployment-name",
     b"x-ms-client-request-id", b"x-ms-rai-invoked", b"x-ms-is-spilled-over", b"mistral-correlation-id", b"inference-id",
     b"num_chars", b"num_tokens", b"num-chars", b"num-tokens", b"prompt-token-len", b"sampling-token-len", b"x-api-warning",
     b"x-generation-id", b"x-gemini-service-tier", b"x-zero-data-retention", b"x-debug-trace-id", b"x-trace-id",
     b"x-cloud-trace-context", b"x-amzn-requestid", b"x-amzn-errortype", b"x-amzn-invoked-production-variant", b"x-amzn-trace-id",
     b"x-inference-provider", b"x-inference-time", b"x-queue-time", b"x-total-time", b"x-compute-time", b"x-compute-type",
     b"x-compute-characters", b"x-global-transaction-id", b"x-databricks-org-id", b"x-envoy-upstream-service-time",
     b"x-kong-upstream-latency", b"x-kong-proxy-latency", b"server-timing", b"traceresponse", b"helicone-id", b"helicone-cache",
     b"pydantic-ai-gateway-price-estimate", b"sec-websocket-extensions", b"x-region", b"x-ppl-region", b"x-goog-request-id")
)  # fmt: skip

_KEPT_RESPONSE_PREFIXES: Final = (
    b"x-ratelimit-", b"ratelimit", b"x-ratelimitbysize-", b"anthropic-ratelimit-", b"anthropic-priority-", b"x-amzn-bedrock-",
    b"x-metrics-", b"x-litellm-", b"x-portkey-", b"x-bt-", b"cf-aig-", b"x-vercel-", b"x-groq-", b"x-openrouter-", b"fireworks-",
)  # fmt: skip


def _harmless(name: bytes, exact: frozenset[bytes], prefixes: tuple[bytes, ...]) -> bool:
    if name in exact:
        return True
    return name.startswith(prefixes) and not is_secret_name(name.decode("latin-1"))


class HeaderPolicy:
    """Name as sent → (name in lower case, bits). Remembers what it decided, up to a bound: names come from clients."""

    MAX_NAMES: Final = 4096
    MAX_NAME: Final = 64  # bytes: longer ones are decided each time

    def __init__(self, also_kept: Iterable[str] = ()) -> None:
        """`also_kept`: names an operator allows in the log, requests and responses alike; the configuration refuses secret ones."""
        self._also = frozenset(name.lower().encode() for name in also_kept)
        self.request: dict[bytes, tuple[bytes, int]] = {}
        self.response: dict[bytes, tuple[bytes, int]] = {}

    def of_request(self, name: bytes) -> tuple[bytes, int]:
        """Decide for a request header."""
        lower = name.lower()
        bits = 0
        if lower not in HOP_BY_HOP and lower != b"host" and not lower.startswith(OWN_PREFIX):
            bits |= FORWARD
        if lower in _NOTED_REQUEST:
            bits |= NOTE
        if lower in self._also or _harmless(lower, _KEPT_REQUEST, _KEPT_REQUEST_PREFIXES):
            bits |= KEEP
        return self._remember(self.request, name, lower, bits)

    def of_response(self, name: bytes) -> tuple[bytes, int]:
        """Decide for a response header."""
        lower = name.lower()
        bits = 0
        if lower not in HOP_BY_HOP and lower != b"goldwash-id":
            bits |= FORWARD
        if lower in (b"content-length", b"transfer-encoding", b"connection"):
            bits |= NOTE
        if lower in self._also or _harmless(lower, _KEPT_RESPONSE, _KEPT_RESPONSE_PREFIXES):
            bits |= KEEP
        return self._remember(self.response, name, lower, bits)

    def _remember(self, known: dict[bytes, tuple[bytes, int]], name: bytes, lower: bytes, bits: int) -> tuple[bytes, int]:
        if len(name) <= self.MAX_NAME:
            if len(known) >= self.MAX_NAMES:
                known.clear()
            known[bytes(name)] = lower, bits
        return lower, bits


_SECRET_PARAMETER: Final = re.compile(rb"(?i)key|token|secret|sig|auth|credential|passw|passphrase|code|session|jwt|assertion")
"""What stands in the name of a query parameter whose value may be a secret."""
_SEPARATED: Final = re.compile(rb"([&;])")
_KEY_NAMES: Final = frozenset((b"key", b"api_key", b"api-key", b"apikey"))
_NESTED: Final = re.compile(rb"[?&;]")


def masked_query(query: bytes) -> bytes:
    """The query with the value of every parameter that may carry a secret replaced; names count as they read when decoded.

    So does a value that is a URL or a query of its own, escaped (`?next=https%3A%2F%2Fhost%2F%3Fkey%3D…`).
    """
    parts = _SEPARATED.split(query)
    for at in range(0, len(parts), 2):
        name, equals, value = parts[at].partition(b"=")
        if equals and value and (is_secret_parameter(name) or (b"%" in value and _holds_secret(unquote_to_bytes(value)))):
            parts[at] = name + b"=***"
    return b"".join(parts)


def is_secret_parameter(name: bytes) -> bool:
    """Whether a parameter of this name, escaped or not, may carry a secret."""
    return bool(_SECRET_PARAMETER.search(unquote_to_bytes(name) if b"%" in name else name))


def _holds_secret(text: bytes) -> bool:
    return b"=" in text and any(is_secret_parameter(part.partition(b"=")[0]) for part in _NESTED.split(text) if b"=" in part)


def key_in_query(query: bytes) -> bytes:
    """The provider key in a query (Gemini's `key=`), or b""."""
    for part in _SEPARATED.split(query)[::2]:
        name, _, value = part.partition(b"=")
        if (unquote_to_bytes(name) if b"%" in name else name).lower() in _KEY_NAMES:
            return value
    return b""


def connection_tokens(value: bytes) -> set[bytes]:
    """The tokens of a Connection header, in lower case."""
    return {token.strip().lower() for token in value.split(b",") if token.strip()}
