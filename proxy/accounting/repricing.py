"""Prices past rows again with today's price data, so that a better price list repairs the past while both values are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from proxy.accounting.pricing import Price, Pricer
from proxy.exchange import Reading, Turn, Usage

USAGE_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Usage) if field.name != "raw")
READING_COLUMNS: tuple[tuple[str, str], ...] = (
    *((name, name) for name in ("operation", "request_model", "response_model", "service_tier_requested", "service_tier", "speed")),
    ("is_batch", "batch"),
)
"""(column of `exchanges`, field of Reading) that a price depends on, beside the usage."""
NEEDED = frozenset({"exchange_id", "accepted_at", "provider"})
A_CHANGE = Decimal("1e-9")
"""Less than a billionth of a dollar is the rounding of a column, not another price."""


@dataclass(frozen=True, slots=True)
class Repriced:
    """One row's old and new price; the old one stays in the log as it was."""

    exchange_id: Any  # as the row holds it
    before_usd: Decimal | None
    after: Price

    @property
    def changed(self) -> bool:
        """Whether the cost is another one, becoming known or unknown included."""
        after = self.after.cost_usd
        if self.before_usd is None or after is None:
            return self.before_usd is not after
        return abs(self.before_usd - after) >= A_CHANGE


def reprice(rows: Iterable[Mapping[str, Any]], pricer: Pricer) -> Iterator[Repriced]:
    """The new price of each row, one out for each one in, in order; nothing is kept in memory.

    A row maps column names of `exchanges` to values. `exchange_id`, `provider` and `accepted_at` (a datetime) must be there (KeyError
    names what is not); of READING_COLUMNS and USAGE_COLUMNS, `upstream_url` and `cost_usd`, whatever is missing counts as unknown.
    A WebSocket session brings its rows of `turns` along under `turn_rows`, in order, as it is priced by them.
    """
    for row in rows:
        missing = NEEDED - row.keys()
        if missing:
            raise KeyError(f"a row to price again lacks {', '.join(sorted(missing))}")
        at: datetime = row["accepted_at"]
        price = pricer.price(reading_of(row), row["provider"], row.get("upstream_url") or "", at)
        before = row.get("cost_usd")
        yield Repriced(row["exchange_id"], Decimal(str(before)) if before is not None else None, price)


def reading_of(row: Mapping[str, Any]) -> Reading:
    """What pricing needs of a reading, from a row of the log; a row without any usage column set has no usage."""
    told = {field: row[column] for column, field in READING_COLUMNS if row.get(column) is not None}
    turns = tuple(Turn(None, turn.get("response_model"), _usage_of(turn), None, None) for turn in row.get("turn_rows") or ())
    return Reading(**told, usage=_usage_of(row), turns=turns)


def _usage_of(row: Mapping[str, Any]) -> Usage | None:
    counts = {name: row[name] for name in USAGE_COLUMNS if row.get(name) is not None}
    return Usage(**counts) if counts else None
