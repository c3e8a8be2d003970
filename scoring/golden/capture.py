"""Makes a candidate of a logged exchange: input, context, what was observed, redacted; or says why it cannot be replayed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from hashlib import sha256
from typing import Any, Final, NamedTuple

from scoring.golden.blobs import REFERENCE, names, taken_out
from scoring.golden.case import Call, Document, GoldenCase, Input, Observed, Redaction, Source, Split
from scoring.golden.surrogates import Surrogates
from scoring.logged import GENERATIVE, LoggedExchange

HEADERS: Final = frozenset({"anthropic-version", "anthropic-beta", "openai-beta", "content-type", "accept"})
"""Request headers that change what is answered; all others are somebody's."""
VARS: Final = "var-"
"""Properties of this prefix (header `goldwash-property-var-NAME`) are what the app rendered its prompt with."""
HELD_BY_PROVIDER: Final[dict[str, str]] = {
    "previous_response_id": "provider_held_history",
    "conversation": "provider_held_history",
    "file_id": "provider_held_file",
    "file_ids": "provider_held_file",
    "fileData": "provider_held_file",
    "file_data_uri": "provider_held_file",
    "s3Location": "provider_held_file",
    "vector_store_ids": "provider_held_store",
    "container": "provider_held_container",
    "cachedContent": "provider_held_cache",
    "cached_content": "provider_held_cache",
    "prompt_id": "provider_held_prompt",
}
"""Keys of a request whose value names something that lies with the provider, and may be gone tomorrow."""
DEEPEST: Final = 200


class NotReplayable(Exception):
    """The exchange cannot be asked again; `reason` is one word to count by."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"not_replayable ({reason}): {fix}")
        self.reason = reason


class Captured(NamedTuple):
    """A candidate, the blobs it refers to, and the surrogates that later words about it must be redacted with."""

    case: GoldenCase
    blobs: dict[str, bytes]
    surrogates: Surrogates


def capture(
    exchange: LoggedExchange,
    *,
    headers: Mapping[str, str] | None = None,
    patterns: Mapping[str, str] | None = None,
    split: Split = "regression",
) -> Captured:
    """A candidate of an exchange. patterns: an operator's own redaction (kind → RE2). Raises NotReplayable."""
    body = replayable(exchange)
    surrogates = Surrogates(patterns, (exchange.user_id, exchange.session_id))
    blobs: dict[str, bytes] = {}
    redacted = taken_out(surrogates.value(body), blobs)
    vars_ = {name.removeprefix(VARS): surrogates.value(value) for name, value in exchange.properties if name.startswith(VARS)}
    context = tuple(
        Document(
            id=surrogates.text(one.document_id or "") or None,
            text=surrogates.text(one.text),
            title=surrogates.text(one.title or "") or None,
            rank=one.rank,
            relevance=one.relevance,
            source=surrogates.text(one.source or "") or None,
        )
        for one in exchange.documents
    )
    observed = _observed(exchange, surrogates)
    case = GoldenCase(
        split=split,
        slice=exchange.feature,
        cluster=_cluster(exchange.trace_id or exchange.session_id, surrogates),
        input=Input(
            dialect=exchange.dialect,
            operation=exchange.operation,
            method=exchange.method,
            path=surrogates.text((exchange.path or "").partition("?")[0]) or None,
            headers={name: value for name, value in sorted((headers or {}).items()) if name in HEADERS},
            body=redacted,
            vars=vars_,
            attachments=tuple(names(redacted)),
        ),
        context=context,
        observed=observed,
        source=Source(
            exchange_id=exchange.exchange_id,
            captured_at=exchange.accepted_at.astimezone(UTC).isoformat(timespec="milliseconds") if exchange.accepted_at else None,
            provider=exchange.provider,
            request_model=exchange.request_model,
            response_model=exchange.response_model,
            response_id=exchange.response_id,
            trace_id=surrogates.text(exchange.trace_id or "") or None,
            span_id=exchange.span_id,
            prompt_version=exchange.prompt_version,
            feature=exchange.feature,
            task=exchange.task,
        ),
        redaction=Redaction(policies=surrogates.policies, replaced=surrogates.replaced),
    )
    return Captured(case, blobs, surrogates)


