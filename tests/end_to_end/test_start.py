"""What stands in the way of a start is said in a sentence with the fix, at once, with an exit code, and nothing is left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash, run
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

ENVIRON = {"PATH": os.environ["PATH"]}


def refused(goldwash: Goldwash) -> tuple[int, str]:
    """Exit code and output of a start that must fail."""
    process = goldwash.launch()
    try:
        code = process.wait(20)
        assert goldwash.children() == {}
    finally:
        goldwash.kill()
    said = goldwash.output()
    assert "Traceback" not in said
    return code, said


@pytest.mark.parametrize("key", ["proxy", "admin"])
def test_port_taken(tmp_path: Path, key: str) -> None:
    """A port that somebody else listens on is named with its key."""
    goldwash = Goldwash(tmp_path, {})
    port = goldwash.port if key == "proxy" else goldwash.admin_port
    with socket.create_server(("127.0.0.1", port)):
        code, said = refused(goldwash)
    assert code != 0
    assert str(port) in said
    assert f"[{key}] port" in said


def test_data_directory_in_use(tmp_path: Path, stage: Upstream) -> None:
    """A second instance on the same directory is refused by the first one's pid; the first goes on."""
    with Goldwash(tmp_path / "one", {"stage": {"url": stage.url}}) as first:
        second = Goldwash(tmp_path / "two", {})
        second.config.write_text(second.config.read_text().replace(str(second.data_dir), str(first.data_dir)))
        code, said = refused(second)
        assert code != 0
        assert str(first.data_dir) in said
        assert first.process is not None
        assert str(first.process.pid) in said
        assert first.ready()


def test_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A data directory under a file is refused by its path."""
    (tmp_path / "file").write_text("")
    goldwash = Goldwash(tmp_path, {})
    goldwash.config.write_text(goldwash.config.read_text().replace(str(goldwash.data_dir), str(tmp_path / "file" / "data")))
    code, said = refused(goldwash)
    assert code != 0
    assert str(tmp_path / "file") in said


BAD = {
    "unknown key": ("[proxy]\nprot = 8080\n", ["goldwash.toml", "prot", "port"]),
    "unknown section": ("[prxy]\nport = 8080\n", ["goldwash.toml", "prxy", "proxy"]),
    "wrong type": ('[proxy]\nport = "many"\n', ["goldwash.toml", "[proxy] port", "many"]),
    "out of range": ("[proxy]\nport = 99999\n", ["goldwash.toml", "[proxy] port", "99999"]),
    "no toml": ("[proxy\n", ["goldwash.toml", "TOML"]),
    "no url": ('[upstreams.mine]\nurl = "api.example.com"\n', ["goldwash.toml", "[upstreams.mine] url", "https://"]),
    "half of tls": ('[proxy]\ntls_cert = "cert.pem"\n', ["tls_cert", "tls_key"]),
    "password": ('[upstreams.mine]\nurl = "https://u:secret@api.example.com"\n', ["[upstreams.mine] url"]),
    "same ports": ("[proxy]\nport = 8085\n[admin]\nport = 8085\n", ["8085"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_configuration(tmp_path: Path, name: str) -> None:
    """A configuration that cannot be used is refused with file, key, value and fix, by every command."""
    text, words = BAD[name]
    config = tmp_path / "goldwash.toml"
    config.write_text(text)
    done = run("up", "--config", str(config), environ=ENVIRON, timeout=20)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not [word for word in words if word not in done.stderr], done.stderr
    assert "secret" not in done.stderr


def test_missing_configuration(tmp_path: Path) -> None:
    """A configuration file that is not there is named, with where its name came from."""
    for arguments, environ, origin in (
        (["--config", str(tmp_path / "none.toml")], {}, "--config"),
        ([], {"GOLDWASH_CONFIG": str(tmp_path / "none.toml")}, "GOLDWASH_CONFIG"),
    ):
        done = run("up", *arguments, environ={**ENVIRON, **environ}, timeout=20)
        assert done.returncode == 2
        assert "none.toml" in done.stderr
        assert origin in done.stderr


def test_bad_certificate(tmp_path: Path) -> None:
    """A certificate that cannot be read stops the start and is named."""
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    proxy = {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}
    code, said = refused(Goldwash(tmp_path / "data", {}, sections={"proxy": proxy}))
    assert code != 0
    assert "cert.pem" in said


def test_log_that_is_none(tmp_path: Path, stage: Upstream) -> None:
    """A log file that is no database stops no traffic, is said, and is not touched."""
    goldwash = Goldwash(tmp_path, {"stage": {"url": stage.url}})
    goldwash.data_dir.mkdir(mode=0o700)
    log = goldwash.data_dir / "goldwash.duckdb"
    log.write_text("this is no database\n" * 1000)
    stage.on("/no-log", answer(200, [], b"ok"))
    goldwash.launch()
    try:

        def served() -> bool:
            try:
                got = fetch(goldwash.port, "GET", "/stage/no-log", timeout=5)
                return got.complete and got.status == 200
            except OSError:
                return False

        assert eventually(served, within=20)
        assert eventually(lambda: "goldwash.duckdb" in goldwash.output())
        assert not goldwash.ready()
        assert log.read_text().startswith("this is no database")
    finally:
        goldwash.stop()


def test_started_among_folders_of_the_same_names(tmp_path: Path) -> None:
    """Projects have folders named config, proxy and scoring too: none of them is taken for ours."""
    for name in ("config", "proxy", "scoring"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('taken for ours')")
    goldwash = Goldwash(tmp_path, {})
    command = Path(sys.executable).parent / "goldwash"
    process = subprocess.Popen(
        [str(command), "up", "--config", str(goldwash.config)], cwd=tmp_path, env=goldwash.environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert eventually(lambda: goldwash.ready() or process.poll() is not None, 30)
        assert process.poll() is None
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[0]
    assert "taken for ours" not in said
