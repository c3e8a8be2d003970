"""One captured exchange, its reading and its price become the rows of the log. Pure: no file, no clock, no database."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

import orjson

from proxy.exchange import Captured, Ending, Reading, Usage
from proxy.log.columns import money
from proxy.log.metadata import FIELDS, Metadata, metadata
from proxy.streams.encoding import Decoder

BASE64: Final = "base64"  # the body's bytes are no text
OPAQUE: Final = "base64;encoded"  # nor could their content-encoding be undone: these are the bytes that passed

MESSAGES: Final = "messages"  # of a WebSocket session: both sides' messages as JSON lines
WITHHELD: Final = "withheld"  # a secret stands in it in pieces (cut up by a stream), so none of it is kept


class Price(Protocol):
    """What pricing says of one exchange."""

    @property
    def cost_usd(self) -> Decimal | None:
        """Dollars; None = not known."""

    @property
    def source(self) -> str | None:
        """Which price list."""

    @property
    def version(self) -> str | None:
        """Of the price list."""

    @property
    def hash(self) -> str | None:
        """Of the prices that were used."""

    @property
    def unknown(self) -> str | None:
        """Why there is no cost, where there is none."""


class Scrub(Protocol):
    """Takes secrets out of the copy that is stored."""

    def text(self, text: str) -> str:
        """The same without secrets; the very same object where there are none."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange put together from its frames: what was captured, and the facts beside the bytes."""

    exchange_id: bytes
    captured: Captured
    api_key_hash: str | None
    url_metadata: str
    host: str
    worker: str
    ending: Ending
    first_chunk_after_ns: int | None  # since accepted
    ended_after_ns: int | None  # since accepted; None: nobody saw the end
    request_bytes: int  # that passed
    response_bytes: int
    request_sha256: str | None  # hex, of the bytes that passed; None: not all of them are here
    response_sha256: str | None
    error_type: str | None  # the lane's
    error_message: str | None
    request_omitted: bool = False  # kept out of the spool at the client's wish
    response_omitted: bool = False
    websocket: bool = False
    pieces: tuple[tuple[int, int, bytes], ...] = ()  # of a WebSocket session: direction, ns since accepted, raw frames; in order


class Texts(NamedTuple):
    """What was read as text, as it is stored."""

    output_text: str | None
    reasoning_text: str | None
    refusal: str | None
    error_message: str | None
    tool_calls: str | None  # JSON
    scrubbed: bool  # something was taken out


def texts(exchange: Exchange, reading: Reading, scrub: Scrub) -> Texts:
    """The texts of one exchange with the secrets out."""
    found = (
        reading.output_text,
        reading.reasoning_text,
        reading.refusal,
        reading.error_message or exchange.error_message,
        tool_calls_json(reading),
    )
    output, reasoning, refusal, error, tools = clean = [scrub.text(text) if text else text for text in found]
    return Texts(output, reasoning, refusal, error, tools, any(one is not other for one, other in zip(clean, found, strict=True)))


def exchange_row(exchange: Exchange, reading: Reading, price: Price, scrub: Scrub, stored: Texts) -> tuple[Any, ...]:
    """The row of `exchanges`, in the order of columns.EXCHANGES."""
    captured = exchange.captured
    said = metadata(captured.request_headers, exchange.url_metadata)
    usage = reading.usage or _NO_USAGE
    accepted_us = captured.accepted_at_ns // 1000
    ended_ns = exchange.ended_after_ns
    first_ns = exchange.first_chunk_after_ns
    return (
        exchange.exchange_id,
        accepted_us,
        None if ended_ns is None else accepted_us + ended_ns // 1000,
        captured.upstream or None,
        reading.dialect,
        reading.operation,
        captured.method or None,
        captured.path or None,
        captured.status,
        ending(exchange, reading).value,
        reading.is_stream,
        reading.request_model,
        reading.response_model,
        reading.response_id,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.input_audio_tokens,
        usage.output_audio_tokens,
        None if reading.usage is None else "estimated" if reading.usage_estimated else "provider",
        money(price.cost_usd),
        price.source,
        price.version,
        reading.service_tier,
        list(reading.finish_reasons) or None,
        stored.tool_calls,
        stored.output_text,
        stored.reasoning_text,
        reading.error_type or exchange.error_type,
        stored.error_message,
        None if ended_ns is None else ended_ns / 1e6,
        None if first_ns is None else first_ns / 1e6,
        len(reading.turns) if exchange.websocket else None,
        exchange.request_bytes,
        exchange.response_bytes,
        exchange.request_sha256,
        exchange.response_sha256,
        exchange.api_key_hash,
        *_said(said, scrub),
        reading.system_fingerprint,
        captured.query or None,
        captured.upstream_url or None,
        exchange.host,
        exchange.worker,
        said.user_agent,
        reading.batch,
        reading.speed,
        reading.service_tier_requested,
        money(reading.reported_cost_usd),
        price.hash,
        price.unknown if price.cost_usd is None else None,
        usage.raw,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.cache_read_audio_tokens,
        usage.input_image_tokens,
        usage.output_image_tokens,
        usage.web_searches,
        usage.search_units,
        usage.audio_seconds,
        usage.pages,
        usage.images,
        usage.characters,
        stored.refusal,
        reading.terminal,
        reading.metrics,
        reading.unread,
        captured.request_truncated,
        captured.response_truncated,
        headers_json(captured.request_headers, scrub),
        headers_json(captured.response_headers, scrub),
    )


