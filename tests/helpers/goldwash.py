"""Starts the real `goldwash up` as a process of its own, as an operator would, and asks it as a user would."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.helpers.client import fetch
from tests.helpers.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "proxy.cli")
INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
MARK = "TESTED_INSTANCE"
"""An environment variable by which the processes of one instance are told from all others."""
Table = Mapping[str, object]


class Goldwash:
    """One installation in a directory of its own, on free ports of 127.0.0.1; a context manager that starts and stops it.

    upstreams: name -> keys of its [upstreams.NAME] table. sections: other tables by name. environ: variables beside a
    clean environment (no proxy and no provider key of the machine reaches the process).
    """

    def __init__(
        self,
        directory: Path,
        upstreams: Mapping[str, Table],
        *,
        sections: Mapping[str, Table] | None = None,
        environ: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        scheme: str = "http",
    ) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self.port = self.admin_port = free_port()
        while self.admin_port == self.port:
            self.admin_port = free_port()
        self.config = directory / "goldwash.toml"
        self._mark = uuid.uuid4().hex
        clean = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environ = {**clean, **(environ or {}), MARK: self._mark}
        self.arguments = arguments
        self.scheme = scheme
        self.process: subprocess.Popen[bytes] | None = None
        self._output = directory / "up.log"
        directory.mkdir(parents=True, exist_ok=True)
        given = dict(sections or {})
        tables: dict[str, Table] = {
            "proxy": {"host": "127.0.0.1", "port": self.port, **given.pop("proxy", {})},
            "admin": {"host": "127.0.0.1", "port": self.admin_port, **given.pop("admin", {})},
            **given,
            **{f"upstreams.{name}": table for name, table in upstreams.items()},
        }
        self.config.write_text(toml({"data_dir": str(self.data_dir)}, tables), encoding="utf-8")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, failed: object, *_: object) -> None:
        if failed:
            sys.stdout.write(f"what goldwash said last:\n{self.output()[-4000:]}")  # pytest shows it below the failure
        self.stop()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process and do not wait until it is ready."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "up", "--config", str(self.config), *self.arguments],
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def start(self, within: float = 30.0) -> Self:
        """Start it and wait until /readyz says so; raises AssertionError with its output where it does not."""
        process = self.launch()
        if not eventually(lambda: self.ready() or process.poll() is not None, within) or process.poll() is not None:
            said = self.output()[-4000:]
            self.kill()
            raise AssertionError(f"goldwash up was not ready within {within} s (exit {process.poll()}):\n{said}")
        return self

    def ready(self) -> bool:
        """Whether /readyz answers 200."""
        try:
            return self.admin("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self, within: float = 30.0) -> int | None:
        """SIGTERM, wait, and kill what is left of it; returns the exit code, None where it had to be killed."""
        process = self.process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL for the supervisor and everything it started."""
        process = self.process
        if process is None:
            return
        for pid in [*self.children(), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)

    def children(self) -> dict[int, str]:
        """Living processes of this installation but the supervisor, also when that is dead: pid -> command line."""
        leader = self.process.pid if self.process else None
        return {pid: line for pid, line in processes(f"{MARK}={self._mark}").items() if pid != leader}

    def pids(self, kind: str) -> list[int]:
        """Processes by the module they run: worker, service."""
        return [pid for pid, line in self.children().items() if f"proxy.{kind}" in line]

    def output(self) -> str:
        """What it has printed, over all its starts."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def url(self, upstream: str) -> str:
        """The base URL for clients of one upstream."""
        host = "localhost" if self.scheme == "https" else "127.0.0.1"
        return f"{self.scheme}://{host}:{self.port}/{upstream}"

    def admin(self, method: str, path: str, body: object = None, timeout: float = 60.0) -> tuple[int, bytes]:
        """Status and body of a request to the admin port; `body` goes as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=timeout)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def flush(self) -> None:
        """Wait until all that was spooled before the call can be queried."""
        status, body = self.admin("POST", "/api/flush", {})
        assert status == 200, body

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries."""
        status, body = self.admin("POST", "/api/sql", {"sql": query, "format": "json"})
        assert status == 200, body
        rows = json.loads(body)
        assert isinstance(rows, list), rows
        return rows

    def rows(self, where: str) -> list[dict[str, Any]]:
        """The rows of `exchanges` that meet a condition, oldest first, after a flush."""
        self.flush()
        return self.sql(f"SELECT * FROM exchanges WHERE {where} ORDER BY accepted_at, exchange_id")

    def row(self, where: str) -> dict[str, Any]:
        """The one row that meets a condition."""
        rows = self.rows(where)
        assert len(rows) == 1, f"{len(rows)} rows where {where}: {[(row['path'], row['ending']) for row in rows]}"
        return rows[0]

    def metrics(self) -> str:
        """/metrics as text."""
        status, body = self.admin("GET", "/metrics")
        assert status == 200, body
        return body.decode()

    def cli(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `goldwash …` beside it with the same configuration."""
        return run(*arguments, "--config", str(self.config), environ=self.environ, timeout=timeout)


def run(*arguments: str, environ: Mapping[str, str], cwd: Path = ROOT, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run `goldwash …` to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def processes(variable: str) -> dict[int, str]:
    """Living processes that were started with this environment variable: pid -> command line. Zombies are dead."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return {pid: line for pid, line in found.items() if line}


def memory_of(pid: int) -> int:
    """Resident memory of a process in bytes, without pages of mapped files."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no RssAnon for {pid}")


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def toml(top: Table, tables: Mapping[str, Table]) -> str:
    """Plain values and lists as TOML: their JSON text is TOML too."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def post_json(port: int, target: str, body: object, headers: list[tuple[str, str]] | None = None) -> Any:
    """POST JSON on a connection of its own; the Message of the answer."""
    return fetch(port, "POST", target, [("Content-Type", "application/json"), *(headers or [])], json.dumps(body).encode())
