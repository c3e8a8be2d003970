"""Disks that fill up under the spool and under the log: traffic passes untouched, what is shed is counted, and it heals by itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.faults.account import account
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

TARGET = "/openai/v1/chat/completions?kind=chat"


def ask(goldwash: Goldwash, size: int = 100_000) -> int:
    """One chat with a request body of `size` bytes; the status of its answer."""
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "g" * size}]}).encode()
    return fetch(goldwash.port, "POST", TARGET, [("Content-Type", "application/json")], body).status


def fill(directory: Path) -> Path:
    """Take what is left of a disk; delete the file to give it back."""
    file = directory / "somebody-else"
    with file.open("wb", buffering=0) as opened:
        size = 1 << 20
        while size:
            try:
                opened.write(bytes(size))
            except OSError:
                size //= 2
    return file


def shed(goldwash: Goldwash) -> tuple[int, int]:
    """(exchanges, bytes) that the log says were shed."""
    goldwash.flush()
    (row,) = goldwash.sql("SELECT coalesce(sum(exchanges), 0) AS exchanges, coalesce(sum(bytes), 0) AS bytes FROM shed")
    return int(row["exchanges"]), int(row["bytes"])


def test_spool_disk_full(install, stage_of_faults: Stage, small_disk, report) -> None:
    """Another program fills the disk of the spool: all requests pass; bodies are shed first, then exchanges; all is as before after."""
    goldwash: Goldwash = install(log={"address": "../goldwash.duckdb"})
    small_disk(goldwash.data_dir / "spool", 24)
    goldwash.start()
    (service,) = goldwash.pids("service")
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 4, "big": 2, "stream": 1})
    with crowd:
        more(crowd, 50)
        os.kill(service, 19)  # SIGSTOP: a loader that deletes segments would make room again
        try:
            taken = fill(goldwash.data_dir / "spool")
            assert eventually(lambda: "spool_full" in goldwash.output(), within=20)
            more(crowd, 200)
        finally:
            os.kill(service, 18)
        assert eventually(lambda: goldwash_figure(goldwash, "goldwash_spool_full_workers") in (0.0, 1.0))
        taken.unlink()
        assert eventually(lambda: "spool_has_room_again" in goldwash.output(), within=20)
        more(crowd, 20)
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    exchanges, size = shed(goldwash)
    assert size > 100_000
    assert len(found.missing) == exchanges, "what has no row was counted as shed"
    assert (found.unlike, found.answered_lost) == ([], [])
    assert (found.verified["unaccounted"], found.verified["doubled"], found.verified["totals"]["shed"]) == (0, 0, exchanges)
    (cut,) = goldwash.sql("SELECT count(*) AS n, count(request_sha256) AS hashed FROM exchanges WHERE request_truncated")
    assert cut["n"] > 0, "some exchanges were kept without their bodies"
    assert cut["hashed"] > cut["n"] * 0.8, "of which the hashes are known all the same, but where a body came in parts"
    report(
        found.line(
            "spool disk full", 1, len(crowd.errors()), f"{cut['n']:,} kept without bodies, {exchanges:,} shed whole and counted as lost"
        )
    )


def goldwash_figure(goldwash: Goldwash, name: str) -> float | None:
    """One metric; None where it is not told."""
    return next((float(line.split()[-1]) for line in goldwash.metrics().splitlines() if line.startswith(name)), None)


def test_spool_disk_full_at_the_start(install, empty_log, stage_of_faults: Stage, small_disk, report) -> None:
    """A Goldwash that starts on a full disk passes traffic, and logs it from the moment there is room."""
    goldwash: Goldwash = install(log={"address": "../goldwash.duckdb"})
    empty_log(goldwash)
    small_disk(goldwash.data_dir / "spool", 8)
    taken = fill(goldwash.data_dir / "spool")
    goldwash.launch()
    assert eventually(lambda: _answers(goldwash), within=30), goldwash.output()[-2000:]
    assert {ask(goldwash, 100) for _ in range(20)} == {200}
    taken.unlink()
    assert eventually(lambda: "spool_has_room_again" in goldwash.output(), within=20)
    assert ask(goldwash) == 200
    assert eventually(goldwash.ready)
    assert eventually(lambda: goldwash.rows("request_bytes > 100000 AND NOT request_truncated"))
    found = account(goldwash, [])
    exchanges, _ = shed(goldwash)
    assert exchanges >= 20
    assert found.verified["unaccounted"] == 0
    report(found.line("spool disk full at the start", 1, 0, f"{exchanges} shed and counted as lost"))


def _answers(goldwash: Goldwash) -> bool:
    try:
        return ask(goldwash, 100) == 200
    except OSError:
        return False


def test_refused_where_the_log_has_no_room(install, stage_of_faults: Stage, small_disk, report) -> None:
    """on_log_failure = "refuse": on a full disk clients get 503 and a sentence, nothing is forwarded, and it ends with the fault."""
    goldwash: Goldwash = install(proxy={"on_log_failure": "refuse"}, log={"address": "../goldwash.duckdb"})
    small_disk(goldwash.data_dir / "spool", 8)
    goldwash.start()
    os.kill(goldwash.pids("service")[0], 19)
    try:
        taken = fill(goldwash.data_dir / "spool")
        assert eventually(lambda: ask(goldwash) == 503, within=20)
        served = sum(stage_of_faults.served.values())
        body = fetch(goldwash.port, "POST", TARGET, [], b"{}")
        assert body.status == 503
        assert "on_log_failure" in bytes(body.body).decode()
        assert sum(stage_of_faults.served.values()) == served
    finally:
        os.kill(goldwash.pids("service")[0], 18)
    taken.unlink()
    assert eventually(lambda: ask(goldwash) == 200, within=20)
    found = account(goldwash, [])
    assert found.verified["unaccounted"] == 0
    report(found.line('spool disk full, "refuse"', 1, 0, "503 while it is full, nothing lost"))


def test_log_disk_full(install, stage_of_faults: Stage, small_disk, report, tmp_path: Path) -> None:
    """The disk of the log fills up: traffic and spool go on, the service says so and tries again, and nothing is missing afterwards."""
    disk = tmp_path / "log-disk"
    goldwash: Goldwash = install(log={"address": str(disk / "goldwash.duckdb")}, spool={"segment_mb": 8})
    small_disk(disk, 24)
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 4, "big": 2, "stream": 1})
    with crowd:
        more(crowd, 50)
        taken = fill(disk)
        assert eventually(lambda: "did not take a round" in goldwash.output() or "cannot be opened" in goldwash.output(), within=30)
        more(crowd, 100)
    taken.unlink()
    enlarge(disk)
    assert eventually(goldwash.ready, within=60), goldwash.output()[-3000:]
    assert eventually(lambda: _flushed(goldwash), within=60), goldwash.output()[-3000:]
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.unlike, found.answered_lost) == ([], [], [])
    assert (found.verified["unaccounted"], found.verified["doubled"], found.verified["totals"]["lost"]) == (0, 0, 0)
    report(found.line("log disk full", 1, 0, "rows wait in the spool until there is room"))


def test_log_disk_full_at_a_checkpoint(install, stage_of_faults: Stage, small_disk, report, long_form, tmp_path: Path) -> None:
    """A disk that fills up while DuckDB checkpoints makes it refuse everything until the file is opened anew: the service does that."""
    disk = tmp_path / "log-disk"
    goldwash: Goldwash = install(log={"address": str(disk / "goldwash.duckdb")}, spool={"segment_mb": 32})
    small_disk(disk, 170)
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"big": 1}, pause=0.05)
    with crowd:
        assert eventually(lambda: "DuckDB must open the log again" in goldwash.output(), within=120), goldwash.output()[-3000:]
    enlarge(disk)
    assert eventually(goldwash.ready, within=60), goldwash.output()[-3000:]
    assert eventually(lambda: _flushed(goldwash), within=60), goldwash.output()[-3000:]
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.unlike, found.answered_lost) == ([], [], [])
    assert (found.verified["unaccounted"], found.verified["doubled"], found.verified["totals"]["lost"]) == (0, 0, 0)
    report(found.line("log disk full at a checkpoint", 1, 0, "the log service starts again by itself"))


def enlarge(disk: Path) -> None:
    """An operator gives the disk more room."""
    subprocess.run(["mount", "-o", "remount,size=3g", str(disk)], check=True)


def _flushed(goldwash: Goldwash) -> bool:
    try:
        return goldwash.admin("POST", "/api/flush", {})[0] == 200
    except OSError:
        return False


def test_one_disk_for_all_is_full(install, stage_of_faults: Stage, small_disk, report, long_form) -> None:
    """Spool, log and state on one disk that fills up, as most install it: traffic passes, also after a start; then all is as before."""
    goldwash: Goldwash = install()
    small_disk(goldwash.data_dir, 40)
    goldwash.start()
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 4, "big": 1, "stream": 1}, pause=0.01)
    with crowd:
        more(crowd, 50)
        taken = fill(goldwash.data_dir)
        assert eventually(lambda: "spool_full" in goldwash.output(), within=30)
        more(crowd, 100)
    goldwash.stop()
    goldwash.launch()
    assert eventually(lambda: _answers(goldwash), within=30), goldwash.output()[-2000:]
    taken.unlink()
    enlarge(goldwash.data_dir)
    assert eventually(goldwash.ready, within=60), goldwash.output()[-3000:]
    assert eventually(lambda: _flushed(goldwash), within=60), goldwash.output()[-3000:]
    with crowd:
        more(crowd, 20)
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    exchanges, _ = shed(goldwash)
    assert len(found.missing) <= exchanges
    assert (found.unlike, found.answered_lost) == ([], [])
    assert (found.verified["unaccounted"], found.verified["doubled"], found.verified["totals"]["shed"]) == (0, 0, exchanges)
    report(found.line("one disk for all full, started on it", 1, 0, f"{exchanges} shed whole and counted as lost"))
