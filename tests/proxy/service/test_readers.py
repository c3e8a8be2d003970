"""A reader gets its answer or a reason, within its limits, and leaves nothing behind in the log."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from proxy.log.attach import Log
from proxy.log.guard import Refused
from proxy.service.readers import NICENESS, Answer, Limits, QueryError, Readers

ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000) b"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An open log with a thousand exchanges."""
    opened = Log.open("goldwash.duckdb", tmp_path, memory="200MB")
    opened.cursor().execute("INSERT INTO exchanges (exchange_id, provider, cost_usd) SELECT uuidv7(), 'openai', 0.5 FROM range(1000)")
    yield opened
    opened.close()


@pytest.fixture
def readers(log: Log, tmp_path: Path) -> Iterator[Readers]:
    """The pool over it."""
    pool = Readers(log.cursor, tmp_path)
    yield pool
    pool.close()


def body(answer: Answer) -> bytes:
    """What an answer holds."""
    with answer.file as file:
        return file.read()


def test_answers(readers: Readers) -> None:
    """A statement gives its rows, with parameters by place and by name."""
    assert json.loads(body(readers.run("SELECT count(*) AS n FROM exchanges WHERE provider = $1", ["openai"]))) == [{"n": 1000}]
    assert json.loads(body(readers.run("SELECT $a || $b AS x", {"a": "1", "b": "2"}))) == [{"x": "12"}]
    assert json.loads(body(readers.run("SHOW TABLES")))


def test_refuses_what_the_guard_refuses(readers: Readers) -> None:
    """The guard stands before everything."""
    with pytest.raises(Refused):
        readers.run("DROP TABLE exchanges")


def test_stops_a_query_at_its_time(readers: Readers) -> None:
    """An endless query ends with 408 soon after its time."""
    began = time.monotonic()
    with pytest.raises(QueryError) as caught:
        readers.run(ENDLESS, limits=Limits(10, 0.3))
    assert caught.value.status == 408
    assert time.monotonic() - began < 2


def test_stops_a_stream_at_its_time(readers: Readers) -> None:
    """Time counts while rows flow, too."""
    with pytest.raises(QueryError) as caught:
        readers.run("SELECT i, sha256(i::VARCHAR) FROM range(1000000000) t(i)", limits=Limits(10**9, 0.3))
    assert caught.value.status == 408


def test_stops_a_query_that_nobody_waits_for(readers: Readers) -> None:
    """The stop event ends it."""
    stop = threading.Event()
    future = readers.submit(ENDLESS, None, "json", Limits(10, 60), stop)
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(QueryError) as caught:
        future.result(5)
    assert caught.value.status == 499


def test_stops_all_when_the_loader_needs_room(readers: Readers) -> None:
    """interrupt() ends what runs, with the reason given."""
    future = readers.submit(ENDLESS, None, "json", Limits(10, 60), threading.Event())
    time.sleep(0.2)
    readers.interrupt(QueryError("the loader needs the room", "later", 503))
    with pytest.raises(QueryError, match="needs the room"):
        future.result(5)


def test_bounds_the_bytes_of_a_result(readers: Readers) -> None:
    """A result over the cap is refused, not cut in the middle."""
    with pytest.raises(QueryError) as caught:
        readers.run("SELECT sha256(i::VARCHAR) FROM range(100000) t(i)", limits=Limits(10**6, 30, max_bytes=100_000))
    assert caught.value.status == 413


def test_bounds_memory(readers: Readers) -> None:
    """A query over the log's memory gets 413, and the log goes on."""
    with pytest.raises(QueryError) as caught:
        readers.run("SELECT length(string_agg(sha256(i::VARCHAR), '')) FROM range(20000000) t(i)")
    assert caught.value.status == 413
    assert json.loads(body(readers.run("SELECT count(*) AS n FROM exchanges"))) == [{"n": 1000}]


def test_stops_the_longest_query_when_the_process_is_too_large(log: Log, tmp_path: Path) -> None:
    """The resident size of the process is watched, too."""
    pool = Readers(log.cursor, tmp_path, memory_bytes=1)
    try:
        with pytest.raises(QueryError) as caught:
            pool.run(ENDLESS, limits=Limits(10, 60))
        assert caught.value.status == 413
    finally:
        pool.close()


