"""DuckDB clients over Quack read the log, and are held by the guard of all SQL here."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from proxy.log import extensions
from proxy.log.attach import Log
from proxy.log.guard import Guard, relations_of
from proxy.log.quack import EXTENSIONS, Quack, is_local

TOKEN = "sesame-open"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Log, str]]:
    """An open log with two exchanges, served; and its address."""
    log = Log.open("goldwash.duckdb", tmp_path_factory.mktemp("quack"), extra=EXTENSIONS)
    writer = log.cursor()
    writer.execute("INSERT INTO exchanges (exchange_id, provider, cost_usd) SELECT uuidv7(), 'openai', 0.5 FROM range(2)")
    writer.execute("INSERT INTO small_bodies (exchange_id, request_body) SELECT exchange_id, '{}' FROM exchanges")
    writer.execute("CREATE SEQUENCE counter")
    address = f"quack:localhost:{_free_port()}"
    quack = Quack(log.cursor(), Guard(lambda: relations_of(writer)), address, TOKEN)
    quack.start()
    yield log, address
    quack.stop()
    log.close()


@pytest.fixture(scope="module")
def client(served: tuple[Log, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of somebody else with the log attached."""
    connection = duckdb.connect(":memory:")
    extensions.load(connection, *EXTENSIONS)
    connection.execute(f"ATTACH '{served[1]}' AS log (TOKEN '{TOKEN}')")
    yield connection
    connection.close()


def test_a_client_reads(client: duckdb.DuckDBPyConnection) -> None:
    """Joins through log.query, a table listing, and a plain table work."""
    joined = client.execute("FROM log.query('SELECT sum(cost_usd) FROM exchanges JOIN bodies USING (exchange_id)')").fetchone()
    assert joined is not None
    assert float(joined[0]) == 1.0
    assert ("exchanges",) in client.execute("FROM log.query('SHOW TABLES')").fetchall()
    assert client.execute("SELECT count(*) FROM log.exchanges").fetchone() == (2,)
    assert client.execute("SELECT count(*) FROM log.cost_daily").fetchone() == (1,)


REFUSED = [
    "INSERT INTO exchanges (provider) VALUES ('x')",
    "COPY exchanges TO 'out.csv'",
    "ATTACH 'other.duckdb'",
    "SET threads = 4",
    "SET GLOBAL quack_authorization_function = 'quack_nop_authorization'",
    "FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "FROM enable_logging(storage = 'file', storage_path = 'x')",
    "FROM checkpoint()",
    "SELECT nextval('counter')",
    "FROM query('SELECT 1')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "FROM quack_serve('quack:0.0.0.0:9999')",
    "FROM quack_stop('quack:localhost:9494')",
    "FROM quack_active_connections()",
    "SELECT goldwash_may_read('a', 'SELECT 1')",
    "SELECT 1; DROP TABLE exchanges",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_a_client_cannot_do_more(client: duckdb.DuckDBPyConnection, served: tuple[Log, str], sql: str) -> None:
    """What the guard refuses is refused here, by log.query and by quack_query."""
    inner = sql.replace("'", "''")
    for query in (f"FROM log.query('{inner}')", f"FROM quack_query('{served[1]}', '{inner}', token := '{TOKEN}')"):
        with pytest.raises(duckdb.Error, match="Authorization failed"):
            client.execute(query)


@pytest.mark.parametrize("sql", ["INSERT INTO log.shed (run) VALUES ('x')", "DROP TABLE log.exchanges", "CREATE TABLE log.t (a INTEGER)"])
def test_an_attached_log_is_read_only(client: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Statements that a client turns into writes are refused."""
    with pytest.raises(duckdb.Error):
        client.execute(sql)


def test_a_wrong_token_opens_nothing(served: tuple[Log, str]) -> None:
    """The token is asked for."""
    connection = duckdb.connect(":memory:")
    extensions.load(connection, *EXTENSIONS)
    with pytest.raises(duckdb.Error, match="Authentication failed"):
        connection.execute(f"ATTACH '{served[1]}' AS log (TOKEN 'wrong-token')")
    connection.close()


def test_duckdbs_own_cli(served: tuple[Log, str], tmp_path: Path) -> None:
    """DuckDB's command line reads, lists, and is refused."""
    cli = shutil.which("duckdb", path=str(Path(sys.executable).parent))
    if cli is None:
        pytest.skip("duckdb-cli is not installed")
    loads = "".join(f"LOAD '{extensions.file(name)}';" for name in EXTENSIONS)
    attach = f"{loads} ATTACH '{served[1]}' AS log (TOKEN '{TOKEN}');"

    def run(sql: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: PLW1510
            [cli, "-csv", "-c", f"{attach} {sql}"], capture_output=True, text=True, timeout=60, cwd=tmp_path, env={"HOME": str(tmp_path)}
        )

    assert run("FROM log.query('SELECT count(*) AS n FROM exchanges e JOIN bodies b USING (exchange_id)');").stdout == "n\n2\n"
    assert "exchanges" in run("FROM log.query('SHOW TABLES');").stdout
    every = " ".join("FROM log.query('{}');".format(sql.replace("'", "''")) for sql in REFUSED)
    assert run("FROM log.query('FROM checkpoint()');").returncode != 0
    refused = subprocess.run(  # noqa: PLW1510
        [cli, "-csv"],
        input=f"{attach}\n" + every.replace("); ", ");\n") + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path)},
    )
    assert refused.stderr.count("Authorization failed") == len(REFUSED)
    assert not refused.stdout.strip()


def test_knows_what_is_local() -> None:
    """Only loopback names count as this machine."""
    assert is_local("quack:localhost:9494")
    assert is_local("quack:localhost")
    assert is_local("quack:127.0.0.1:9494")
    assert not is_local("quack:0.0.0.0:9494")
    assert not is_local("quack:log.example.com")
