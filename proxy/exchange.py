"""The noun of the house: one exchange as it was captured, and what was read of it.

Plain frozen values without behaviour, so that every floor can import them and nothing can come of a circle.
Unknown is None, never 0. Token words follow the OpenTelemetry `gen_ai.*` conventions.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from proxy.frozen import frozen


class Ending(StrEnum):
    """How an accepted exchange ended; each accepted exchange has exactly one."""

    COMPLETE = "complete"  # the whole answer passed, and its dialect's own terminal event with it
    PARTIAL = "partial"  # the answer began and stopped before its end
    CLIENT_GONE = "client_gone"  # the client hung up first
    UPSTREAM_ERROR = "upstream_error"  # no answer (refused, unresolvable, time-out, garbage), or an error inside a 200 stream
    LOST = "lost"  # accepted, and the worker died: what had arrived is kept


@frozen(frozen=True, slots=True)
class Captured:
    """One exchange as the lane saw it: facts and the bytes that passed, nothing understood yet.

    Header names are lower case; only allow-listed headers are here (no secret ever is).
    """

    upstream: str  # the configured name: openai, anthropic, …; becomes the column `provider`
    dialect_hint: str | None  # `dialect` of the upstream's configuration, where set
    upstream_url: str  # base URL of the upstream, without credentials
    method: str
    path: str  # as sent to the upstream, without the query: /v1/chat/completions
    query: str  # without the '?', secrets masked; '' if none
    request_headers: tuple[tuple[str, str], ...]
    request_body: bytes  # as it passed, still in its content-encoding
    request_truncated: bool  # more passed than was kept
    status: int | None  # None: no answer came
    response_headers: tuple[tuple[str, str], ...]
    response_body: bytes  # as it passed, transfer coding taken off, content-encoding still on
    response_truncated: bool
    accepted_at_ns: int = 0  # Unix time, ns


@frozen(frozen=True, slots=True)
class Usage:
    """Tokens and other billed units of one exchange; None = the provider did not say.

    input_tokens counts ALL prompt tokens (cache reads, cache writes and tool-use prompts included) and output_tokens ALL
    generated ones (reasoning included), as OpenTelemetry defines them; the other token fields are parts of these two.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None  # all cache writes, whatever their time to live
    cache_write_5m_tokens: int | None = None  # part of cache_write_tokens
    cache_write_1h_tokens: int | None = None  # part of cache_write_tokens
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cache_read_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    web_searches: int | None = None  # searches the provider bills by the call
    search_units: int | None = None  # Cohere rerank and the like
    audio_seconds: float | None = None
    pages: int | None = None
    images: int | None = None
    characters: int | None = None
    raw: str | None = None  # the provider's own usage object(s) as JSON text


@frozen(frozen=True, slots=True)
class ToolCall:
    """One tool call the answer asks the client to make (server-side tools are no tool calls)."""

    id: str | None
    name: str
    arguments: str  # the provider's text where it sends text, else its JSON


@frozen(frozen=True, slots=True)
class Turn:
    """One response inside a WebSocket session."""

    response_id: str | None
    response_model: str | None
    usage: Usage | None
    finish_reason: str | None
    output_text: str | None


@frozen(frozen=True, slots=True)
class Reading:
    """What a dialect's reader found in one exchange. Everything is optional: an unknown dialect gives an empty reading."""

    dialect: str | None = None  # openai.chat, anthropic.messages, …: the wire dialect, as in proxy/providers
    operation: str | None = None  # gen_ai.operation.name: chat, text_completion, embeddings, generate_content, …
    is_stream: bool | None = None  # the answer came as a stream of events
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    usage: Usage | None = None  # None = not reported
    usage_estimated: bool = False  # counted by us, not by the provider
    service_tier_requested: str | None = None
    service_tier: str | None = None  # as answered
    batch: bool | None = None  # billed at batch prices
    speed: str | None = None  # Anthropic 'fast'
    finish_reasons: tuple[str, ...] = ()  # the provider's own words, one a choice
    tool_calls: tuple[ToolCall, ...] = ()
    output_text: str | None = None  # first choice, all its text blocks
    reasoning_text: str | None = None
    refusal: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    terminal: bool | None = None  # stream: its terminal event was seen / was not; None: no stream, or a dialect without one
    reported_cost_usd: Decimal | None = None  # the provider's own figure
    system_fingerprint: str | None = None
    turns: tuple[Turn, ...] = ()  # WebSocket sessions only
    also_billed: tuple[Turn, ...] = ()  # model calls within the exchange that its usage leaves out (Anthropic's advisor and compaction)
    metrics: str | None = None  # vLLM's per-request metrics object as JSON text
    unread: str | None = None  # why a part could not be read
