"""Keeps the log at the heels of the spool: one thread that loads round after round, tries again for ever, and knows its lag."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import duckdb
import structlog

from proxy.log.ingest import Loaded
from proxy.service.contention import Contention
from proxy.service.memory import lacks_memory

SHORTEST: Final = 0.005
LONGEST: Final = 0.5
"""Seconds between two rounds that emptied the spool: at least, and at most."""
REST: Final = 19
"""How long between them, in times of what the last one took: a commit costs about the same for one row as for hundreds."""
CONTENDED: Final = 0.3
"""Share of a round that the thread waited for a processor from which the machine counts as busy."""
PATIENCE: Final = 5.0
"""Seconds that the log may be behind the spool while the machine is busy: traffic goes first, and a burst is loaded when it is over."""
BACK_OFF: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the log is tried again after it failed, by the number of failures."""
HOPELESS: Final = 3
"""Rounds in a row that fail for want of memory, after which waiting helps no more."""
STALL_WINDOW: Final = 600.0
"""Seconds that the longest round is remembered."""
UPKEEP: Final = 600.0
"""Seconds between two rounds of upkeep (retention)."""
UPKEEP_AGAIN: Final = 5.0
"""The same where the last round had not done all."""

log = structlog.get_logger("loading")
T = TypeVar("T")


def rest(done: Loaded, contended: float, lag: float) -> float:
    """Seconds until the next round, after one that has `done` this. contended: share waited for a processor; lag: in seconds."""
    if contended >= CONTENDED and done.frames and lag < PATIENCE:
        return PATIENCE - lag
    if done.more:
        return 0.0
    return min(max(done.seconds * REST, SHORTEST), LONGEST) if done.frames else LONGEST


class Loader(Protocol):
    """Moves what the spool holds into the log; proxy.log.ingest.Loader is one."""

    def step(self, now_ns: int) -> Loaded:
        """One round, in one transaction; what it raises has changed nothing."""

    def close(self) -> None:
        """Let go of the spool."""


@dataclass(slots=True)
class Progress:
    """What the loading thread has done since it started."""

    rows: int = 0
    records: int = 0
    lost: int = 0
    losses: int = 0
    open: int = 0  # exchanges in flight
    errors: int = 0
    last_error: str | None = None  # None: the last round went well
    loaded_until: float = 0.0  # Unix time: what was spooled before it is in the log
    stall: float = 0.0  # seconds of the longest round in the last STALL_WINDOW
    stall_at: float = 0.0

    def lag(self, now: float) -> float:
        """Seconds that the log is behind the spool at most."""
        return max(0.0, now - self.loaded_until)


class FlushFailed(Exception):
    """The log could not take what is spooled."""


