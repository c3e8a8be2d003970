"""Reads an exchange again from its rows and says which columns today's readers would fill otherwise. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from proxy.accounting.overrides import Overrides
from proxy.accounting.pricing import Pricer
from proxy.exchange import Captured, Reading
from proxy.log.columns import EXCHANGES, PRICE, READ, USAGE
from proxy.log.rows import Scrub, rows
from proxy.log.stored import exchange, messages
from proxy.reading import read_session

_PRICED_BY: Final = frozenset(
    (*USAGE, "usage_source", "operation", "request_model", "response_model", "service_tier", "service_tier_requested", "is_batch", "speed")
)
_AS_TEXT: Final = frozenset({"tool_calls", "usage_raw", "metrics", "cost_usd", "reported_cost_usd"})
_FACTS: Final = "provider upstream_url method path query status ending request_truncated response_truncated response_bytes"

_COLUMNS: Final = ", ".join(
    [
        "CAST(e.exchange_id AS VARCHAR) AS exchange_id",
        "CAST(epoch_ns(e.accepted_at) AS VARCHAR) AS accepted_ns",
        *(f"e.{name}" for name in _FACTS.split()),
        *(f"CAST(e.{name} AS VARCHAR) AS {name}" if name in _AS_TEXT else f"e.{name}" for name in (*READ, *PRICE)),
        "CAST(e.request_headers AS VARCHAR) AS request_headers",
        "CAST(e.response_headers AS VARCHAR) AS response_headers",
        "b.request_body, b.response_body, b.request_body_coding, b.response_body_coding",
    ]
)
QUERY: Final = f"SELECT {_COLUMNS} FROM exchanges e LEFT JOIN bodies b ON b.exchange_id = e.exchange_id"  # noqa: S608  names of our own
"""What a row must bring."""


class Rereader:
    """Today's readers and prices."""

    def __init__(self, read: Callable[[Captured], Reading], overrides: Overrides | None, scrub: Scrub) -> None:
        self._read, self._pricer, self._scrub = read, Pricer(overrides), scrub

    def changes(self, row: dict[str, Any]) -> dict[str, tuple[Any, Any]] | None:
        """Column → (as stored, as read now) where they differ; None where the body that was read is not in the log."""
        captured = exchange(row)
        if captured is None:
            return None
        said = row["response_body"] if captured.websocket else None
        if said:  # how its frames ended is not in the messages
            reading = replace(read_session(captured.captured, messages(said)), terminal=row["terminal"])
        else:
            reading = self._read(captured.captured)
        at = datetime.fromtimestamp(captured.captured.accepted_at_ns / 1e9, UTC)
        price = self._pricer.price(reading, captured.captured.upstream, captured.captured.upstream_url, at)
        fresh = rows(captured, reading, price, self._scrub, said).exchange
        values = {column.name: _plain(value) for column, value in zip(EXCHANGES, fresh, strict=True)}
        found = {name: (row[name], values[name]) for name in READ if not _same(row[name], values[name])}
        if _PRICED_BY & found.keys():
            found |= {name: (row[name], values[name]) for name in PRICE if not _same(row[name], values[name])}
        return found


def _plain(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else value


def _same(stored: Any, fresh: Any) -> bool:
    if stored == fresh:
        return True
    if isinstance(stored, str) and isinstance(fresh, str):
        try:
            return bool(orjson.loads(stored) == orjson.loads(fresh))  # JSON, and figures of dollars, by what they say
        except orjson.JSONDecodeError:
            return False
    return not stored and not fresh and stored in (None, [], "") and fresh in (None, [], "")
