"""Opening the log: what it makes, and the sentence it says when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from proxy.log import migrations
from proxy.log.attach import Log, LogError, LogLocked
from proxy.log.columns import BODIES, EXCHANGES, LARGE_BODIES, TURNS
from proxy.log.views import VIEWS

NAME = "goldwash.duckdb"


def test_files_are_private(tmp_path: Path):
    """The log and its write-ahead log are 0600, the directory 0700, whatever the umask."""
    data = tmp_path / "data"
    before = os.umask(0)
    try:
        log = Log.open(NAME, data)
        cursor = log.cursor()
        for _ in range(2):
            cursor.execute("INSERT INTO records VALUES (uuid(), now(), 'a', 'b')")
            assert {path.name: oct(path.stat().st_mode & 0o777) for path in data.iterdir()} == {NAME: "0o600", f"{NAME}.wal": "0o600"}
            cursor.execute("CHECKPOINT")
        cursor.close()
        log.close()
    finally:
        os.umask(before)
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_second_process_is_told_who_holds_the_log(tmp_path: Path):
    """The error names the process and the fix."""
    Log.open(NAME, tmp_path).close()
    program = f"import duckdb, sys; c = duckdb.connect({str(tmp_path / NAME)!r}); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(LogLocked, match=f"process {holder.pid} holds the log; ask it") as told:
            Log.open(NAME, tmp_path)
        assert told.value.pid == holder.pid
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def test_a_damaged_file_is_told(tmp_path: Path):
    """Garbage where the log should be, or a log with a torn head: said in a sentence, with the fix."""
    (tmp_path / NAME).write_bytes(b"not a database at all" * 1000)
    with pytest.raises(LogError, match=r"the file is damaged \(.*\); move it away and restore a snapshot"):
        Log.open(NAME, tmp_path)
    (tmp_path / NAME).unlink()
    Log.open(NAME, tmp_path).close()
    with (tmp_path / NAME).open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8192))
    with pytest.raises(LogError, match="the file is damaged"):
        Log.open(NAME, tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path):
    """A log of a newer Goldwash is left alone."""
    log = Log.open(NAME, tmp_path)
    log.cursor().execute("INSERT INTO schema_version VALUES (999, 'later', now())")
    log.close()
    for read_only in (False, True):
        with pytest.raises(LogError, match=r"schema version 999, and this Goldwash knows \d+: update Goldwash"):
            Log.open(NAME, tmp_path, read_only=read_only)


@pytest.mark.parametrize("steps", range(1, len(migrations.MIGRATIONS)))
@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_log_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, read_only: bool):
    """A log that has had some of the steps gets the rest, keeps its rows, and ends as a new one begins."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:steps])
        patch.setattr("proxy.log.views.VIEWS", {})
        log = Log.open(NAME, tmp_path)
        log.cursor().execute("INSERT INTO turns (turn) VALUES (7)")
        log.close()
    log = Log.open(NAME, tmp_path, read_only=read_only)
    cursor = log.cursor()
    assert cursor.execute("SELECT turn FROM turns").fetchall() == [(7,)]
    assert migrations.version(cursor) == len(migrations.MIGRATIONS)
    old = cursor.execute(_TABLES).fetchall()
    cursor.close()
    log.close()
    fresh = Log.open("fresh.duckdb", tmp_path)
    assert old == fresh.cursor().execute(_TABLES).fetchall()
    fresh.close()


_TABLES = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"


