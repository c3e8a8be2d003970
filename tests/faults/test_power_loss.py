"""What a loss of power takes, at each setting of [spool] fsync: the disk is copied as it is, without what only memory held.

The spool lies on a file system of its own inside a file. Its dirty pages are not in that file before they are written back or
synced, so a copy of the file is what a machine would find after its power failed. What no copy can show is a disk that lies about
its cache.
"""

from __future__ import annotations

import shutil
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import geteuid, kill
from pathlib import Path

import pytest

from proxy.log.segments import Held
from proxy.spool.frames import ACCEPTED, FrameError
from proxy.spool.reader import runs
from tests.faults.account import Line, account
from tests.faults.traffic import Crowd, Stage, more
from tests.helpers.goldwash import Goldwash

SIZE = 96 << 20
INTERVAL = 1.0
CUTS = 6
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


@dataclass
class Cut:
    """One loss of power: when, what the provider had been sent until then, and which requests the disk knows of."""

    moment: float  # time.monotonic()
    sent: frozenset[str]  # numbers of requests
    known: frozenset[str]  # exchange ids that have an ACCEPTED


def cut_power(goldwash: Goldwash, stage: Stage, image: Path, copy: Path, look: Path, mount: Callable[[Path, Path], None]) -> Cut:
    """Copy the disk as it is while the worker stands still, and read the spool from the copy."""
    (worker,) = goldwash.pids("worker")
    kill(worker, signal.SIGSTOP)
    moment = time.monotonic()
    time.sleep(0.05)  # what is in the sockets reaches the provider
    sent = frozenset(stage.numbers)
    shutil.copyfile(image, copy)
    kill(worker, signal.SIGCONT)
    mount(copy, look)
    known: set[str] = set()
    for run in runs(look):
        for number in run.segments():
            known |= accepted(run.segment(number))
    subprocess.run(["umount", str(look)], check=True)
    return Cut(moment, sent, frozenset(known))


def accepted(segment: Path) -> set[str]:
    """Ids of the requests that a segment knows of; frames of which a part is not on the disk are passed over, as the loader does."""
    try:
        reader = Held(segment)
    except FrameError:  # not even its header
        return set()
    found = set()
    try:
        while True:
            try:
                raw = reader.next_raw()
            except FrameError:
                raw = None
            if raw is None:
                if reader.sealed or reader.resynchronise(0) is None:
                    return found
            elif raw[0][0] == ACCEPTED:
                found.add(str(uuid.UUID(bytes=raw[0][1:17])))
    finally:
        reader.close()


@pytest.mark.parametrize("fsync", ["each", "interval", "never"])
def test_power_fails(
    install, stage_of_faults: Stage, report: Callable[[Line], None], mount, tmp_path: Path, rounds: int | None, fsync: str
) -> None:
    """`each`: all that any provider was sent is there. `interval`: all but the last second. `never`: what the kernel had written back."""
    if fsync != "each" and rounds is None:
        pytest.skip("takes long: scripts/faults")
    goldwash: Goldwash = install(spool={"segment_mb": 1, "fsync": fsync, "fsync_interval": INTERVAL}, log={"address": "../a.duckdb"})
    image, copy = tmp_path / "disk", tmp_path / "disk-after"
    mount(image, goldwash.data_dir / "spool")
    goldwash.start()
    (service,) = goldwash.pids("service")
    kill(service, signal.SIGSTOP)  # what it loads it deletes; here the spool alone counts
    crowd = Crowd(stage_of_faults, goldwash.port, 6, {"chat": 4, "stream": 2}, pause=0.002)
    with crowd:
        more(crowd, 30)
        time.sleep(INTERVAL + SLACK)
        cuts = []
        for _ in range(CUTS if rounds is None else 5 * CUTS):
            more(crowd, 40)
            cuts.append(cut_power(goldwash, stage_of_faults, image, copy, tmp_path / "look", mount))
    kill(service, signal.SIGCONT)
    assert crowd.errors() == []
    by_number = {str(request.number): request for request in crowd.requests}
    gone = [[(cut.moment, by_number[n]) for n in cut.sent if by_number[n].exchange_id not in cut.known] for cut in cuts]
    ages = [moment - request.at for missing in gone for moment, request in missing]
    if fsync == "each":
        assert ages == []
    elif fsync == "interval":
        assert max(ages, default=0.0) <= INTERVAL + SLACK
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.unlike, found.verified["unaccounted"]) == ([], [], 0)
    most = max(map(len, gone))
    note = (
        f"up to {most} requests not on the disk, the oldest {max(ages):.1f} s before"
        if ages
        else "no request that was forwarded is missing"
    )
    report(found.line(f'power lost, fsync = "{fsync}"', len(cuts), 0, note))


def test_what_it_costs(install, stage_of_faults: Stage, report: Callable[[Line], None], long_form) -> None:
    """Three runs with each setting, in turn on the same machine: medians of requests a second and of their times."""
    goldwash: Goldwash = install(spool={"segment_mb": 32})
    text = goldwash.config.read_text()
    rates: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {}
    for fsync in ("never", "interval", "each") * 3:
        goldwash.config.write_text(text.replace("segment_mb = 32", f'segment_mb = 32\nfsync = "{fsync}"'))
        goldwash.start()
        with Crowd(stage_of_faults, goldwash.port, 16, {"chat": 1}) as crowd:
            more(crowd, 200)
            count, began = len(crowd.requests), time.monotonic()
            time.sleep(4)
            rates.setdefault(fsync, []).append((len(crowd.requests) - count) / (time.monotonic() - began))
        assert crowd.errors() == []
        times.setdefault(fsync, []).append(statistics.median(request.seconds for request in crowd.requests[count:]))
        goldwash.stop()
    said = (f"{f} {statistics.median(rates[f]):.0f}/s, {statistics.median(times[f]) * 1000:.1f} ms" for f in rates)
    report(Line("cost of fsync, 16 clients", 3, 0, 0, 0, 0, 0, 0, "; ".join(said)))