def _cluster(conversation: str | None, surrogates: Surrogates) -> str | None:
    """The conversation's name; a hash of it where it names somebody.

    Not its surrogate: those are numbered anew in each case, so that all conversations would become one, and a gate sees nothing in one.
    """
    if not conversation or surrogates.text(conversation) == conversation:
        return conversation or None
    return sha256(f"conversation\0{conversation}".encode("utf-8", "replace")).hexdigest()[:16]


def replayable(exchange: LoggedExchange) -> dict[str, Any]:
    """The request's body, if all that the model saw is in it. Raises NotReplayable."""
    if exchange.purpose not in (None, "app"):
        raise NotReplayable("not_production", f"it is traffic of purpose {exchange.purpose}, not of the product")
    if exchange.operation not in GENERATIVE:
        raise NotReplayable("no_answer_asked", f"operation {exchange.operation or 'unknown'} generates no answer that could be right")
    if exchange.request_truncated:
        raise NotReplayable("truncated", "the log holds only part of the request; raise the capture limit for such requests")
    if not exchange.request_body:
        raise NotReplayable("omitted", "the log holds no request body; bodies are kept for a shorter time than rows")
    body = exchange.request
    if exchange.request_body_coding is not None or not isinstance(body, dict):
        raise NotReplayable("not_json", "the request is no JSON object, which replay needs")
    for key, value, depth in _walk(body, 0):
        if depth > DEEPEST:
            raise NotReplayable("too_deep", f"the request is nested deeper than {DEEPEST} levels")
        held = HELD_BY_PROVIDER.get(key)
        if held is not None and value:
            raise NotReplayable(held, f"the request rests on {key}, which lies with the provider; it may be gone tomorrow")
        if isinstance(value, str) and value.startswith(REFERENCE):
            raise NotReplayable("looks_like_blob", f"a string begins with {REFERENCE}, which golden files use themselves")
        if key in ("uri", "file_uri", "fileUri", "url", "image_url") and isinstance(value, str) and _ELSEWHERE.match(value):
            raise NotReplayable("provider_held_file", f"the request rests on {value.split(':')[0]}:…, which lies with the provider")
    if isinstance(body.get("prompt"), dict):
        raise NotReplayable("provider_held_prompt", "the request names a prompt that is kept with the provider")
    return body


_ELSEWHERE: Final = re.compile(r"(?:gs|s3)://|https://generativelanguage\.googleapis\.com/")


def _observed(exchange: LoggedExchange, surrogates: Surrogates) -> Observed | None:
    if exchange.error_type is not None or (exchange.status is not None and exchange.status >= 400):
        return None  # production gave no answer
    return Observed(
        text=surrogates.text(exchange.output_text) if exchange.output_text else None,
        tool_calls=tuple(
            Call(name=surrogates.text(call.name), arguments=surrogates.text(call.arguments), id=call.call_id) for call in exchange.calls
        ),
        refusal=surrogates.text(exchange.refusal) if exchange.refusal else None,
        finish_reasons=exchange.finish_reasons,
    )


def _walk(value: Any, depth: int, key: str = "") -> Iterator[tuple[str, Any, int]]:
    stack = [(key, value, depth)]
    while stack:
        name, item, level = stack.pop()
        yield name, item, level
        if isinstance(item, dict):
            # The arguments and schemas of tools may have any keys; they name nothing that the provider holds.
            stack += [(str(inner), one, level + 1) for inner, one in item.items() if not (inner in _FREE and isinstance(one, dict | str))]
        elif isinstance(item, list):
            stack += [(name if isinstance(one, str) else "", one, level + 1) for one in item]


_FREE: Final = frozenset("arguments parameters input input_schema inputSchema json_schema args schema metadata".split())
