"""Puts what people and judges said (feedback, scores, labels …) into the table it names; an unknown name is kept in `records`."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb
import orjson
import pyarrow as pa

from proxy.log import rollups
from proxy.log.columns import CORRECTABLE, TEXT, TIME
from proxy.log.rows import Scrub
from proxy.spool.frames import Record

TABLES: Final = (
    "feedback",
    "scores",
    "labels",
    "flags",
    "contexts",
    "golden_cases",
    "judge_runs",
    "score_items",
    "releases",
    "alerts",
    "reprices",
    "readings_history",
    "notifications",
    "silences",
    "gate_runs",
    "gate_results",
)

STAMP: Final = "loaded_at"
"""The one column that no record says of itself."""


@dataclass(frozen=True, slots=True)
class Said:
    """One record, ready for its table."""

    record_id: bytes
    at_us: int
    name: str
    content: dict[str, Any] | None  # None: no JSON object
    text: str


def said(record: Record, scrub: Scrub) -> Said:
    """A record as it is stored: secrets out, JSON read."""
    text = scrub.text(record.json.decode("utf-8", "replace"))
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        content = None
    return Said(record.record_id, record.at_ns // 1000, record.name, content if isinstance(content, dict) else None, text)


def store(db: duckdb.DuckDBPyConnection, records: list[Said], stamp: datetime | None = None) -> None:
    """Insert records; one that is in the log already (its id is) changes nothing. Runs inside the caller's transaction.

    stamp: when they come into the log, for the tables that keep it.
    """
    groups: dict[str, dict[bytes, Said]] = defaultdict(dict)
    for record in records:
        known = record.name in TABLES and record.content is not None
        groups[record.name if known else "records"][record.record_id] = record
    for table, group in groups.items():
        _store(db, table, list(group.values()), stamp)


def _store(db: duckdb.DuckDBPyConnection, table: str, group: list[Said], stamp: datetime | None) -> None:
    described = db.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE table_name = ? AND database_name = current_database() ORDER BY column_index",
        [table],
    ).fetchall()
    types = {name: kind for name, kind in described if name not in ("record_id", "created_at")}
    stamped = types.pop(STAMP, None) is not None
    arrays: dict[str, pa.Array] = {
        "record_id": pa.array([str(uuid.UUID(bytes=record.record_id)) for record in group], TEXT),
        "created_at": pa.array([record.at_us for record in group], TIME),
    }
    if table == "records":
        values: dict[str, list[str | None]] = {"name": [record.name for record in group], "content": [record.text for record in group]}
    else:
        values = {name: [_text((record.content or {}).get(name)) for record in group] for name in types if name != "properties"}
        values["properties"] = [_rest(record.content or {}, types) for record in group]
    for name, column in values.items():
        arrays[name] = pa.array([None if value is None else value.encode("utf-8", "replace").decode() for value in column], TEXT)
    names = ", ".join([f'"{name}"' for name in arrays] + [STAMP] * stamped)
    casts = ", ".join(
        ["CAST(record_id AS UUID)", "created_at", *(f'TRY_CAST("{name}" AS {types[name]})' for name in values)]
        + ["CAST(? AS TIMESTAMPTZ)"] * stamped,
    )
    db.register("arriving", pa.table(arrays))
    try:
        new = f"FROM arriving WHERE CAST(record_id AS UUID) NOT IN (SELECT record_id FROM {table} WHERE record_id IS NOT NULL)"  # noqa: S608
        fresh = db.execute(f"SELECT record_id {new}").fetchall()
        db.execute(f"INSERT INTO {table} ({names}) SELECT {casts} {new}", [stamp] if stamped else None)
    finally:
        db.unregister("arriving")
    record_ids = [row[0] for row in fresh]
    if table == "readings_history" and fresh:
        rollups.take_out(db, record_ids)
        _correct(db, record_ids)
        rollups.put_in(db, record_ids)
    rollups.say(db, table, record_ids)


def _correct(db: duckdb.DuckDBPyConnection, record_ids: list[str]) -> None:
    """Bring what was read again into `exchanges`; the values before stay in the history."""
    described = db.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'exchanges' AND database_name = current_database()"
    ).fetchall()
    types = {name: kind for name, kind in described if name in CORRECTABLE}
    values = ", ".join(
        f'"{name}" = CASE WHEN json_exists(h.after, \'$.{name}\') THEN TRY_CAST({_taken(name, kind)} AS {kind}) ELSE e."{name}" END'
        for name, kind in types.items()
    )
    db.execute(
        f"UPDATE exchanges e SET {values} FROM readings_history h "  # noqa: S608  names of our own
        "WHERE h.exchange_id = e.exchange_id AND h.record_id IN (SELECT CAST(unnest(?) AS UUID))",
        [record_ids],
    )


def _taken(name: str, kind: str) -> str:
    return f"(h.after -> '$.{name}')" if kind.endswith("[]") else f"(h.after ->> '$.{name}')"


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _rest(content: dict[str, Any], types: dict[str, str]) -> str | None:
    """What no column takes, as JSON; `properties` as given is part of it."""
    rest = {name: value for name, value in content.items() if name not in types}
    given = content.get("properties")
    if isinstance(given, dict):
        rest = {**given, **rest}
    elif given is not None:
        rest["properties"] = given
    return orjson.dumps(rest).decode() if rest else None
