"""`goldwash doctor` finds what is wrong and says the fix; all well is exit code 0."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import goldwash
from proxy.log.attach import Log
from tests.helpers.certificates import Authority


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A sound configuration with an empty log."""
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path}/data"\n[proxy]\nport = 0\n[admin]\nport = 0\n[spool]\nmax_gb = 0.001\n')
    Log.open("goldwash.duckdb", tmp_path / "data").close()
    return file


def run(config: Path) -> Result:
    """The command as a terminal would run it."""
    return CliRunner().invoke(goldwash, ["doctor", "--config", str(config)])


def test_all_is_well(config: Path) -> None:
    """Nothing wrong, exit code 0."""
    result = run(config)
    assert result.exit_code == 0, result.output
    assert "0 wrong" in result.output


def test_before_the_first_start(tmp_path: Path) -> None:
    """No directory and no log is no fault."""
    file = tmp_path / "goldwash.toml"
    file.write_text(f'data_dir = "{tmp_path}/data"\n[proxy]\nport = 0\n[admin]\nport = 0\n')
    result = run(file)
    assert result.exit_code == 0, result.output
    assert "nothing has been logged yet" in result.output
    assert not (tmp_path / "data").exists()


def test_a_bad_configuration(tmp_path: Path) -> None:
    """The loader's own sentence."""
    file = tmp_path / "goldwash.toml"
    file.write_text("[proxy]\nprot = 1\n")
    result = run(file)
    assert result.exit_code == 1
    assert "prot" in result.output


def test_files_that_others_can_read(config: Path) -> None:
    """With the chmod that mends it."""
    (config.parent / "data" / "goldwash.duckdb").chmod(0o644)
    result = run(config)
    assert result.exit_code == 1
    assert "chmod 600" in result.output


def test_a_taken_port(config: Path) -> None:
    """By another program."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config.write_text(config.read_text().replace("[proxy]\nport = 0", f"[proxy]\nport = {taken.getsockname()[1]}"))
        result = run(config)
    assert result.exit_code == 1
    assert "[proxy] port" in result.output


def test_what_the_log_does_not_know(config: Path) -> None:
    """Missing prices, unread dialects and lost exchanges are notes; a damaged spool is wrong."""
    log = Log.open("goldwash.duckdb", config.parent / "data")
    db = log.cursor()
    db.execute(
        "INSERT INTO exchanges (provider, request_model, operation, status, cost_note, dialect, ending, path) VALUES "
        "('openai', 'gpt-x', 'chat', 200, 'unknown model', 'openai.chat', 'complete', '/v1'), ('mine', NULL, NULL, 200, NULL, NULL, 'lost', '/p')"
    )
    log.close()
    result = run(config)
    assert result.exit_code == 0, result.output
    assert "1 exchange of openai gpt-x has no price: unknown model" in result.output
    assert "[upstreams.mine]" in result.output
    assert "1 exchange was lost" in result.output


def test_a_damaged_log(config: Path) -> None:
    """It is named."""
    (config.parent / "data" / "goldwash.duckdb").write_bytes(b"no database" * 1000)
    result = run(config)
    assert result.exit_code == 1
    assert "goldwash.duckdb" in result.output


def test_a_certificate_and_open_doors(config: Path, tmp_path: Path, authority: Authority) -> None:
    """When it ends; and what other machines reach."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text("no certificate")
    key.write_text("")
    tls = f'[proxy]\nhost = "0.0.0.0"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
    config.write_text(config.read_text().replace("[proxy]\n", tls))
    result = run(config)
    assert result.exit_code == 1
    assert "no PEM certificate" in result.output
    assert "clients on other machines" in result.output


def test_options_that_do_nothing_are_noted(config: Path) -> None:
    """An upstream without an address, and a spool that sheds all bodies, are no mistakes of form."""
    config.write_text(config.read_text() + "[upstreams.mine]\nsilence_timeout = 60\n")
    result = run(config)
    assert result.exit_code == 0, result.output
    assert "[upstreams.mine] has no url" in result.output
    assert "[spool] max_gb = 0.001 holds not even two segments" in result.output
    assert "0 wrong, 2 to note" in result.output


def test_a_file_is_no_data_dir(tmp_path: Path) -> None:
    """Said as such: it may well be writable."""
    (tmp_path / "data").write_text("")
    (tmp_path / "goldwash.toml").write_text(f'data_dir = "{tmp_path}/data"\n[proxy]\nport = 0\n[admin]\nport = 0\n')
    result = run(tmp_path / "goldwash.toml")
    assert f"{tmp_path}/data is no directory" in result.output
