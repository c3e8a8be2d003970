"""`goldwash snapshot` writes a plain DuckDB file, and overwrites nothing unasked."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from proxy.cli import goldwash
from proxy.log.attach import Log


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose log holds an exchange."""
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path}/data"\n')
    log = Log.open("goldwash.duckdb", tmp_path / "data")
    log.cursor().execute("INSERT INTO exchanges (provider, cost_usd) VALUES ('openai', 0.5)")
    log.close()
    return file


def run(config: Path, *arguments: str) -> Result:
    """The command as a terminal would run it."""
    return CliRunner().invoke(goldwash, ["snapshot", "--config", str(config), *arguments])


def test_a_plain_private_copy(config: Path, tmp_path: Path) -> None:
    """Tables and views, readable by its owner alone; nothing stays in the export directory."""
    out = tmp_path / "copy.duckdb"
    result = run(config, str(out))
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with duckdb.connect(str(out), read_only=True) as copy:
        assert copy.execute("SELECT provider FROM exchanges").fetchall() == [("openai",)]
        assert copy.execute("SELECT count(*) FROM cost_daily").fetchone() == (1,)
    assert not list((tmp_path / "data" / "export").iterdir())


def test_overwrites_only_when_forced(config: Path, tmp_path: Path) -> None:
    """A file that is there stays, unless --force."""
    out = tmp_path / "copy.duckdb"
    out.write_text("mine")
    result = run(config, str(out))
    assert result.exit_code != 0
    assert "--force" in result.output
    assert out.read_text() == "mine"
    assert run(config, "--force", str(out)).exit_code == 0
    assert out.read_bytes() != b"mine"


def test_a_missing_directory_is_said(config: Path, tmp_path: Path) -> None:
    """Before the log is copied."""
    result = run(config, str(tmp_path / "no" / "copy.duckdb"))
    assert result.exit_code != 0
    assert "no such directory" in result.output
