"""OpenTelemetry's GenAI names as this project says them: providers, metrics, buckets; shared by `/metrics` and the OTLP export. Pure.

Follows version 1.41 of the semantic conventions (May 2026), the last numbered one that holds GenAI; its successor, the
semantic-conventions-genai repository, has renamed the metrics in a draft without a release (see docs/telemetry.md).
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.41.0"

PROVIDERS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "aws-bedrock": "aws.bedrock",
    "aws-bedrock-agent": "aws.bedrock",
    "aws-bedrock-mantle": "aws.bedrock",
    "google": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "x-ai": "x_ai",
    "moonshotai": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
}
"""Upstreams whose well-known `gen_ai.provider.name` is another than their name here; all others keep theirs, as the conventions allow."""

TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
DURATIONS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)


class Instrument(NamedTuple):
    """A histogram of the conventions."""

    name: str
    unit: str  # UCUM
    sentence: str
    bounds: tuple[float, ...]  # upper bounds of its buckets, inclusive; one more bucket lies above the last

    @property
    def prometheus(self) -> str:
        """Its name in Prometheus, as the OpenTelemetry specification translates it."""
        return self.name.replace(".", "_") + {"s": "_seconds"}.get(self.unit, "")


TOKEN_USAGE: Final = Instrument("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", TOKENS)
DURATION: Final = Instrument("gen_ai.client.operation.duration", "s", "GenAI operation duration.", DURATIONS)
FIRST_CHUNK: Final = Instrument(
    "gen_ai.client.operation.time_to_first_chunk", "s", "Time from the request to the first chunk of a streamed answer.", DURATIONS
)
INSTRUMENTS: Final = (TOKEN_USAGE, DURATION, FIRST_CHUNK)


def provider_name(upstream: str | None) -> str:
    """`gen_ai.provider.name` of an upstream; `unknown` where a damaged frame lost it."""
    return PROVIDERS.get(upstream, upstream) if upstream else "unknown"


def server(url: str | None) -> tuple[str, int] | None:
    """(`server.address`, `server.port`) of an upstream's URL; None = not known."""
    try:
        parts = urlsplit(url or "")
        if not parts.hostname:
            return None
        return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return None


def error_type(said: str | None, status: int | None, ending: str | None) -> str | None:
    """`error.type`: what the provider or the lane called it, else the status, else how it ended; None = no error.

    A client that hung up is no error of the operation.
    """
    if said:
        return said
    if status is not None and status >= 400:
        return str(status)
    return ending if ending in ("partial", "upstream_error", "lost") else None
