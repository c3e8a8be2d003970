"""One captured exchange, its reading and its price become the rows of the log. Pure: no file, no clock, no database."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

import orjson

from proxy.exchange import Captured, Ending, Reading, Usage
from proxy.log.columns import money
from proxy.log.metadata import metadata
from proxy.streams.encoding import Decoder

BASE64: Final = "base64"  # the body's bytes are no text
OPAQUE: Final = "base64;encoded"  # nor could their content-encoding be undone: these are the bytes that passed

MESSAGES: Final = "messages"  # of a WebSocket session: both sides' messages as JSON lines
ASKED: Final = "goldwash.include_usage"
"""Property of an exchange whose usage the proxy asked for; the client neither asked nor saw it."""
WITHHELD: Final = "withheld"  # a secret stands in it in pieces (cut up by a stream), so none of it is kept


Headers = tuple[tuple[str, str], ...]
Body = tuple[str | None, str | None]  # as text, and its coding


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

    def texts(self, texts: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Each of them so; the very same object where there are none in any."""

    def knowing(self, key_hash: str) -> Scrub:
        """One that also takes out the provider key of this hash, whatever it looks like: for answers that may repeat it."""


@dataclass(slots=True)
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
    proxy_key: str | None = None  # name of the key that let it in
    usage_asked: bool = False  # by the proxy; the client did not, and has not seen it
    pieces: tuple[tuple[int, int, bytes], ...] = ()  # of a WebSocket session: direction, ns since accepted, raw frames; in order


class Rows(NamedTuple):
    """What one exchange puts into the log."""

    exchange: tuple[Any, ...]  # in the order of columns.EXCHANGES
    body: tuple[Any, ...] | None  # in the order of columns.BODIES; None: nothing is to be kept
    turns: list[tuple[Any, ...]]  # in the order of columns.TURNS, numbered from 1
    ending: Ending


def rows(
    exchange: Exchange,
    reading: Reading,
    price: Price,
    scrub: Scrub,
    messages: str | None = None,
    turn_prices: Sequence[Price | None] = (),
) -> Rows:
    """All rows of one exchange, with the secrets out.

    messages: of a WebSocket session, its messages as JSON lines, which stand in for both bodies' raw frames.
    turn_prices: what each of its turns cost, in order; left out, nothing is known of it.
    """
    captured = exchange.captured
    said = metadata(captured.request_headers, exchange.url_metadata)
    if exchange.usage_asked:
        said.properties[ASKED] = "asked"
    request, request_coding = (None, None) if exchange.websocket else plain(captured.request_body, captured.request_headers)
    answer: Body = (messages or None, MESSAGES) if exchange.websocket else plain(captured.response_body, captured.response_headers)
    how = ending(exchange, reading)
    error_type, error_message = error(exchange, reading, how)
    fixed = Texts(
        reading.output_text,
        reading.reasoning_text,
        reading.refusal,
        error_message,
        tool_calls_json(reading),
        request,
        answer[0],
        headers_json(captured.request_headers),
        headers_json(captured.response_headers),
        said.feature,
        said.user_id,
        said.session_id,
        said.task,
        said.prompt_version,
        said.environment,
        said.purpose or "app",
        said.retry_of,
        said.trace_id,
        said.user_agent,
        captured.path or None,
        captured.query or None,
        error_type,
        reading.request_model,
        reading.response_model,
        reading.response_id,
        reading.system_fingerprint,
        reading.unread,
        reading.metrics,
        reading.usage.raw if reading.usage else None,
        None if price.cost_usd is not None else price.unknown,
    )
    found = (*fixed, *said.properties, *said.properties.values(), *[turn.output_text for turn in reading.turns])
    clean = scrub.texts(found)
    texts = fixed if clean is found else Texts(*clean[: len(fixed)])
    # What a reader joined from many events may hold a secret that no pattern finds in the events themselves.
    withhold = bool(reading.is_stream) and clean is not found and clean[:_JOINED] != found[:_JOINED]
    turned = clean[len(clean) - len(reading.turns) :]
    names, values = clean[len(fixed) :][: len(said.properties)], clean[len(fixed) + len(said.properties) :][: len(said.properties)]
    properties = list(dict(zip(names, values, strict=True)).items())  # once more a dict: two names may differ in a secret alone
    return Rows(
        _exchange_row(exchange, reading, price, texts, properties, said.span_id, how),
        _body_row(exchange, (texts.request_body, request_coding), (None, WITHHELD) if withhold else (texts.response_body, answer[1])),
        _turn_rows(exchange.exchange_id, reading, turned, turn_prices) if reading.turns else [],
        how,
    )


class Texts(NamedTuple):
    """All text of one exchange that a client or a provider chose, and so may hold what is to be taken out."""

    output_text: str | None
    reasoning_text: str | None
    refusal: str | None
    error_message: str | None
    tool_calls: str | None
    request_body: str | None
    response_body: str | None
    request_headers: str | None
    response_headers: str | None
    feature: str | None
    user_id: str | None
    session_id: str | None
    task: str | None
    prompt_version: str | None
    environment: str | None
    purpose: str | None
    retry_of: str | None
    trace_id: str | None
    user_agent: str | None
    path: str | None
    query: str | None
    error_type: str | None
    request_model: str | None
    response_model: str | None
    response_id: str | None
    system_fingerprint: str | None
    unread: str | None
    metrics: str | None
    usage_raw: str | None
    cost_note: str | None


_JOINED: Final = 5  # the first so many texts of an exchange are those that a reader put together


