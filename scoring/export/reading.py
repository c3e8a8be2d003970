"""Pages of exchanges and of scores, in the order in which they came into the log, or in that of the traffic where a day is sent again.

`loaded_at` grows from commit to commit (accepted_at does not: a worker that was behind, or a spool that waited, brings older times), so
a position by it misses nothing. Rows of one commit share it; the id orders them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from proxy.service.client import Access, ServiceError

NOWHERE: Final = "00000000-0000-0000-0000-000000000000"
TOO_LARGE: Final = 413
"""Status of a result that is larger than the service gives."""
ANSWERED: Final = timedelta(days=10)
"""How long before its score an answer is looked for, as the roll-ups do."""
SETTLE: Final = timedelta(seconds=60)
"""How long a lake's rows are left alone: its log services commit at once, and the stamps of two of them may come out of order."""

_EXCHANGE: Final = """exchange_id epoch_us(accepted_at)=accepted_us epoch_us(ended_at)=ended_us epoch_us(loaded_at)=loaded_us provider
dialect operation method status ending is_stream request_model response_model response_id input_tokens output_tokens cache_read_tokens
cache_write_tokens reasoning_tokens usage_source cost_usd price_source price_version cost_note service_tier service_tier_requested
finish_reasons error_type duration_ms time_to_first_chunk_ms feature session_id task prompt_version environment trace_id span_id purpose
retry_of system_fingerprint upstream_url error_message user_id properties"""
_CONTENT: Final = "tool_calls output_text reasoning_text request_body request_body_coding"
_SCORE: Final = """record_id epoch_us(created_at)=created_us epoch_us(loaded_at)=loaded_us name kind value label passed unscored reason
scorer scorer_version fingerprint cost_usd"""


class Position(NamedTuple):
    """Up to where somebody has read: microseconds of time, and the last id at that time."""

    at_us: int
    last_id: str = NOWHERE


class Page(NamedTuple):
    """Rows, and the position after each of them."""

    rows: list[dict[str, Any]]
    full: bool  # there may be more


@dataclass(frozen=True, slots=True)
class Source:
    """What is read, from a log at hand. by: the column that orders, loaded_at or accepted_at (of scores: created_at)."""

    access: Access
    purposes: tuple[str, ...]
    host: str | None = None  # of a lake: exchanges of this machine alone, the others send theirs
    content: bool = False
    until: datetime | None = None  # what is younger is left for later

    def exchanges(self, after: Position, limit: int, by: str = "loaded_at") -> Page:
        """The next exchanges. Raises ServiceError."""
        names = _columns(_EXCHANGE, "e") + (_columns(_CONTENT, "") if self.content else [])
        bodies = "LEFT JOIN bodies b ON b.exchange_id = e.exchange_id" if self.content else ""
        query = f"SELECT {', '.join(names)} FROM exchanges e {bodies}"  # noqa: S608  names of our own
        return self._page(query, f"e.{by}", "e.exchange_id", after, limit)

    def scores(self, after: Position, limit: int, by: str = "loaded_at") -> Page:
        """The next scores, each with what places its exchange's span. Raises ServiceError."""
        names = [*_columns(_SCORE, "s"), "coalesce(s.response_id, e.response_id) AS response_id"]
        names += ["CAST(s.exchange_id AS VARCHAR) AS exchange_id", "e.trace_id", "e.span_id"]
        query = f"SELECT {', '.join(names)} FROM scores s LEFT JOIN exchanges e ON e.exchange_id = s.exchange_id"  # noqa: S608
        page = self._page(query, f"s.{'created_at' if by == 'accepted_at' else by}", "s.record_id", after, limit)
        self._place([row for row in page.rows if row["exchange_id"] is None and row["response_id"] is not None])
        return page

    def _place(self, rows: list[dict[str, Any]]) -> None:
        """Find the exchange of scores that know the provider's id of the answer alone: the newest with that id in the ten days before."""
        if not rows:
            return
        said = sorted({row["response_id"] for row in rows})
        since = min(row["created_us"] for row in rows) - int(ANSWERED.total_seconds() * 1e6)
        found = self.access.rows(
            "SELECT response_id, CAST(arg_max(exchange_id, accepted_at) AS VARCHAR) AS exchange_id, "  # noqa: S608  a number of our own
            "arg_max_null(trace_id, accepted_at) AS trace_id, arg_max_null(span_id, accepted_at) AS span_id FROM exchanges "
            f"WHERE accepted_at >= make_timestamptz({since}) AND response_id IN (SELECT unnest($said)) GROUP BY response_id",
            {"said": said},
        )
        known = {row["response_id"]: row for row in found}
        for row in rows:
            row.update(known.get(row["response_id"], {}))

    def newest(self) -> int:
        """Microseconds of the newest row's loaded_at; 0 where there is none. Raises ServiceError."""
        found = self.access.rows(
            "SELECT epoch_us(greatest((SELECT max(loaded_at) FROM exchanges), (SELECT max(loaded_at) FROM scores))) AS at_us"
        )
        return int(found[0]["at_us"] or 0)

    def _page(self, query: str, by: str, key: str, after: Position, limit: int) -> Page:
        at = f"make_timestamptz({after.at_us})"
        where = [f"{by} >= {at}", f"({by} > {at} OR {key} > CAST($last AS UUID))"]
        params: dict[str, Any] = {"last": after.last_id}
        if self.until is not None:
            where.append(f"{by} < make_timestamptz({int(self.until.timestamp() * 1e6)})")
        if self.purposes:
            where.append("coalesce(e.purpose, 'app') IN (SELECT unnest($purposes))")
            params["purposes"] = list(self.purposes)
        if self.host is not None:
            where.append("e.host = $host")
            params["host"] = self.host
        while True:
            try:
                answer = self.access.sql(f"{query} WHERE {' AND '.join(where)} ORDER BY {by}, {key} LIMIT {limit}", "jsonl", params)
            except ServiceError as error:
                if error.status != TOO_LARGE or limit == 1:
                    raise
                limit = max(limit // 4, 1)  # bodies may be large
            else:
                break
        with answer.file as file:
            rows = [_row(orjson.loads(line)) for line in file]
        return Page(rows, answer.truncated or len(rows) == limit)


def after(row: dict[str, Any], key: str, by: str = "loaded_us") -> Position:
    """The position behind a row of a page."""
    return Position(row[by], row[key])


def settled(now: datetime, *, lake: bool) -> datetime | None:
    """Up to when the log may be followed; None = all that can be seen."""
    return now.astimezone(UTC) - SETTLE if lake else None


def _columns(names: str, table: str) -> list[str]:
    prefix = f"{table}." if table else ""
    found = []
    for name in names.split():
        made, _, called = name.partition("=")
        if called:
            found.append(f"{made.replace('(', f'({prefix}')} AS {called}")
        elif name.endswith("_id") and name in ("exchange_id", "record_id"):
            found.append(f"CAST({prefix}{name} AS VARCHAR) AS {name}")
        else:
            found.append(f"{prefix}{name}")
    return found


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """JSON columns as text again, as the log holds them."""
    calls = row.get("tool_calls")
    if calls is not None and not isinstance(calls, str):
        row["tool_calls"] = json.dumps(calls, ensure_ascii=False)
    return row
