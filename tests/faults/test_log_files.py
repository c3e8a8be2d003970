"""A log file that cannot be opened: traffic goes on and is spooled, a sentence says what to do, and after that nothing is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.faults.account import account
from tests.faults.traffic import Crowd, Request, Stage, more
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

LOCKER = "import duckdb, sys\nc = duckdb.connect(sys.argv[1])\nprint('held', flush=True)\nsys.stdin.read()"
SOME = 40  # requests while the log is out of order


def said(goldwash: Goldwash, word: str) -> str | None:
    """The service's own sentence about the log, where it holds `word`."""
    for line in goldwash.output().splitlines():
        if line.startswith("{"):
            event = json.loads(line)
            if "log" in event.get("event", "") and word in event.get("why", ""):
                return str(event["why"])
    return None


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Another process holds the file."""
    process = subprocess.Popen([sys.executable, "-c", LOCKER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def launched(goldwash: Goldwash) -> None:
    """Start, and wait until the proxy port answers: the log cannot."""
    goldwash.launch()
    assert eventually(lambda: _passes(goldwash), within=30), goldwash.output()[-3000:]


def _passes(goldwash: Goldwash) -> bool:
    try:
        return fetch(goldwash.port, "GET", "/openai/v1/x?kind=chat").status == 200
    except OSError:
        return False


def send(stage: Stage, goldwash: Goldwash) -> list[Request]:
    """Traffic while the log is out of order: none of it may notice."""
    with Crowd(stage, goldwash.port, 4, {"chat": 3, "stream": 1}) as crowd:
        more(crowd, SOME)
    assert crowd.errors() == []
    return crowd.requests


def check(goldwash: Goldwash, requests: list[Request], report: Callable[..., None], fault: str, note: str) -> None:
    """After the fix everything is in the log, by itself."""
    assert eventually(goldwash.ready, within=40), goldwash.output()[-3000:]
    found = account(goldwash, requests)
    assert (found.missing, found.unlike, found.answered_lost) == ([], [], [])
    assert (found.verified["unaccounted"], found.verified["doubled"], found.verified["totals"]["lost"]) == (0, 0, 0)
    report(found.line(fault, 1, 0, note))


@pytest.fixture
def stopped(install, empty_log) -> Goldwash:
    """An installation that does not run, and whose log is there."""
    goldwash: Goldwash = install()
    empty_log(goldwash)
    return goldwash


def test_locked(stopped: Goldwash, stage_of_faults: Stage, report) -> None:
    """Another process holds the log: the sentence names it, and loading begins when it lets go."""
    with held(stopped.data_dir / "goldwash.duckdb"):
        launched(stopped)
        assert eventually(lambda: said(stopped, "holds the log"), within=20), stopped.output()
        requests = send(stage_of_faults, stopped)
    check(stopped, requests, report, "log locked by another process", said(stopped, "holds the log") and "waits, then loads")


@pytest.mark.parametrize("where", ["head", "middle", "cut", "empty"])
def test_corrupted(stopped: Goldwash, stage_of_faults: Stage, report, rounds: int | None, where: str) -> None:
    """A damaged file is named, left as it is and tried again; moved away, a new log is made and takes what was spooled."""
    if where != "head" and rounds is None:
        pytest.skip("takes long: scripts/faults")
    file = stopped.data_dir / "goldwash.duckdb"
    size = file.stat().st_size
    with file.open("r+b") as opened:
        if where == "head":
            opened.write(os.urandom(12288))
        elif where == "middle":
            for at in range(12288, size, 4096):
                opened.seek(at)
                opened.write(os.urandom(2048))
        elif where == "cut":
            opened.truncate(size // 2)
        else:
            opened.truncate(0)
    damaged = file.read_bytes()
    launched(stopped)
    requests = send(stage_of_faults, stopped)
    if not eventually(lambda: said(stopped, str(file)) or stopped.ready(), within=20):
        raise AssertionError(stopped.output()[-3000:])
    if not stopped.ready():
        sentence = said(stopped, str(file))
        assert sentence is not None
        assert "move it away" in sentence or "damaged" in sentence, sentence
        assert file.read_bytes() == damaged
        file.rename(file.with_suffix(".damaged"))
        file.with_name(file.name + ".wal").unlink(missing_ok=True)
    check(stopped, requests, report, f"log corrupted ({where})", "moved away, a new one takes the spool")


def test_newer_schema(stopped: Goldwash, stage_of_faults: Stage, report) -> None:
    """A log of a newer Goldwash is not touched; the sentence says to update; with the right version all is loaded."""
    file = stopped.data_dir / "goldwash.duckdb"
    with duckdb.connect(str(file)) as db:
        db.execute("INSERT INTO schema_version VALUES (10000, 'tomorrow', now())")
    launched(stopped)
    requests = send(stage_of_faults, stopped)
    assert eventually(lambda: said(stopped, "update Goldwash"), within=20), stopped.output()

    def as_it_was() -> bool:
        try:
            with duckdb.connect(str(file)) as db:
                db.execute("DELETE FROM schema_version WHERE version = 10000")
        except duckdb.IOException:  # the service is trying it right now
            return False
        return True

    assert eventually(as_it_was, within=10)
    check(stopped, requests, report, "log of a newer schema", "left alone, loaded after the update")


def test_older_schema(install, stage_of_faults: Stage, report) -> None:
    """A log of the first version is brought up to this one at the start, with its rows."""
    from proxy.log import migrations

    goldwash: Goldwash = install()
    goldwash.data_dir.mkdir(parents=True)
    with duckdb.connect(str(goldwash.data_dir / "goldwash.duckdb")) as db:
        db.execute("CREATE TABLE schema_version (version INTEGER, name VARCHAR, applied_at TIMESTAMPTZ)")
        migrations.MIGRATIONS[0](db)
        db.execute("INSERT INTO schema_version VALUES (1, 'exchanges', now())")
        db.execute("INSERT INTO exchanges (exchange_id, accepted_at, ending, feature) VALUES (uuid(), now(), 'complete', 'old')")
    launched(goldwash)
    requests = send(stage_of_faults, goldwash)
    assert eventually(goldwash.ready, within=40), goldwash.output()[-3000:]
    assert goldwash.sql("SELECT count(*) AS n FROM exchanges WHERE feature = 'old'") == [{"n": 1}]
    found = account(goldwash, requests)
    assert (found.missing, found.unlike) == ([], [])
    assert found.verified["unaccounted"] == 1, "the old row was put there without a ledger"
    report(found.line("log of an older schema", 1, 0, "migrated; the old row, put in by hand, is the one unaccounted"))