_NO_USAGE: Final = Usage()


def _said(said: Metadata, scrub: Scrub) -> tuple[Any, ...]:
    """Columns `feature` to `retry_of`, in the table's order; a client's words can hold a secret as well as any."""
    clean: Callable[[str], str] = scrub.text
    words = "\n".join([*filter(None, (getattr(said, name) for name in FIELDS)), *said.properties, *said.properties.values()])
    if clean(words) is words:
        clean = str
    properties = [(clean(key), clean(value)) for key, value in said.properties.items()]
    if len({key for key, _ in properties}) < len(properties):
        properties = list(dict(properties).items())  # two names that differ in a secret alone
    return (
        clean(said.feature) if said.feature else None,
        clean(said.user_id) if said.user_id else None,
        clean(said.session_id) if said.session_id else None,
        clean(said.task) if said.task else None,
        clean(said.prompt_version) if said.prompt_version else None,
        clean(said.environment) if said.environment else None,
        properties,
        said.trace_id,
        said.span_id,
        clean(said.purpose) if said.purpose else "app",
        clean(said.retry_of) if said.retry_of else None,
    )


def ending(exchange: Exchange, reading: Reading) -> Ending:
    """The lane's ending, corrected by the dialect: an answer that closed cleanly before its terminal event is not complete."""
    whole = not (exchange.captured.response_truncated or exchange.response_omitted)
    if exchange.ending is Ending.COMPLETE and reading.terminal is False and whole:
        return Ending.UPSTREAM_ERROR if reading.error_type else Ending.PARTIAL
    return exchange.ending


def tool_calls_json(reading: Reading) -> str | None:
    """`[{id, name, arguments}]`, arguments as the provider's text; None where there are none."""
    if not reading.tool_calls:
        return None
    return _json([{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reading.tool_calls])


def headers_json(headers: tuple[tuple[str, str], ...], scrub: Scrub) -> str | None:
    """Headers as a JSON object; a name that came twice has its values joined as HTTP allows."""
    if not headers:
        return None
    merged: dict[str, str] = {}
    for name, value in headers:
        merged[name] = f"{merged[name]}, {value}" if name in merged else value
    return scrub.text(_json(merged))


def body_row(exchange: Exchange, scrub: Scrub, *, withhold: bool = False, messages: str | None = None) -> tuple[Any, ...] | None:
    """The row of `bodies`, in the order of columns.BODIES; None where nothing is to be kept.

    withhold: do not keep the answer (see WITHHELD). messages: of a WebSocket session, its messages as JSON lines, which stand in for
    both bodies' raw frames.
    """
    captured = exchange.captured
    if exchange.websocket:
        if not messages:
            return None
        kept, coding = (None, WITHHELD) if withhold else (scrub.text(messages), MESSAGES)
        return exchange.exchange_id, captured.accepted_at_ns // 1000, None, kept, None, coding
    request, request_coding = stored(captured.request_body, captured.request_headers, scrub)
    response, response_coding = (None, WITHHELD) if withhold else stored(captured.response_body, captured.response_headers, scrub)
    if request is None and response is None and not withhold:
        return None
    return exchange.exchange_id, captured.accepted_at_ns // 1000, request, response, request_coding, response_coding


def stored(body: bytes, headers: tuple[tuple[str, str], ...], scrub: Scrub) -> tuple[str | None, str | None]:
    """A body as it is kept, and its coding: None = text with its content-encoding undone, else BASE64 or OPAQUE."""
    if not body:
        return None, None
    for name, value in headers:
        if name == "content-encoding" and value.strip().lower() not in ("", "identity"):
            decoder = Decoder(value)
            plain = decoder.feed(body)
            if decoder.broken and not plain:
                return base64.b64encode(body).decode(), OPAQUE
            body = plain
            break
    try:
        return scrub.text(body.decode()), None
    except UnicodeDecodeError:
        # Latin-1 maps each byte to one character and back, so that secrets are found in binary bodies too.
        return base64.b64encode(scrub.text(body.decode("latin-1")).encode("latin-1")).decode(), BASE64


def turn_rows(exchange_id: bytes, reading: Reading, scrub: Scrub) -> list[tuple[Any, ...]]:
    """Rows of `turns`, in the order of columns.TURNS, numbered from 1."""
    rows: list[tuple[Any, ...]] = []
    for number, turn in enumerate(reading.turns, 1):
        usage = turn.usage or _NO_USAGE
        rows.append(
            (
                exchange_id,
                number,
                turn.response_id,
                turn.response_model,
                turn.finish_reason,
                scrub.text(turn.output_text) if turn.output_text else turn.output_text,
                usage.input_tokens,
                usage.output_tokens,
                usage.cache_read_tokens,
                usage.cache_write_tokens,
                usage.reasoning_tokens,
                usage.input_audio_tokens,
                usage.output_audio_tokens,
                usage.raw,
            )
        )
    return rows


def digest(body: bytes) -> str:
    """SHA-256 in hex."""
    return sha256(body).hexdigest()


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # a lone surrogate somewhere
        return orjson.dumps(_valid(value)).decode()


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_valid(key): _valid(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_valid(item) for item in value]
    return value
