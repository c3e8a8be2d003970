"""Readers that fall asleep or hang up in the middle of what they asked for: loading goes on, and the log does not swell."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import duckdb
import pytest

from tests.faults.account import account
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.waiting import eventually

WIDE = "SELECT e.* FROM exchanges e, range(100) LIMIT 6000"
HEAVY = "SELECT count(*) FROM range(100000000) a, range(100000) b"


def begin(goldwash: Goldwash, query: str) -> socket.socket:
    """Send a query over a connection whose window is small, and read nothing of its answer."""
    body = json.dumps({"sql": query, "format": "json"}).encode()
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(30)
    reader.connect(("127.0.0.1", goldwash.admin_port))
    head = f"POST /api/sql HTTP/1.1\r\nHost: 127.0.0.1:{goldwash.admin_port}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    reader.sendall(head.encode() + body)
    return reader


def figure(goldwash: Goldwash, name: str) -> float:
    """One metric."""
    return next(float(line.split()[-1]) for line in goldwash.metrics().splitlines() if line.startswith(name + " "))


def busy(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_sleeper_over_http(install, stage_of_faults: Stage, report) -> None:
    """A reader takes a few rows of a large result and falls asleep: rows go on coming in, and the file grows by what they hold."""
    goldwash: Goldwash = install()
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 6, "stream": 2}, pause=0.01)
    with crowd:
        more(crowd, 100)
        goldwash.flush()
        with begin(goldwash, WIDE) as sleeper:
            assert sleeper.recv(2000).startswith(b"HTTP/1.1 200")
            before = figure(goldwash, "goldwash_rows_written_total")
            longest = 0.0
            for _ in range(5):
                more(crowd, 30)
                began = time.monotonic()
                goldwash.flush()
                longest = max(longest, time.monotonic() - began)
            written = figure(goldwash, "goldwash_rows_written_total") - before
            assert sleeper.recv(2000), "its result is still there for it"
    assert written >= 150
    assert longest < 10
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.unlike, found.verified["unaccounted"]) == ([], [], 0)
    assert crowd.errors() == []
    grown = (figure(goldwash, "goldwash_log_bytes") + figure(goldwash, "goldwash_log_wal_bytes")) / 1e6
    assert grown < 128 + 32, "one WAL before its checkpoint at the most, and the rows"
    note = f"{written:.0f} rows meanwhile, longest flush {longest * 1000:.0f} ms, file and WAL {grown:.1f} MB"
    report(found.line("SQL reader asleep (HTTP)", 1, 0, note))


def test_reader_gone(install, stage_of_faults: Stage, report) -> None:
    """A reader hangs up on a query that would run for ever: the query ends, and the service's CPU is free again."""
    goldwash: Goldwash = install()
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 3, "stream": 1}, pause=0.02)
    with crowd:
        more(crowd, 20)
        (service,) = goldwash.pids("service")
        for _ in range(3):
            reader = begin(goldwash, HEAVY)
            time.sleep(0.3)
            reader.close()

        def ended() -> bool:
            return 'goldwash_queries_total{outcome="gone"} 3' in goldwash.metrics() or _quiet(service)

        assert eventually(ended, within=15), goldwash.metrics()
        assert goldwash.sql("SELECT 1 AS one") == [{"one": 1}]
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.verified["unaccounted"], crowd.errors()) == ([], 0, [])
    report(found.line("heavy query, client gone (HTTP)", 3, 0, "interrupted"))


def _quiet(pid: int) -> bool:
    before = busy(pid)
    time.sleep(0.5)
    return busy(pid) - before < 0.2


def test_sleeper_over_quack(install, stage_of_faults: Stage, report, long_form) -> None:
    """A DuckDB client takes five rows over Quack and falls asleep: rows go on coming in."""
    from proxy.log import extensions

    goldwash: Goldwash = install(log={"quack": f"quack:localhost:{free_port()}"})
    goldwash.start()
    address = next(line for line in goldwash.config.read_text().splitlines() if "quack:" in line).split('"')[1]
    token = goldwash.data_dir / "quack.token"
    assert eventually(token.exists)
    client = duckdb.connect()
    try:
        extensions.load(client, "httpfs", "quack")
    except extensions.NoExtension as error:
        pytest.skip(f"no Quack here: {error}")
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 6, "stream": 2}, pause=0.01)
    with crowd:
        more(crowd, 100)
        goldwash.flush()
        client.execute(f"ATTACH '{address}' AS log (TOKEN '{token.read_text().strip()}')")
        asleep = client.execute(f"FROM log.query('{WIDE}')")
        assert len(asleep.fetchmany(5)) == 5
        before = figure(goldwash, "goldwash_rows_written_total")
        longest = 0.0
        for _ in range(5):
            more(crowd, 30)
            began = time.monotonic()
            goldwash.flush()
            longest = max(longest, time.monotonic() - began)
        written = figure(goldwash, "goldwash_rows_written_total") - before
    client.close()
    assert written >= 150
    assert longest < 10
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.unlike, found.verified["unaccounted"]) == ([], [], 0)
    report(found.line("SQL reader asleep (Quack)", 1, 0, f"{written:.0f} rows meanwhile, longest flush {longest * 1000:.0f} ms"))
