"""The columns that loading fills, in the order of their tables, and how a batch of rows becomes Arrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa

MONEY: Final = pa.decimal128(24, 12)
CENT: Final = Decimal("1e-12")
DEAREST: Final = Decimal("1e12")
TIME: Final = pa.timestamp("us", tz="UTC")
TEXT: Final = pa.string()
COUNT: Final = pa.int64()
FLAG: Final = pa.bool_()
REAL: Final = pa.float64()
ID: Final = pa.uuid()
JSON: Final = "json"  # text that DuckDB checks: what is no JSON becomes NULL and cannot fail a batch


class Column(NamedTuple):
    """A column's name, its Arrow type, and how it is cast on its way in, where it is."""

    name: str
    type: pa.DataType
    cast: str | None = None


def _columns(*groups: tuple[Any, str]) -> tuple[Column, ...]:
    return tuple(Column(name, TEXT, "JSON") if kind is JSON else Column(name, kind) for kind, names in groups for name in names.split())


EXCHANGES: Final = _columns(
    (ID, "exchange_id"),
    (TIME, "accepted_at ended_at"),
    (TEXT, "provider dialect operation method path"),
    (pa.uint16(), "status"),
    (TEXT, "ending"),
    (FLAG, "is_stream"),
    (TEXT, "request_model response_model response_id"),
    (COUNT, "input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens input_audio_tokens output_audio_tokens"),
    (TEXT, "usage_source"),
    (MONEY, "cost_usd"),
    (TEXT, "price_source price_version service_tier"),
    (pa.list_(TEXT), "finish_reasons"),
    (JSON, "tool_calls"),
    (TEXT, "output_text reasoning_text error_type error_message"),
    (REAL, "duration_ms time_to_first_chunk_ms"),
    (pa.uint32(), "turns"),
    (pa.uint64(), "request_bytes response_bytes"),
    (TEXT, "request_sha256 response_sha256 api_key_hash feature user_id session_id task prompt_version environment"),
    (pa.map_(TEXT, TEXT), "properties"),
    (TEXT, "trace_id span_id purpose retry_of system_fingerprint"),
    (TEXT, "query upstream_url host worker user_agent"),
    (FLAG, "is_batch"),
    (TEXT, "speed service_tier_requested"),
    (MONEY, "reported_cost_usd"),
    (TEXT, "price_hash cost_note"),
    (JSON, "usage_raw"),
    (COUNT, "cache_write_5m_tokens cache_write_1h_tokens cache_read_audio_tokens input_image_tokens output_image_tokens"),
    (COUNT, "web_searches search_units"),
    (REAL, "audio_seconds"),
    (COUNT, "pages images characters"),
    (TEXT, "refusal"),
    (FLAG, "terminal"),
    (JSON, "metrics"),
    (TEXT, "unread"),
    (FLAG, "request_truncated response_truncated"),
    (JSON, "request_headers response_headers"),
    (TEXT, "proxy_key"),
)
USAGE: Final = (
    "input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens cache_write_1h_tokens reasoning_tokens "
    "input_audio_tokens output_audio_tokens cache_read_audio_tokens input_image_tokens output_image_tokens web_searches search_units "
    "audio_seconds pages images characters"
).split()
"""Columns that are fields of Usage under the same name."""

READ: Final = (
    *USAGE,
    *(
        "dialect operation is_stream request_model response_model response_id usage_source service_tier finish_reasons tool_calls "
        "output_text reasoning_text system_fingerprint is_batch speed service_tier_requested reported_cost_usd usage_raw refusal terminal "
        "metrics unread"
    ).split(),
)
"""Columns that come from reading alone. The ending is not among them: the ledger counted it."""

PRICE: Final = ("cost_usd", "price_source", "price_version", "price_hash", "cost_note")

CORRECTABLE: Final = frozenset((*READ, *PRICE))
"""Columns that a better reader may fill anew."""

BODIES: Final = _columns(
    (ID, "exchange_id"), (TIME, "accepted_at"), (TEXT, "request_body response_body request_body_coding response_body_coding")
)
LARGE_BODIES: Final = _columns(
    (ID, "exchange_id"),
    (TIME, "accepted_at"),
    (pa.list_(TEXT), "request_body response_body"),
    (TEXT, "request_body_coding response_body_coding"),
)
TURNS: Final = _columns(
    (ID, "exchange_id"),
    (pa.uint32(), "turn"),
    (TEXT, "response_id response_model finish_reason output_text"),
    (COUNT, "input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens input_audio_tokens output_audio_tokens"),
    (JSON, "usage_raw"),
    (COUNT, "cache_read_audio_tokens input_image_tokens output_image_tokens"),
    (REAL, "audio_seconds"),
    (MONEY, "cost_usd"),
    (TEXT, "cost_note"),
)


def batch(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows in the order of `columns` as an Arrow table. A value that its column cannot hold becomes NULL (text: is made valid)."""
    arrays = [_array(values, column.type) for values, column in zip(zip(*rows, strict=True), columns, strict=True)]
    return pa.Table.from_arrays(arrays, names=[column.name for column in columns])


def insert(table: str, columns: Sequence[Column], source: str, *, stamped: bool = False) -> str:
    """The statement that appends the Arrow table registered as `source`. stamped: with loaded_at, its one parameter."""
    names = ", ".join([f'"{column.name}"' for column in columns] + ["loaded_at"] * stamped)
    given = [f'TRY_CAST("{column.name}" AS {column.cast})' if column.cast else f'"{column.name}"' for column in columns]
    values = ", ".join(given + ["CAST(? AS TIMESTAMPTZ)"] * stamped)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {source}"  # noqa: S608  names of our own


def money(value: Decimal | None) -> Decimal | None:
    """Dollars at the log's precision; what no bill could say is unknown."""
    if value is None or not value.is_finite() or abs(value) >= DEAREST:
        return None
    return value.quantize(CENT, ROUND_HALF_EVEN)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, type=kind)
    except (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError):
        mend = _MENDERS.get(kind, _unless_refused(kind))
        return pa.array([None if value is None else mend(value) for value in values], type=kind)


def _text(value: Any) -> str:
    """Lone surrogates come from header bytes that are no UTF-8, and from JSON: they become the replacement character."""
    return str(value).encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None


def _unless_refused(kind: pa.DataType) -> Callable[[Any], Any]:
    def mend(value: Any) -> Any:
        try:
            pa.array([value], type=kind)
        except (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError):
            return None
        return value

    return mend


_MENDERS: Final[dict[pa.DataType, Callable[[Any], Any]]] = {
    TEXT: _text,
    COUNT: _count,
    pa.list_(TEXT): lambda value: [_text(item) for item in value],
    pa.map_(TEXT, TEXT): lambda value: list({_text(key): _text(item) for key, item in value}.items()),
}
