"""The loading thread keeps up, tells its lag, and survives what the log does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from proxy.log.ingest import Loaded
from proxy.service import loading as module
from proxy.service.contention import Contention
from proxy.service.loading import FlushFailed, Loading


class Scripted:
    """A loader that does what each step is told to."""

    def __init__(self, *steps: Loaded | Exception) -> None:
        self.steps, self.taken, self.closed = list(steps), 0, False
        self.gate: Callable[[], None] = lambda: None

    def step(self, now_ns: int) -> Loaded:
        self.gate()
        self.taken += 1
        step = self.steps.pop(0) if self.steps else Loaded()
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF", (0.01,))


def test_a_flush_waits_for_a_round_that_began_after_it() -> None:
    """A round that was under way may have passed by what was spooled since."""
    loader = Scripted()
    going, go = threading.Event(), threading.Event()

    def gate() -> None:
        going.set()
        go.wait()

    loader.gate = gate
    loading = Loading(loader)
    loading.start()
    going.wait()
    future = loading.flush()
    loader.gate = lambda: None
    go.set()
    assert future.result(2) == ()
    assert loader.taken >= 2
    assert loading.close()
    assert loader.closed


def test_a_flush_waits_for_full_rounds_to_end() -> None:
    """`more` means that the spool is not empty yet; unreadable runs are told."""
    loader = Scripted(
        Loaded(rows=5, frames=10, more=True), Loaded(rows=5, frames=10, more=True), Loaded(rows=1, frames=2, failures=("run: torn",))
    )
    loading = Loading(loader)
    future = loading.flush()
    loading.start()
    assert future.result(2) == ("run: torn",)
    assert loading.progress.rows == 11
    loading.close()


def test_failures_are_counted_and_tried_again() -> None:
    """Whatever the log raises, the thread goes on; no memory stops the readers."""
    relieved = threading.Event()
    loader = Scripted(
        duckdb.IOException("No space left on device"), duckdb.OutOfMemoryException("full"), OSError("gone"), Loaded(rows=3, frames=6)
    )
    loading = Loading(loader, relieved.set)
    future = loading.flush()
    loading.start()
    future.result(2)
    assert loading.progress.errors == 3
    assert loading.progress.last_error is None
    assert loading.progress.rows == 3
    assert relieved.is_set()
    loading.close()


def test_the_lag_grows_while_the_log_fails() -> None:
    """It is the age of what may not be in the log yet."""
    loader = Scripted(*[duckdb.IOException("full")] * 1000)
    loading = Loading(loader)
    loading.start()
    time.sleep(0.1)
    assert loading.progress.lag(time.time()) >= 0.1
    assert loading.progress.last_error == "full"
    began = time.monotonic()
    assert not loading.close(0.1)
    assert time.monotonic() - began < 2


def test_a_flush_after_the_end_fails() -> None:
    """It does not hang."""
    loading = Loading(Scripted())
    loading.start()
    loading.close()
    with pytest.raises(FlushFailed):
        loading.flush().result(1)


def test_upkeep_runs_and_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upkeep with more to do comes again soon; one that fails does not stop loading."""
    monkeypatch.setattr(module, "UPKEEP_AGAIN", 0.0)
    called = threading.Event()

    def upkeep() -> bool:
        if called.is_set():
            raise duckdb.IOException("full")
        called.set()
        return True

    loading = Loading(Scripted(), upkeep=upkeep)
    loading.start()
    assert called.wait(2)
    loading.flush().result(2)
    assert loading.close()
    assert loading.progress.errors >= 1


def test_an_invalidated_database_asks_to_be_opened_again() -> None:
    """After a fatal error DuckDB takes nothing until the file is opened anew: somebody must be told."""
    told = threading.Event()
    loading = Loading(Scripted(duckdb.FatalException("database has been invalidated")), invalidated=told.set)
    loading.start()
    assert told.wait(2)
    loading.close()


def test_who_waits_no_longer_stops_nothing() -> None:
    """A flush whose reader has given up is no fault of the loading: later ones are answered."""
    loader = Scripted()
    going, go = threading.Event(), threading.Event()

    def gate() -> None:
        going.set()
        go.wait()

    loader.gate = gate
    loading = Loading(loader)
    loading.start()
    going.wait()
    loading.flush().cancel()
    loading.between(lambda: None).cancel()
    loader.gate = lambda: None
    go.set()
    assert loading.flush().result(2) == ()
    assert loading.close()


def test_a_fault_of_the_loading_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that cannot go on says so, lets nobody wait, and has the service start again."""
    told = threading.Event()
    loading = Loading(Scripted(), invalidated=told.set)
    monkeypatch.setattr(loading, "_after_round", lambda *_: 1 / 0)
    loading.start()
    assert told.wait(2)
    with pytest.raises(FlushFailed):
        loading.flush().result(2)
    assert not loading.close(0.1)


def test_loading_rests_while_the_machine_is_busy_and_not_for_ever() -> None:
    """Traffic goes first for some seconds; then, or where nothing competes, the spool is emptied."""
    full, some, none = Loaded(frames=8000, more=True, seconds=0.3), Loaded(frames=20, seconds=0.01), Loaded()
    assert module.rest(full, 0.0, 0.2) == 0.0
    assert module.rest(full, 0.6, 0.2) == pytest.approx(module.PATIENCE - 0.2)
    assert module.rest(full, 0.6, module.PATIENCE) == 0.0
    assert module.rest(some, 0.0, 0.0) == pytest.approx(0.19)
    assert module.rest(some, 0.6, 0.0) == module.PATIENCE
    assert module.rest(none, 0.9, 0.0) == module.LONGEST  # nothing to load: what it waited for tells little


def test_a_thread_that_shares_its_processor_knows(tmp_path: Path) -> None:
    """Two that spin on one core wait half of the time each; one alone waits for nothing; without the kernel's word nothing is known."""
    if not Path("/proc/thread-self/schedstat").exists():
        pytest.skip("this kernel tells no waiting times")
    core = min(os.sched_getaffinity(0))
    rival = subprocess.Popen(
        [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nprint(flush=True)\nwhile True: pass"],
        stdout=subprocess.PIPE,
    )
    shares: list[float] = []

    def spin() -> None:
        os.sched_setaffinity(0, {core})
        contention = Contention()
        contention.share()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            pass
        shares.append(contention.share())

    try:
        assert rival.stdout is not None
        rival.stdout.readline()
        thread = threading.Thread(target=spin)
        thread.start()
        thread.join()
    finally:
        rival.kill()
        rival.communicate()
    assert 0.2 < shares[0] <= 1.0
    assert Contention(tmp_path / "absent").share() == 0.0


def test_a_spool_without_room_is_loaded_however_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resting must not make the lane shed bodies."""
    monkeypatch.setattr(Contention, "share", lambda _: 0.9)
    for roomy, within in ((False, True), (True, False)):
        loader = Scripted(Loaded(rows=1, frames=2, more=True), Loaded(rows=1, frames=2, more=True), Loaded(rows=1, frames=2))
        loading = Loading(loader, roomy=lambda roomy=roomy: roomy)  # type: ignore[misc]
        loading.start()
        until = time.monotonic() + 1
        while loading.progress.rows < 3 and time.monotonic() < until:
            time.sleep(0.01)
        assert (loading.progress.rows == 3) is within
        loading.close()
        assert loading.progress.rows == 3  # whoever waits for a flush does not wait for the machine to calm down
