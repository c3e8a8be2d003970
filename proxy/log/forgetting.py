"""Erases what the log holds of a person, an exchange or a time: the texts go, the facts that account for tokens and money stay.

Here the rows are changed; their bytes leave the file when it is written anew (see rewriting). What stays of a row is named here; a column
that nobody has named is erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import duckdb

from proxy.log import bodies
from proxy.log.attach import Log
from proxy.log.blanking import blank

TOMBSTONE: Final = "[forgotten]"
"""Stands for every forgotten user alike, so that their rows are still a group of no one."""

KEPT: Final = frozenset(
    (
        # of an exchange: what it was, by whose model, and what it cost
        "provider dialect operation method ending request_model response_model usage_source usage_raw price_source "
        "price_version price_hash cost_note service_tier service_tier_requested finish_reasons finish_reason error_type api_key_hash "
        "proxy_key feature task prompt_version environment purpose upstream_url host worker speed system_fingerprint model "
        # of an opinion: whose it is, of what kind, and what was decided
        "name kind scorer scorer_version fingerprint second_fingerprint unscored labeler origin split state flag_id run_id case_id status "
        "event by source stratum risk rubric decided_by unit item old_price_source new_price_source old_price_version new_price_version "
        "new_price_hash new_cost_note version"
    ).split()
)
"""Columns of text that stay. All other text is erased; numbers, times and yes or no stay."""
DELETED: Final = (*bodies.TABLES, "contexts", "readings_history")
"""Tables whose rows are nothing but such text."""
APART: Final = ("spool_position", "ledger", "shed", "losses", "expired", "schema_version", "records", "rollups", "rollup_scores")
"""Tables without a row for an exchange (records: anything, looked through by its text)."""
FRAGMENTS: Final = 40
"""Pieces of erased text to look for afterwards."""

_IN_RECORDS: Final = r"""
    list_has_any(regexp_extract_all(content, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'),
        coalesce((SELECT list(CAST(exchange_id AS VARCHAR)) FROM forgotten), []))
    OR EXISTS (SELECT 1 FROM forgotten_users u WHERE contains(content, to_json(u.user_id)))"""
_ROUNDS: Final = 8  # a judge's call about a replay of an exchange is three links away


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what to forget; exactly one is given."""

    user: tuple[str, ...] = ()  # the id as said, and as redaction stores it
    exchange: str | None = None  # its own id, or the provider's of its answer
    before: datetime | None = None  # with a time zone


@dataclass(slots=True)
class Found:
    """What there is of it."""

    exchanges: int = 0
    rows: dict[str, int] = field(default_factory=dict)  # table -> rows that are changed or deleted
    cases: list[str] = field(default_factory=list)  # golden cases made of these exchanges: their files are the operator's
    fragments: list[str] = field(default_factory=list)  # of the texts, to look for afterwards
    frames: int = 0  # of the spool that were blanked
    torn: int = 0  # files of damaged frames that were deleted

    @property
    def nothing(self) -> bool:
        """Whether nobody and nothing was found."""
        return not self.exchanges and not self.rows

    def json(self) -> dict[str, Any]:
        """As the admin port tells it."""
        return asdict(self)


def forget(log: Log, spool: Path, subject: Subject, *, dry_run: bool = False) -> Found:
    """Erase what is meant from the rows and from the spool; all that was spooled is loaded already, and nobody loads meanwhile.

    The file must be written anew afterwards (see rewriting). dry_run: only say what there is. Raises duckdb.Error or OSError.
    """
    db = log.cursor()
    try:
        found = select(db, subject)
        if not dry_run:
            ids = {UUID(str(row[0])).bytes for row in db.execute("SELECT exchange_id FROM forgotten").fetchall()}
            erase(db)
            found.frames, found.torn = blank(spool, ids, frozenset(subject.user))
        return found
    finally:
        db.close()


def select(db: duckdb.DuckDBPyConnection, subject: Subject) -> Found:
    """Note in the temporary tables `forgotten` and `forgotten_answers` which exchanges are meant; say what hangs on them.

    db: a cursor of its own. A user's are those with the user's id, those of the same sessions that name nobody, and what was made of
    them: judges' calls, retries and replays.
    """
    db.execute("CREATE OR REPLACE TEMP TABLE forgotten AS SELECT exchange_id FROM exchanges WHERE false")
    db.execute("CREATE OR REPLACE TEMP TABLE forgotten_answers (response_id VARCHAR)")
    db.execute("CREATE OR REPLACE TEMP TABLE forgotten_users (user_id VARCHAR)")
    db.execute("INSERT INTO forgotten_users SELECT unnest(?::VARCHAR[])", [list(subject.user)])
    if subject.user:
        _include(db, "user_id IN (SELECT user_id FROM forgotten_users)")
        _include(
            db,
            "user_id IS NULL AND session_id IN (SELECT session_id FROM exchanges SEMI JOIN forgotten USING (exchange_id))",
        )
    elif subject.exchange is not None:
        _include(db, "CAST(exchange_id AS VARCHAR) = lower($1) OR response_id = $1", subject.exchange)
    else:
        _include(db, "accepted_at < $1", subject.before)
    known = -1
    for _ in range(_ROUNDS):
        count = _count(db, "SELECT count(*) FROM forgotten")
        if count == known:
            break
        known = count
        _include(db, "exchange_id IN (SELECT judge_exchange_id FROM scores SEMI JOIN forgotten USING (exchange_id))")
        _include(db, "retry_of IN (SELECT CAST(exchange_id AS VARCHAR) FROM forgotten)")
    db.execute(
        "INSERT INTO forgotten_answers SELECT DISTINCT response_id FROM exchanges SEMI JOIN forgotten USING (exchange_id) "
        "WHERE response_id IS NOT NULL"
    )
    found = Found(exchanges=_count(db, "SELECT count(*) FROM forgotten"))
    for table, where in _concerned(db):
        count = _count(db, f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608  names of our own
        if count:
            shown = "bodies" if table in bodies.TABLES else table
            found.rows[shown] = found.rows.get(shown, 0) + count
    found.rows = dict(sorted(found.rows.items()))
    cases = db.execute("SELECT DISTINCT case_id FROM golden_cases SEMI JOIN forgotten USING (exchange_id) WHERE case_id IS NOT NULL")
    found.cases = sorted(row[0] for row in cases.fetchall())
    found.fragments = [*(user for user in subject.user if len(user) >= 6), *_fragments(db)]
    return found


def erase(db: duckdb.DuckDBPyConnection) -> None:
    """Change and delete what `select` noted, in one transaction. Raises duckdb.Error, and then nothing is changed."""
    db.execute("BEGIN")
    try:
        for table, where in _concerned(db):
            if table in (*DELETED, "records"):
                db.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608  names of our own
                continue
            columns = _texts(db, table)
            values = [f'"{name}" = {_empty(name, kind)}' for name, kind in columns]
            if values:
                db.execute(f"UPDATE {table} SET {', '.join(values)} WHERE {where}")  # noqa: S608  names of our own
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _include(db: duckdb.DuckDBPyConnection, where: str, *values: Any) -> None:
    db.execute(
        f"INSERT INTO forgotten SELECT exchange_id FROM exchanges ANTI JOIN forgotten USING (exchange_id) WHERE {where}",  # noqa: S608
        list(values),
    )


def _concerned(db: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Each table that holds something of them, and which rows."""
    described = db.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = 'main' "
        "AND NOT internal AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()) GROUP BY ALL"
    ).fetchall()
    for table, columns in sorted(described):
        if table == "records":
            yield table, _IN_RECORDS
        if table in APART:
            continue
        where = ["exchange_id IN (SELECT exchange_id FROM forgotten)"] if "exchange_id" in columns else []
        if "response_id" in columns and table not in ("exchanges", "turns"):
            where.append("response_id IN (SELECT response_id FROM forgotten_answers)")
        if "user_id" in columns and table != "exchanges":
            where.append("user_id IN (SELECT user_id FROM forgotten_users)")
        if where:
            yield table, " OR ".join(where)


def _texts(db: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    rows = db.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND database_name = current_database()", [table]
    ).fetchall()
    return [(name, kind) for name, kind in rows if name not in KEPT and ("VARCHAR" in kind or kind in ("JSON", "BLOB"))]


def _empty(name: str, kind: str) -> str:
    if name == "user_id":
        return f"CASE WHEN user_id IS NULL THEN NULL ELSE '{TOMBSTONE}' END"
    return "MAP {}" if kind.startswith("MAP") else "NULL"


def _fragments(db: duckdb.DuckDBPyConnection) -> list[str]:
    """Pieces from the middle of the newest texts, in plain characters, so that they lie in a file as they are."""
    rows = db.execute(
        "SELECT e.output_text, b.request_body, b.response_body FROM exchanges e SEMI JOIN forgotten USING (exchange_id) "
        "LEFT JOIN bodies b USING (exchange_id) ORDER BY e.accepted_at DESC LIMIT ?",
        [FRAGMENTS],
    ).fetchall()
    found = []
    for text in (text for row in rows for text in row if text):
        middle = text[len(text) // 2 - 24 : len(text) // 2 + 24]
        plain = max("".join(c if c.isascii() and (c.isalnum() or c in " ,.-_:") else "\n" for c in middle).split("\n"), key=len).strip()
        if len(plain) >= 16:
            found.append(plain)
    return list(dict.fromkeys(found))[: 2 * FRAGMENTS]


def _count(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0]) if row else 0
