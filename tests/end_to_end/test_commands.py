"""The commands beside `up`: the log can be asked, copied and verified while it runs, and when it does not."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash, post_json, run
from tests.helpers.recordings import OPENAI
from tests.helpers.upstream import Upstream


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, providers: dict[str, Upstream]) -> Iterator[Goldwash]:
    """An instance that has taken three exchanges."""
    with Goldwash(tmp_path_factory.mktemp("asked"), {"openai": {"url": providers["openai"].url}}) as running:
        for _ in range(3):
            post_json(running.port, "/openai/v1/chat/completions", {"model": "gpt-4o-mini", "messages": []})
        running.flush()
        yield running


@pytest.fixture(scope="module", params=["running", "stopped"])
def log(request: pytest.FixtureRequest, asked: Goldwash) -> Goldwash:
    """The same log, first while `up` runs and then when it does not."""
    if request.param == "stopped":
        assert asked.stop() == 0
    return asked


def test_sql(log: Goldwash) -> None:
    """`goldwash sql` answers in each format."""
    query = "SELECT response_model, input_tokens FROM exchanges ORDER BY exchange_id"
    said = {kind: log.cli("sql", query, "--format", kind) for kind in ("table", "json", "jsonl", "csv")}
    assert {kind: done.returncode for kind, done in said.items()} == dict.fromkeys(said, 0), [done.stderr for done in said.values()]
    expected = [{"response_model": "gpt-4o-mini-2024-07-18", "input_tokens": 21}] * 3
    assert json.loads(said["json"].stdout) == expected
    assert [json.loads(line) for line in said["jsonl"].stdout.splitlines()] == expected
    assert [row["input_tokens"] for row in csv.DictReader(io.StringIO(said["csv"].stdout))] == ["21"] * 3
    assert "gpt-4o-mini-2024-07-18" in said["table"].stdout


def test_sql_that_is_wrong(log: Goldwash) -> None:
    """A query that cannot be run is refused in a sentence, not with a traceback."""
    done = log.cli("sql", "SELECT nothing FROM exchanges")
    assert done.returncode != 0
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr


WRITES = [
    "INSERT INTO exchanges (exchange_id) VALUES (uuidv7())",
    "DELETE FROM exchanges",
    "COPY exchanges TO 'stolen.csv'",
    "ATTACH 'other.duckdb'",
    "SET memory_limit = '100GB'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT nextval('s')",
    "FROM query('SELECT 1')",
    "SELECT * FROM checkpoint()",
    "FROM enable_logging()",
    "SELECT json_execute_serialized_sql('{}')",
    "CALL quack_serve('quack:localhost:1')",
    "CALL quack_stop()",
    "SELECT 1; DROP TABLE exchanges",
    "PRAGMA database_list",
    "WITH gone AS (DELETE FROM exchanges RETURNING *) SELECT * FROM gone",
]


def test_sql_over_http_only_reads(goldwash: Goldwash) -> None:
    """Whatever writes, reads files, or has effects is refused over HTTP with the reason; reading goes on."""
    before = goldwash.sql("SELECT count(*) AS n FROM duckdb_tables()")
    for query in WRITES:
        status, body = goldwash.admin("POST", "/api/sql", {"sql": query, "format": "json"})
        assert status in {400, 403}, (query, status, body)
        assert json.loads(body)["error"], query
    assert goldwash.sql("SELECT count(*) AS n FROM duckdb_tables()") == before


@pytest.mark.parametrize("query", [WRITES[1], WRITES[5]])
def test_sql_only_reads(log: Goldwash, query: str) -> None:
    """The command refuses the same, and the rows are as before."""
    done = log.cli("sql", query)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    left = json.loads(log.cli("sql", "SELECT count(*) AS n FROM exchanges", "--format", "json").stdout)
    assert left == [{"n": 3}]


def test_verify(log: Goldwash) -> None:
    """`goldwash verify` accounts for all and exits 0."""
    done = log.cli("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b3\b", done.stdout)


def test_snapshot(log: Goldwash, tmp_path: Path) -> None:
    """`goldwash snapshot` gives a plain DuckDB file that opens anywhere, and does not overwrite one."""
    target = tmp_path / "copy.duckdb"
    done = log.cli("snapshot", str(target))
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(target), read_only=True) as copy:
        assert copy.execute("SELECT count(*), max(output_text) FROM exchanges").fetchall() == [(3, OPENAI["chat"].row["output_text"])]
    again = log.cli("snapshot", str(target))
    assert again.returncode != 0
    assert "copy.duckdb" in again.stderr


def test_doctor(log: Goldwash) -> None:
    """`goldwash doctor` finds nothing wrong."""
    done = log.cli("doctor")
    assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_and_health(goldwash: Goldwash) -> None:
    """The admin port tells that it lives, and counts in Prometheus' format."""
    assert goldwash.admin("GET", "/healthz")[0] == 200
    assert goldwash.admin("GET", "/readyz")[0] == 200
    fetch(goldwash.port, "GET", "/refusing/x")
    lines = goldwash.metrics().splitlines()
    assert all(line.startswith("#") or re.fullmatch(r"[a-zA-Z_:][\w:]*(\{.*\})? \S+", line) for line in lines if line)


def test_help_of_every_command() -> None:
    """The commands are listed and explain themselves."""
    environ = {"PATH": "/usr/bin:/bin"}
    listed = run("--help", environ=environ)
    assert listed.returncode == 0
    for name in ("up", "sql", "verify", "snapshot", "doctor"):
        assert name in listed.stdout
    assert run("up", "--help", environ=environ).returncode == 0