def test_says_what_is_wrong_with_a_statement(readers: Readers) -> None:
    """A binder's error comes through with 400."""
    with pytest.raises(QueryError, match="nocolumn") as caught:
        readers.run("SELECT nocolumn FROM exchanges")
    assert caught.value.status == 400
    with pytest.raises(QueryError, match="format"):
        readers.run("SELECT 1", name="xml")


def test_a_reader_cannot_write_even_past_the_guard(readers: Readers, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction is read-only by itself."""
    monkeypatch.setattr(readers.guard, "check", lambda sql: None)
    with pytest.raises(QueryError, match="read-only"):
        readers.run("INSERT INTO exchanges (provider) VALUES ('x') RETURNING 1")
    with pytest.raises(QueryError):
        readers.run("SELECT * FROM read_text('/etc/passwd')")


def test_leaves_no_connection_open(readers: Readers, log: Log) -> None:
    """After an answer nothing of it stays in DuckDB: rows deleted later are not kept alive for it."""
    before = log.cursor().execute("SELECT count(*) FROM duckdb_connection_count()").fetchone()
    for _ in range(5):
        answer = readers.run("FROM exchanges")
        with pytest.raises(QueryError):
            readers.run("SELECT nocolumn")
        answer.file.close()
    assert log.cursor().execute("SELECT count(*) FROM duckdb_connection_count()").fetchone() == before


def test_readers_stand_back(readers: Readers) -> None:
    """Their threads run at a lower priority than the loader's, also where the whole process was started at a low one."""
    threads: list[int] = []
    readers._pool.submit(lambda: threads.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))).result()
    assert threads == [min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)]


def test_loading_goes_on_beside_heavy_readers(readers: Readers, log: Log) -> None:
    """While four heavy queries run, inserts take little longer."""
    futures = [readers.submit(ENDLESS, None, "json", Limits(10, 2.0), threading.Event()) for _ in range(4)]
    writer, longest = log.cursor(), 0.0
    for _ in range(20):
        began = time.monotonic()
        writer.execute("INSERT INTO exchanges (provider) SELECT 'x' FROM range(100)")
        longest = max(longest, time.monotonic() - began)
    for future in futures:
        with pytest.raises(QueryError):
            future.result(10)
    assert longest < 1.0


def test_close_ends_what_runs(log: Log, tmp_path: Path) -> None:
    """A stopping service does not wait for a query."""
    pool = Readers(log.cursor, tmp_path)
    future = pool.submit(ENDLESS, None, "json", Limits(10, 60), threading.Event())
    time.sleep(0.1)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 3
    with pytest.raises(QueryError):
        future.result(0)


DEAF = "SELECT list_sum(list_transform(range(3000), lambda x: list_sum(list_transform(range(20000 + x), lambda y: y % 7))))"
"""One vector of one row: DuckDB does not look up until it is done, after some seconds."""


def test_a_query_that_cannot_be_stopped_is_told(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it holds all threads somebody hears of it, once; close() does not wait for it."""
    monkeypatch.setattr("proxy.service.readers.DEAF", 0.1)
    monkeypatch.setattr("proxy.service.readers.CLOSING", 0.1)
    told: list[float] = []
    pool = Readers(log.cursor, tmp_path, threads=1, all_deaf=lambda: told.append(time.monotonic()))
    future = pool.submit(DEAF, None, "json", Limits(10, 0.1), threading.Event())
    time.sleep(0.8)
    assert len(told) == 1
    began = time.monotonic()
    assert not pool.close()
    assert time.monotonic() - began < 2
    with pytest.raises(QueryError):
        future.result(60)


def test_a_broken_log_is_told(tmp_path: Path) -> None:
    """A log that is closed under a reader gives an error, not a hang."""
    opened = Log.open("other.duckdb", tmp_path)
    pool = Readers(opened.cursor, tmp_path)
    opened.close()
    with pytest.raises((QueryError, duckdb.Error)):
        pool.run("SELECT 1")
    pool.close()
