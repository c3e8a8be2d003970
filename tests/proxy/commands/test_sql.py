"""`goldwash sql` on a log that nobody serves: formats, errors, and what waits in the spool."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from proxy.cli import goldwash
from proxy.log.attach import Log
from proxy.service.opinions import uuid7
from proxy.spool import frames
from proxy.spool.writer import Spool


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose log holds two exchanges."""
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path}/data"\n[admin]\nport = 0\n[sql]\nmax_rows = 5\n')
    log = Log.open("goldwash.duckdb", tmp_path / "data")
    log.cursor().execute(
        "INSERT INTO exchanges (provider, cost_usd, properties) VALUES ('openai', 0.5, MAP {'a': 'b'}), ('anthropic', NULL, NULL)"
    )
    log.close()
    return file


def run(config: Path, *arguments: str, stdin: str | None = None) -> Result:
    """The command as a terminal would run it."""
    return CliRunner().invoke(goldwash, ["sql", "--config", str(config), *arguments], input=stdin)


def test_a_table_for_people(config: Path) -> None:
    """Every row whole, unknown as a dot."""
    result = run(config, "SELECT provider, cost_usd, properties FROM exchanges ORDER BY 1")
    assert result.exit_code == 0, result.output
    assert "anthropic" in result.stdout
    assert '{"a":"b"}' in result.stdout
    assert "0.500000000000" in result.stdout
    assert "·" in result.stdout
    assert "2 rows" in result.stdout


def test_json_for_programs(config: Path) -> None:
    """Nothing but the document on standard output; the query may come on standard input."""
    result = run(config, "--format", "json", "SELECT provider, cost_usd FROM exchanges ORDER BY 1")
    assert json.loads(result.stdout) == [{"provider": "anthropic", "cost_usd": None}, {"provider": "openai", "cost_usd": 0.5}]
    assert json.loads(run(config, "--format", "json", stdin="SELECT 1 AS a").stdout) == [{"a": 1}]
    assert json.loads(run(config, "--format", "json", "SELECT 1 AS a WHERE false").stdout) == []


def test_other_formats(config: Path, tmp_path: Path) -> None:
    """CSV, JSON lines, and Parquet into a file."""
    assert run(config, "--format", "csv", "SELECT 1 AS a, NULL AS b").stdout == "a,b\n1,\n"
    assert run(config, "--format", "jsonl", "FROM (VALUES (1), (2)) t(a)").stdout == '{"a":1}\n{"a":2}\n'
    out = tmp_path / "out.parquet"
    assert run(config, "--format", "parquet", "--output", str(out), "SELECT 1 AS a").exit_code == 0
    assert pyarrow.parquet.read_table(io.BytesIO(out.read_bytes())).to_pylist() == [{"a": 1}]


def test_a_cut_is_told(config: Path) -> None:
    """On standard error, with the option."""
    result = run(config, "--format", "json", "FROM range(6)")
    assert len(json.loads(result.stdout)) == 5
    assert "max_rows" in result.stderr


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP TABLE exchanges", "SELECT"),
        ("FROM exchange", "did you mean exchanges"),
        ("SELECT x FROM exchanges", "x"),
        ("SELEC 1", "SELEC"),
    ],
)
def test_errors_are_sentences(config: Path, sql: str, said: str) -> None:
    """The same guard and the same words as over HTTP."""
    result = run(config, sql)
    assert result.exit_code != 0
    assert said in str(result.exception)


def test_an_empty_query_is_told_as_one(config: Path) -> None:
    """Behind an empty pipe it is no statement that was sent once too often."""
    result = run(config, stdin="\n")
    assert result.exit_code == 2
    assert 'the query is empty: give one, such as: goldwash sql "FROM cost_daily"' in result.stderr


def test_no_log_yet(tmp_path: Path) -> None:
    """It says what to run."""
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path}/data"\n')
    result = run(file, "SELECT 1")
    assert result.exit_code != 0
    assert "goldwash up" in str(result.exception)
    assert not (tmp_path / "data").exists()


def test_what_waits_in_the_spool_is_told(config: Path) -> None:
    """On standard error, so that rows that are missing surprise nobody."""
    assert "spool" not in run(config, "SELECT 1").stderr
    spool = Spool(config.parent / "data" / "spool", "here", "w0", 1 << 16)
    spool.append(frames.record(uuid7(), 1, "feedback", b"{}"))
    result = run(config, "SELECT 1")
    assert "1 segment" in result.stderr
    spool.close()