def _exchange_row(
    exchange: Exchange,
    reading: Reading,
    price: Price,
    texts: Texts,
    properties: list[tuple[str | None, str | None]],
    span_id: str | None,
    how: Ending,
) -> tuple[Any, ...]:
    captured = exchange.captured
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
        texts.path,
        captured.status,
        how.value,
        reading.is_stream,
        texts.request_model,
        texts.response_model,
        texts.response_id,
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
        texts.tool_calls,
        texts.output_text,
        texts.reasoning_text,
        texts.error_type,
        texts.error_message,
        None if ended_ns is None else ended_ns / 1e6,
        None if first_ns is None else first_ns / 1e6,
        len(reading.turns) if exchange.websocket else None,
        exchange.request_bytes,
        exchange.response_bytes,
        exchange.request_sha256,
        exchange.response_sha256,
        exchange.api_key_hash,
        texts.feature,
        texts.user_id,
        texts.session_id,
        texts.task,
        texts.prompt_version,
        texts.environment,
        properties,
        texts.trace_id,
        span_id,
        texts.purpose,
        texts.retry_of,
        texts.system_fingerprint,
        texts.query,
        captured.upstream_url or None,
        exchange.host,
        exchange.worker,
        texts.user_agent,
        reading.batch,
        reading.speed,
        reading.service_tier_requested,
        money(reading.reported_cost_usd),
        price.hash,
        texts.cost_note,
        texts.usage_raw,
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
        texts.refusal,
        reading.terminal,
        texts.metrics,
        texts.unread,
        captured.request_truncated,
        captured.response_truncated,
        texts.request_headers,
        texts.response_headers,
        exchange.proxy_key,
    )


_NO_USAGE: Final = Usage()


def ending(exchange: Exchange, reading: Reading) -> Ending:
    """The lane's ending, corrected by the dialect: an answer that closed cleanly before its terminal event is not complete.

    Of a WebSocket session the Close frame is the terminal event: after it, it does not matter who drops the connection first.
    """
    if exchange.websocket and reading.terminal and exchange.ending is not Ending.LOST:
        return Ending.COMPLETE
    if exchange.ending is Ending.COMPLETE and reading.terminal is False:
        if exchange.captured.response_truncated or exchange.response_omitted:
            return Ending.COMPLETE  # the terminal event passed, if it did, where nothing was kept
        return Ending.UPSTREAM_ERROR if reading.error_type and not exchange.websocket else Ending.PARTIAL
    return exchange.ending


def error(exchange: Exchange, reading: Reading, how: Ending) -> tuple[str | None, str | None]:
    """Type and message: what the upstream said before what the lane saw, except where the answer was the lane's own."""
    seen = exchange.error_type, exchange.error_message
    if exchange.ending is Ending.UPSTREAM_ERROR and exchange.error_type:
        return seen
    if reading.error_type or reading.error_message:
        return reading.error_type, reading.error_message
    return (None, None) if exchange.websocket and how is Ending.COMPLETE else seen


def tool_calls_json(reading: Reading) -> str | None:
    """`[{id, name, arguments}]`, arguments as the provider's text; None where there are none."""
    if not reading.tool_calls:
        return None
    return _json([{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reading.tool_calls])


def headers_json(headers: Headers) -> str | None:
    """Headers as a JSON object; a name that came twice has its values joined as HTTP allows."""
    if not headers:
        return None
    merged = dict(headers)
    if len(merged) < len(headers):
        merged = {}
        for name, value in headers:
            merged[name] = f"{merged[name]}, {value}" if name in merged else value
    return _json(merged)


def plain(body: bytes, headers: Headers) -> Body:
    """A body as text with its content-encoding undone, and how it is stored: None = as it is, else BASE64 or OPAQUE.

    Latin-1 maps each byte of a binary body to one character and back, so that secrets are found in it too.
    """
    if not body:
        return None, None
    for name, value in headers:
        if name == "content-encoding" and value.strip().lower() not in ("", "identity"):
            decoder = Decoder(value)
            decoded = decoder.feed(body)
            if decoder.broken and not decoded:
                return body.decode("latin-1"), OPAQUE
            body = decoded
            break
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return body.decode("latin-1"), BASE64


def _kept(text: str | None, coding: str | None) -> str | None:
    if text is None or coding not in (BASE64, OPAQUE):
        return text
    return base64.b64encode(text.encode("latin-1")).decode()


def _body_row(exchange: Exchange, request: Body, response: Body) -> tuple[Any, ...] | None:
    if request[0] is None and response[0] is None and response[1] is not WITHHELD:
        return None
    accepted_us = exchange.captured.accepted_at_ns // 1000
    return exchange.exchange_id, accepted_us, _kept(*request), _kept(*response), request[1], response[1]


def _turn_rows(
    exchange_id: bytes, reading: Reading, texts: tuple[str | None, ...], prices: Sequence[Price | None]
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for number, (turn, text, price) in enumerate(zip(reading.turns, texts, prices or [None] * len(texts), strict=True), 1):
        usage = turn.usage or _NO_USAGE
        cost = money(price.cost_usd) if price else None
        rows.append(
            (
                exchange_id,
                number,
                turn.response_id,
                turn.response_model,
                turn.finish_reason,
                text,
                usage.input_tokens,
                usage.output_tokens,
                usage.cache_read_tokens,
                usage.cache_write_tokens,
                usage.reasoning_tokens,
                usage.input_audio_tokens,
                usage.output_audio_tokens,
                usage.raw,
                usage.cache_read_audio_tokens,
                usage.input_image_tokens,
                usage.output_image_tokens,
                usage.audio_seconds,
                cost,
                price.unknown if price and cost is None else None,
            )
        )
    return rows


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
