"""Deletes what is older than an operator wants to keep: bodies first, rows later, an hour of traffic at a time.

Short transactions, so that neither loading nor readers wait. Deleted space is used again by later rows; the bytes themselves are gone
from the file only when it is rewritten (see `goldwash forget`). The ledger stays, and `expired` says what left, so that `verify`
still adds up. Labels, golden cases, judge runs and alerts are people's work and history: they stay.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import duckdb

from proxy.log import rollups
from proxy.log.attach import Log
from proxy.log.bodies import TABLES

SLICE: Final = timedelta(hours=1)
OPINIONS: Final = ("feedback", "scores", "flags", "contexts", "reprices", "readings_history", "records")
"""Tables whose rows go at the age of exchanges, by the time they were made."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What one call deleted."""

    bodies: int
    rows: int
    more: bool  # time ran out before the work did


def expire(log: Log, bodies_days: int, rows_days: int, now: datetime, seconds: float = 5.0) -> Expired:
    """Delete bodies older than `bodies_days` and rows older than `rows_days`; 0 keeps for ever. Takes about `seconds` at most.

    now: with a time zone. Raises duckdb.Error, and what was deleted before stays deleted.
    """
    until = time.monotonic() + seconds
    db = log.cursor()
    bodies = rows = 0
    try:
        for days, delete in ((bodies_days, _bodies), (rows_days, _rows)):
            cutoff = now - timedelta(days=days)
            table = "bodies" if delete is _bodies else "exchanges"
            while days and (slice_ := _oldest(db, table, cutoff)) is not None:
                if time.monotonic() > until:
                    return Expired(bodies, rows, more=True)
                count = _in_transaction(db, delete, slice_)
                bodies, rows = (bodies + count, rows) if delete is _bodies else (bodies, rows + count)
            if days and delete is _rows:
                for table in OPINIONS:
                    db.execute(f"DELETE FROM {table} WHERE created_at < ?", [cutoff])  # noqa: S608  names of our own
                rollups.expire(db, cutoff)
    finally:
        db.close()
    return Expired(bodies, rows, more=False)


def _oldest(db: duckdb.DuckDBPyConnection, table: str, cutoff: datetime) -> tuple[datetime, datetime] | None:
    """The first SLICE of what is too old: (from, to); None = nothing is."""
    row = db.execute(f"SELECT min(accepted_at) FROM {table} WHERE accepted_at < ?", [cutoff]).fetchone()  # noqa: S608  names of our own
    if row is None or row[0] is None:
        return None
    return row[0], min(row[0] + SLICE, cutoff)


def _in_transaction(db: duckdb.DuckDBPyConnection, delete: Any, slice_: tuple[datetime, datetime]) -> int:
    db.execute("BEGIN")
    try:
        count: int = delete(db, slice_)
        db.execute("COMMIT")
    except duckdb.Error:
        db.execute("ROLLBACK")
        raise
    return count


def _bodies(db: duckdb.DuckDBPyConnection, slice_: tuple[datetime, datetime]) -> int:
    among = "accepted_at >= ? AND accepted_at < ?"
    count = _count(db.execute(f"SELECT count(*) FROM bodies WHERE {among}", list(slice_)))  # noqa: S608  names of our own
    for table in TABLES:
        db.execute(f"DELETE FROM {table} WHERE {among}", list(slice_))  # noqa: S608
    return count


def _rows(db: duckdb.DuckDBPyConnection, slice_: tuple[datetime, datetime]) -> int:
    among = "accepted_at >= ? AND accepted_at < ?"
    db.execute(
        "INSERT INTO expired SELECT CAST(accepted_at AT TIME ZONE 'UTC' AS DATE), host, worker, count(*), now() "  # noqa: S608  our own
        f"FROM exchanges WHERE {among} GROUP BY ALL",
        list(slice_),
    )
    db.execute(f"DELETE FROM turns WHERE exchange_id IN (SELECT exchange_id FROM exchanges WHERE {among})", list(slice_))  # noqa: S608
    _bodies(db, slice_)
    return _count(db.execute(f"DELETE FROM exchanges WHERE {among}", list(slice_)))  # noqa: S608


def _count(done: duckdb.DuckDBPyConnection) -> int:
    row = done.fetchone()
    return int(row[0]) if row else 0