class Loading:
    """The thread. start() once, flush() from any thread, close() once.

    relieve: called when the log has no memory left for a round, to stop readers. upkeep: called now and then on this thread; says
    whether it has more to do. behind: set while a round was not enough to empty the spool. invalidated: called when DuckDB takes
    nothing any more until the file is opened again (a disk that filled up during a checkpoint). seen: told of each round. roomy: whether
    the spool can take what comes while loading waits for a busy machine.
    """

    def __init__(
        self,
        loader: Loader,
        relieve: Callable[[], None] = lambda: None,
        upkeep: Callable[[], bool] = lambda: False,
        behind: threading.Event | None = None,
        invalidated: Callable[[], None] = lambda: None,
        seen: Callable[[Loaded], None] = lambda _: None,
        roomy: Callable[[], bool] = lambda: True,
    ) -> None:
        self.progress = Progress(loaded_until=time.time())
        self._loader, self._relieve, self._upkeep = loader, relieve, upkeep
        self._behind = behind or threading.Event()
        self._invalidated = invalidated
        self._seen = seen
        self._roomy = roomy
        self._wake = threading.Condition()
        self._waiters: list[Future[tuple[str, ...]]] = []
        self._jobs: list[Callable[[], None]] = []
        self._closing = False
        self._next_upkeep = time.monotonic() + UPKEEP_AGAIN
        self._failed = 0  # rounds in a row
        self._thread = threading.Thread(target=self._run, name="loading")

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def flush(self) -> Future[tuple[str, ...]]:
        """Done when all that was spooled before this call is in the log; its result names runs that could not be read."""
        future: Future[tuple[str, ...]] = Future()
        future.set_running_or_notify_cancel()  # who waits no longer must not cancel it under the loading thread
        with self._wake:
            if self._closing:
                future.set_exception(FlushFailed("the log service is stopping"))
                return future
            self._waiters.append(future)
            self._wake.notify()
        return future

    def between(self, job: Callable[[], T]) -> Future[T]:
        """Do something on the loading thread between two rounds, while nothing else writes; its result, or what it raised."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)

        with self._wake:
            if self._closing:
                future.set_exception(FlushFailed("the log service is stopping"))
                return future
            self._jobs.append(run)
            self._wake.notify()
        return future

    def close(self, drain: float = 60.0) -> bool:
        """Load what is spooled, for `drain` seconds at most, and end the thread; whether all was loaded."""
        drained = True
        try:
            self.flush().result(drain)
        except Exception as error:
            drained = False
            log.warning("not all of the spool is in the log; the next start loads the rest", reason=str(error) or "time is up")
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._loader.close()
        return drained

    def _run(self) -> None:
        try:
            self._rounds()
        except Exception:  # a log service that does not load must not look alive
            log.exception("loading ended by a fault; the log service starts again")
            with self._wake:
                self._closing = True
            self._invalidated()
        for waiter in self._waiters:
            waiter.set_exception(FlushFailed("the log service is stopping"))
        for job in self._jobs:  # nothing writes any more
            job()

    def _rounds(self) -> None:
        contention = Contention()
        while not self._closing:
            with self._wake:
                waiters = list(self._waiters)
                jobs, self._jobs = self._jobs, []
            for job in jobs:
                job()
            began = time.time()
            try:
                done = self._loader.step(time.time_ns())
            except Exception as error:
                self._wait(self._after_failure(error))
                continue
            self._after_round(done, began, waiters)
            if time.monotonic() > self._next_upkeep and not done.more:
                self._keep_up()
            contended = contention.share()
            if contended >= CONTENDED and not self._roomy():
                contended = 0.0
            seconds = rest(done, contended, self.progress.lag(time.time()))
            if seconds:
                self._behind.clear()  # readers need not stand back from who rests
                self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        with self._wake:
            if not self._closing and not self._jobs and not (self._waiters and not self._failed):
                self._wake.wait(seconds)

    def _after_round(self, done: Loaded, began: float, waiters: list[Future[tuple[str, ...]]]) -> None:
        progress, now = self.progress, time.time()
        if self._failed:
            log.info("the log takes rows again", failures=self._failed)
        self._failed, progress.last_error = 0, None
        progress.rows += done.rows
        progress.records += done.records
        progress.lost += done.lost
        progress.losses += done.losses
        progress.open = done.open
        if done.seconds >= progress.stall or now - progress.stall_at > STALL_WINDOW:
            progress.stall, progress.stall_at = done.seconds, now
        if done.losses:
            log.warning("frames of the spool are missing or damaged; the losses table says which", places=done.losses)
        try:
            self._seen(done)
        except Exception as error:  # budgets stand still; loading goes on
            progress.errors += 1
            log.warning("what was loaded could not be counted", error=str(error))
        for failure in done.failures:
            log.warning("a run of the spool cannot be read; it is tried again", run=failure)
        if done.more:
            self._behind.set()
            return
        self._behind.clear()
        progress.loaded_until = began
        with self._wake:
            for waiter in waiters:
                self._waiters.remove(waiter)
        for waiter in waiters:
            waiter.set_result(done.failures)

    def _after_failure(self, error: Exception) -> float:
        self._failed += 1
        self.progress.errors += 1
        self.progress.last_error = (str(error).splitlines() or [type(error).__name__])[0]
        pause = BACK_OFF[min(self._failed, len(BACK_OFF)) - 1]
        log.warning("the log did not take a round; the spool keeps it", error=self.progress.last_error, again_in_seconds=pause)
        if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
            self._relieve()
        if isinstance(error, duckdb.FatalException) or (self._failed == HOPELESS and lacks_memory(str(error))):
            self._invalidated()
        return pause

    def _keep_up(self) -> None:
        more = False
        try:
            more = self._upkeep()
        except Exception as error:  # retention that fails today is tried again; loading goes on
            self.progress.errors += 1
            log.warning("upkeep of the log failed", error=str(error))
        self._next_upkeep = time.monotonic() + (UPKEEP_AGAIN if more else UPKEEP)
