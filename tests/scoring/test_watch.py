"""The watcher's loop and its process: jobs that fail alone, one watcher a data directory, an end with its parent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from config.options import Alerts
from config.settings import ConfigError, Settings
from proxy.service.client import Access, ServiceError
from scoring.watch import Job, Served, Watch

ROOT = Path(__file__).parents[2]
RAN: dict[str, int] = {}
HELD = threading.Event()


class Nothing(Access):
    """An access that nothing is asked of."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.remote, self.log, self._readers = settings, None, None, None


def _counts(name: str, fails: Exception | None = None, wait: bool = False) -> Job:
    def run(access: Access, now: datetime) -> None:
        RAN[name] = RAN.get(name, 0) + 1
        assert now.tzinfo is not None
        if wait:
            HELD.wait(10)
        if fails is not None:
            raise fails

    return Job(name, 0.02, run)


def good(_: Settings) -> Job:
    return _counts("good")


def bad(_: Settings) -> Job:
    return _counts("bad", ValueError("out of order"))


def stuck(_: Settings) -> Job:
    return _counts("stuck", wait=True)


def absent(_: Settings) -> None:
    return None


def misconfigured(_: Settings) -> Job:
    raise ConfigError("otel.toml: [otel] url: it is missing")


def test_a_job_that_fails_or_hangs_stops_no_other(tmp_path):
    """One raises each time, one hangs, one cannot be made, one has nothing to do: the good one runs on, and all is counted."""
    RAN.clear()
    HELD.clear()
    names = ("good", "bad", "stuck", "absent", "misconfigured", "not_there")
    watching = Watch(Settings(data_dir=tmp_path), [f"{__name__}:{name}" for name in names], Nothing)
    watching.start()
    until = time.monotonic() + 10
    while (RAN.get("good", 0) < 5 or RAN.get("bad", 0) < 2) and time.monotonic() < until:
        time.sleep(0.01)
    assert not watching.stop(0.1)  # one hangs
    HELD.set()
    assert watching.stop(5.0)
    records = {place.partition(":")[2]: record for place, record in watching.records.items()}
    assert records["good"].failures == 0
    assert records["good"].last_success is not None
    assert records["bad"].failures >= 2
    assert records["bad"].error == "out of order"
    assert RAN["stuck"] == 1
    assert "otel.toml" in str(records["misconfigured"].error)
    assert "not_there" in str(records["not_there"].error)


def test_without_a_log_service_a_job_waits(tmp_path):
    """A watcher never opens the log by itself: where no service answers, its jobs are told so."""
    with pytest.raises(ServiceError) as refused:
        Served(Settings(data_dir=tmp_path))
    assert refused.value.status == 503


def _watch(data_dir: Path, leash: int) -> subprocess.Popen[str]:
    settings = Settings(data_dir=data_dir, alerts=Alerts())
    process = subprocess.Popen(
        [sys.executable, "-m", "scoring.commands.watch", "--leash", str(leash)],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, pass_fds=[leash],
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(settings.dump())
    process.stdin.close()
    return process


def test_the_process_ends_with_its_parent_and_is_alone(tmp_path, monkeypatch):
    """A second watcher on the same data directory waits and gives up; the first ends by itself when the supervisor's pipe closes."""
    read, write = os.pipe()
    first = _watch(tmp_path, read)
    assert first.stderr is not None
    line = first.stderr.readline()
    assert "watching" in line, line
    assert (tmp_path / "watch.lock").read_text() == str(first.pid)
    threads = [int(entry.name) for entry in Path(f"/proc/{first.pid}/task").iterdir()]
    assert min(os.getpriority(os.PRIO_PROCESS, thread) for thread in threads) >= 10, "traffic goes first"
    code = (
        "import asyncio, sys; from pathlib import Path; from config.settings import Settings; from scoring.commands import watch; "
        "watch.PATIENCE = 0.2; asyncio.run(watch.keep(Settings(data_dir=Path(sys.argv[1])), -1))"
    )
    second = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
    assert second.returncode == 1
    assert f"another watcher (pid {first.pid}) is at work" in second.stderr
    assert first.poll() is None
    os.close(write)
    assert first.wait(20) == 0
    first.stderr.close()
    os.close(read)