def test_a_step_that_fails_leaves_the_step_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each step is one transaction with its number."""

    def half(db: duckdb.DuckDBPyConnection) -> None:
        db.execute("CREATE TABLE half (a INTEGER)")
        db.execute("SELECT no_such_function()")

    Log.open(NAME, tmp_path).close()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, half))
        with pytest.raises(LogError):
            Log.open(NAME, tmp_path)
    log = Log.open(NAME, tmp_path)
    assert log.cursor().execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'").fetchone() == (0,)
    log.close()


def test_the_columns_loading_fills_are_those_of_the_tables(room):
    """The order in which rows are built is the order of the schema."""
    for table, columns in (("exchanges", EXCHANGES), ("small_bodies", BODIES), ("large_bodies", LARGE_BODIES), ("turns", TURNS)):
        stored = [row[0] for row in room.sql("SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", table)]
        assert [column.name for column in columns] == [name for name in stored if name != "loaded_at"]  # the commit stamps that


def test_the_door_to_files_is_closed(room, tmp_path: Path):
    """SQL on the log reads and writes no other file, and cannot open that door again."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for query in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        f"COPY exchanges TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/other.duckdb'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
    ):
        with pytest.raises(duckdb.Error):
            room.sql(query)


def test_a_lake_needs_its_data_path(tmp_path: Path):
    """A DuckLake without a place for its files is refused, and a password is never shown."""
    with pytest.raises(LogError, match="set \\[log\\] data_path") as told:
        Log.open("ducklake:postgres:host=db password=hunter2", tmp_path)
    assert "hunter2" not in str(told.value)


def test_days_and_hours_of_views_are_utc(room):
    """Whatever zone a client has set; the last microsecond of an hour or day belongs to it."""
    times = ["2026-02-28 23:59:59.999999", "2026-03-01 00:00:00", "2026-11-21 10:59:59.999999", "2026-11-21 11:00:00"]
    cursor = room.log.cursor()
    cursor.execute(
        "INSERT INTO exchanges (exchange_id, accepted_at, ending) SELECT uuid(), unnest(?::TIMESTAMP[]) AT TIME ZONE 'UTC', 'partial'",
        [times],
    )
    for zone in ("UTC", "Asia/Kolkata", "America/St_Johns"):
        cursor.execute(f"SET TimeZone = '{zone}'")
        days = "SELECT CAST(accepted_at AT TIME ZONE 'UTC' AS DATE) AS day, count(*) FROM exchanges GROUP BY ALL ORDER BY ALL"
        assert cursor.execute("SELECT day, exchanges FROM cost_daily ORDER BY ALL").fetchall() == cursor.execute(days).fetchall()
        hours = "SELECT date_trunc('hour', accepted_at AT TIME ZONE 'UTC') AS hour FROM exchanges GROUP BY ALL ORDER BY ALL"
        told = "SELECT hour AT TIME ZONE 'UTC' FROM errors_hourly ORDER BY ALL"
        assert cursor.execute(told).fetchall() == cursor.execute(hours).fetchall()
    cursor.execute("SET TimeZone = 'UTC'")
    cursor.close()


def test_the_views_answer(room):
    """Each ready-made view can be asked, empty and with rows."""
    for view in VIEWS:
        assert room.sql(f"SELECT * FROM {view}") == []
    traffic = room.traffic()
    exchange_id = traffic.accept(headers=(("goldwash-session", "s1"), ("goldwash-feature", "search")))
    traffic.finish(exchange_id)
    traffic.exchange(status=500)
    room.load()
    room.sql(
        "INSERT INTO scores (record_id, exchange_id, name, passed, value) SELECT uuid(), exchange_id, 'polite', true, 1 FROM exchanges"
    )
    assert room.sql("SELECT provider, model, feature, exchanges, input_tokens, cost_usd, without_cost FROM cost_daily ORDER BY feature") == [
        ("openai", "m", "search", 1, 1, None, 1), ("openai", "m", None, 1, 1, None, 1)
    ]  # fmt: skip
    assert room.one("SELECT exchanges, p50_ms, first_chunk_p50_ms FROM latency_hourly") == (2, 9.0, 7.0)
    assert room.one("SELECT status, exchanges FROM errors_hourly") == (500, 1)
    assert room.one("SELECT sum(passed), sum(scores) FROM quality_daily") == (2, 2)
    assert room.one("SELECT session_id, exchanges, errors FROM sessions") == ("s1", 1, 0)
    assert room.one("SELECT accepted, complete, open FROM ledger_daily") == (2, 2, 0)
