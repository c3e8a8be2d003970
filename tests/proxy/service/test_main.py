"""The log service as the process it is: found by its state file, drained by SIGTERM, gone with its leash."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.settings import Settings
from proxy.service import state
from proxy.service.client import Access, Remote, ServiceError, find
from proxy.service.memory import memory_bytes
from proxy.service.opinions import uuid7
from proxy.spool.writer import Spool
from proxy.supervisor import MALLOC
from tests.proxy.service.conftest import exchange

ROOT = Path(__file__).parents[3]


@contextmanager
def process(settings: Settings, *arguments: str, fds: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """The service as a process; killed at the end where it still lives."""
    started = subprocess.Popen(
        [sys.executable, "-m", "proxy.service", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        pass_fds=fds,
    )  # fmt: skip
    assert started.stdin is not None
    started.stdin.write(settings.dump().encode())
    started.stdin.close()
    started.stdin = None
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


def found(settings: Settings, started: subprocess.Popen[bytes], seconds: float = 20) -> Remote:
    """The service once it answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and started.poll() is None:
        remote = find(settings)
        if remote is not None and remote.at.pid == started.pid:
            return remote
        time.sleep(0.05)
    raise AssertionError(started.communicate()[1].decode())


def test_serves_and_drains(settings: Settings) -> None:
    """What was spooled before SIGTERM is in the log after it; nothing is printed, nothing left behind."""
    worker = Spool(settings.data_dir / "spool", "here", "w0", 1 << 20)
    with process(settings) as started:
        remote = found(settings, started)
        assert remote.json("/api/feedback", {"response_id": "r", "score": 1}, 5)["status"] == "taken"
        for _ in range(100):
            exchange(worker, uuid7())
        worker.close()
        started.send_signal(signal.SIGTERM)
        out, err = started.communicate(timeout=30)
        assert started.returncode == 0, err.decode()
        assert out == b""
        assert all(json.loads(line)["level"] == "info" for line in err.splitlines()), err.decode()
    assert not (settings.data_dir / "service.json").exists()
    with Access(settings) as access:
        assert access.remote is None
        assert access.rows("SELECT (SELECT count(*) FROM exchanges) AS e, (SELECT count(*) FROM feedback) AS f") == [{"e": 100, "f": 1}]
        assert access.waiting() == (0, 0)
    assert not list((settings.data_dir / "spool").iterdir())


def test_goes_with_its_leash(settings: Settings) -> None:
    """When the supervisor is killed, the pipe it held ends, and so does the service."""
    read_end, write_end = os.pipe()
    with process(settings, "--leash", str(read_end), fds=(read_end,)) as started:
        os.close(read_end)
        found(settings, started)
        os.close(write_end)
        assert started.wait(20) == 0


def test_a_successor_waits_for_the_log(settings: Settings) -> None:
    """A service that starts while another still drains takes over when it lets go; commands wait, too."""
    with process(settings) as first:
        found(settings, first)
        with process(settings) as second:
            time.sleep(1.0)
            assert second.poll() is None
            first.send_signal(signal.SIGTERM)
            assert first.wait(20) == 0
            remote = found(settings, second)
            with remote.sql("SELECT 1 AS a", "json", None, 5).file as file:
                assert file.read() == b'[{"a":1}]\n'
            second.send_signal(signal.SIGKILL)
            second.wait()
    with Access(settings) as access:  # the state file of the dead one misleads nobody
        assert access.rows("SELECT 1 AS a") == [{"a": 1}]


def test_other_machines_need_the_token(settings: Settings) -> None:
    """Bound wider than loopback, it makes a token that commands here read and others lack."""
    with process(settings.model_copy(update={"admin": settings.admin.model_copy(update={"host": "0.0.0.0"})})) as started:
        remote = found(settings, started)
        assert remote.token
        assert (settings.data_dir / "admin.token").stat().st_mode & 0o777 == 0o600
        with Access(settings) as access:
            assert access.remote is not None
            assert access.rows("SELECT 1 AS a") == [{"a": 1}]
        with pytest.raises(ServiceError, match="token"):
            Remote(remote.at, None).json("/api/flush", {}, 5)
        with urllib.request.urlopen(remote.at.url + "/healthz", timeout=5) as answer:
            assert answer.status == 200


def test_a_taken_port_is_said(settings: Settings) -> None:
    """With the key to change; the exit code is that of a bad configuration."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with process(settings.model_copy(update={"admin": settings.admin.model_copy(update={"port": port})})) as started:
            _, err = started.communicate(timeout=20)
            assert started.returncode == 2
            assert "[admin] port" in json.loads(err.splitlines()[-1])["why"]


def test_a_damaged_log_is_said(settings: Settings) -> None:
    """The exit code is not 0, and the sentence names the file."""
    settings.data_dir.mkdir(parents=True)
    (settings.data_dir / "goldwash.duckdb").write_bytes(b"no database" * 1000)
    with process(settings) as started:
        _, err = started.communicate(timeout=20)
        assert started.returncode == 2
        assert "goldwash.duckdb" in json.loads(err.splitlines()[-1])["why"]


def test_no_query_takes_the_machine(settings: Settings) -> None:
    """A list made inside one expression stands outside DuckDB's limit; the process has one of its own, and lives on."""
    small = settings.model_copy(update={"sql": settings.sql.model_copy(update={"memory": "100MB"})})
    with process(small) as started:
        remote = found(small, started)
        with pytest.raises(ServiceError) as caught:
            remote.sql("SELECT len(range(500000000))", "json", None, 30)
        assert caught.value.status == 413
        with Access(small) as access:
            assert access.rows("SELECT 1 AS a") == [{"a": 1}]


RESERVING = """
import mmap, pyarrow
from proxy.service.main import bound_memory
from proxy.service.readers import untouched_bytes
pyarrow.array(range(200_000))
assert untouched_bytes() < 900 << 20, untouched_bytes()  # Arrow's own allocator would have reserved a GiB
idle = mmap.mmap(-1, 6 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
bound_memory(100 << 20)
bytearray(512 << 20)
try:
    bytearray(8 << 30)
except MemoryError:
    print("bounded")
"""


def test_memory_that_is_only_reserved_does_not_count() -> None:
    """Allocators keep GiB that nobody touches; the process's bound is about what is used, or queries would all fail with time."""
    run = subprocess.run([sys.executable, "-c", RESERVING], cwd=ROOT, env=os.environ | MALLOC, capture_output=True, text=True, check=False)
    assert run.stdout == "bounded\n", run.stderr


def test_sizes() -> None:
    """DuckDB's own units."""
    assert [memory_bytes(text) for text in ("1GB", "512MiB", "1.5 KB")] == [10**9, 512 << 20, 1500]
    with pytest.raises(ValueError, match="1 potato"):
        memory_bytes("1 potato")


def test_a_stale_state_is_no_service(settings: Settings) -> None:
    """A dead process, or another program on its port, is not taken for the service."""
    settings.data_dir.mkdir(parents=True)
    assert find(settings) is None
    state.write(settings.data_dir, state.State(2**22 + 1, "127.0.0.1", 1, None))
    assert find(settings) is None
    state.write(settings.data_dir, state.State(os.getpid(), "127.0.0.1", 1, None))
    assert find(settings) is None
