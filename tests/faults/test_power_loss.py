"""What a loss of power takes, at each setting of [spool] fsync: the disk is copied as it is, without what only memory held.

The spool lies on a file system of its own inside a file. Its dirty pages are not in that file before they are written back or
synced, so a copy of the file is what a machine would find after its power failed. What no copy can show is a disk that lies about
its cache.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from os import geteuid, kill, sync
from pathlib import Path

import pytest

from tests.faults.account import Line, fetch_rows
from tests.faults.traffic import Crowd, Request, Stage, more
from tests.helpers.goldwash import Goldwash
from tests.helpers.waiting import eventually

SIZE = 96 << 20
INTERVAL = 1.0
SLACK = 1.5  # seconds more that a busy machine may take to wake the syncing task


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[Path, Path], None]]:
    """Mounts a file as a file system; skips where that is not permitted."""
    mounted: list[Path] = []

    def attach(image: Path, at: Path) -> None:
        at.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sys.platform != "linux" or geteuid() != 0 or shutil.which("mkfs.ext4") is None:
            pytest.skip("only root can mount a disk made for the test, on Linux with mkfs.ext4")
        if not image.exists():
            with image.open("wb") as file:
                file.truncate(SIZE)
            subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)], check=True)
        done = subprocess.run(["mount", "-o", "loop", str(image), str(at)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a file cannot be mounted here: {done.stderr.strip()}")
        mounted.append(at)

    yield attach
    for at in reversed(mounted):
        subprocess.run(["umount", "-l", str(at)], check=False, capture_output=True)


def cut_power(goldwash: Goldwash, image: Path, copy: Path) -> float:
    """Copy the disk as it is while the worker stands still; the moment (time.monotonic) at which it stood."""
    (worker,) = goldwash.pids("worker")
    kill(worker, signal.SIGSTOP)
    moment = time.monotonic()
    shutil.copyfile(image, copy)
    kill(worker, signal.SIGCONT)
    return moment


@pytest.mark.parametrize("fsync", ["each", "interval", "never"])
def test_power_fails(
    install, stage_of_faults: Stage, report: Callable[[Line], None], mount, tmp_path: Path, rounds: int | None, fsync: str
) -> None:
    """`each`: all that any provider saw is there. `interval`: all but the last second. `never`: what the kernel had written back."""
    if fsync == "never" and rounds is None:
        pytest.skip("takes long: scripts/faults")
    goldwash: Goldwash = install(spool={"segment_mb": 1, "fsync": fsync, "fsync_interval": INTERVAL}, log={"address": "../a.duckdb"})
    image, copy = tmp_path / "disk", tmp_path / "disk-after"
    mount(image, goldwash.data_dir / "spool")
    goldwash.start()
    kill(goldwash.pids("service")[0], signal.SIGSTOP)  # what it loads it deletes; here the spool alone counts
    crowd = Crowd(stage_of_faults, goldwash.port, 6, {"chat": 4, "stream": 2})
    if fsync == "never":
        sync()
    with crowd:
        more(crowd, 60)
        time.sleep(INTERVAL + SLACK)
        more(crowd, 60)
        moment = cut_power(goldwash, image, copy)
        more(crowd, 10)
    assert crowd.errors() == []
    goldwash.kill()
    subprocess.run(["umount", "-l", str(goldwash.data_dir / "spool")], check=True)
    rows = _after(goldwash, mount, copy)
    sent = [request for request in crowd.requests if request.exchange_id and request.at + request.seconds < moment]
    missing = [request for request in sent if request.exchange_id not in rows]
    if fsync == "each":
        assert missing == []
    elif fsync == "interval":
        late = [request for request in missing if request.at + request.seconds < moment - INTERVAL - SLACK]
        assert late == []
    oldest = max((moment - request.at for request in missing), default=0.0)
    report(
        Line(
            f'power lost, fsync = "{fsync}"', 1, len(sent), len(rows), sum(rows[r.exchange_id] == "lost" for r in sent if r.exchange_id in rows),
            0, len(missing), 0, f"{len(missing)} answered and gone, the oldest {oldest:.1f} s before" if missing else "none that was answered is gone",
        )
    )  # fmt: skip


def _after(goldwash: Goldwash, mount: Callable[[Path, Path], None], copy: Path) -> dict[str, str]:
    """Start on the copied disk; rows: id -> ending."""
    mount(copy, goldwash.data_dir / "spool")
    goldwash.start()
    goldwash.flush()
    assert eventually(lambda: goldwash.admin("POST", "/api/flush", {})[0] == 200)
    return {str(row["exchange_id"]): row["ending"] for row in fetch_rows(goldwash)}


def median(requests: list[Request]) -> float:
    """Of the seconds that requests took."""
    return sorted(request.seconds for request in requests)[len(requests) // 2]


def test_what_it_costs(install, stage_of_faults: Stage, report: Callable[[Line], None], long_form) -> None:
    """One run with each setting, one after another on the same machine: requests a second and the median of their times."""
    goldwash: Goldwash = install(spool={"segment_mb": 32})
    text = goldwash.config.read_text()
    said = []
    for fsync in ("never", "interval", "each", "never"):
        goldwash.config.write_text(text.replace("segment_mb = 32", f'segment_mb = 32\nfsync = "{fsync}"'))
        goldwash.start()
        crowd = Crowd(stage_of_faults, goldwash.port, 16, {"chat": 1})
        with crowd:
            more(crowd, 200)
            count, began = len(crowd.requests), time.monotonic()
            time.sleep(8)
            rate = (len(crowd.requests) - count) / (time.monotonic() - began)
        assert crowd.errors() == []
        said.append(f"{fsync} {rate:.0f}/s {median(crowd.requests[count:]) * 1000:.1f} ms")
        goldwash.stop()
    report(Line("cost of fsync, 16 clients", 1, 0, 0, 0, 0, 0, 0, "; ".join(said)))
