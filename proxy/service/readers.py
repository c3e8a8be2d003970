"""Runs readers' queries inside the log service without letting one hurt the loading: few at once, at low priority, each with limits.

A query is run to its end into a spooled file and its DuckDB result closed before a byte goes to the client: a reader that falls
asleep over an open result would keep old blocks alive and make the log grow.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import duckdb

from proxy.log.guard import Guard, Refused, relations_of
from proxy.service import formats

READERS: Final = 4
WAITING: Final = 64
"""Queries that may wait for their turn; more are turned away."""
NICENESS: Final = 10
"""How much lower than the process their priority is."""
TICK: Final = 0.05
DEAF: Final = 30.0
"""Seconds after which a query that was told to stop and goes on will never hear: DuckDB looks up only between vectors."""
CLOSING: Final = 3.0
"""Seconds that close() waits for queries to stop."""
STAND_BACK: Final = 4 * READERS
"""Pause over work of each reader while loading lags: all of them together leave the loader most of the interpreter's lock."""
LONGEST_PAUSE: Final = 0.25
"""Seconds; a query still gets somewhere."""
IN_MEMORY: Final = 4 << 20
"""Bytes of a result kept in memory; the rest goes to a file that has no name."""
MAX_BYTES: Final = 256 << 20


class QueryError(Exception):
    """A query that gave no result. `status` is the HTTP status that fits, `hint` says what to do."""

    def __init__(self, text: str, hint: str, status: int) -> None:
        super().__init__(text)
        self.hint = hint
        self.status = status
        self.exit_code = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take."""

    max_rows: int
    timeout: float  # seconds, waiting for its turn left out
    max_bytes: int = MAX_BYTES


@dataclass(slots=True)
class Answer:
    """A finished result: bytes in a file, rewound. Close the file when done."""

    file: IO[bytes]
    size: int
    rows: int
    truncated: bool  # more rows were there than the limit
    format: str
    seconds: float


@dataclass(slots=True, eq=False)
class _Running:
    cursor: duckdb.DuckDBPyConnection
    deadline: float
    stop: threading.Event
    why: QueryError | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Readers:
    """A pool of reader threads over one open log. Threads: `submit` from any; close() once.

    cursor: gives a connection of its own to the log. directory: where large results are spooled, in files without a name.
    memory_bytes: resident size of the process at which the longest-running query is stopped; None = no such limit.
    all_deaf: called when every thread is held by a query that cannot be stopped: only a new process helps then.
    behind: whether loading lags; then rows are turned into bytes in short spells, since that holds the interpreter's lock.
    before: called before each query, on its thread.
    """

    def __init__(
        self,
        cursor: Callable[[], duckdb.DuckDBPyConnection],
        directory: Path,
        memory_bytes: int | None = None,
        threads: int = READERS,
        behind: Callable[[], bool] = lambda: False,
        before: Callable[[], None] = lambda: None,
        all_deaf: Callable[[], None] = lambda: None,
    ) -> None:
        self._cursor = cursor
        self._directory = directory
        self._memory_bytes = memory_bytes
        self._behind, self._before, self._all_deaf, self._threads = behind, before, all_deaf, threads
        self.guard = Guard(self._relations)
        self._running: list[_Running] = []
        self._waiting = 0
        self._changed = threading.Condition()
        self._closed = self._told = False
        self._pool = ThreadPoolExecutor(threads, "reader", initializer=_lower_priority)
        self._watch = threading.Thread(target=self._watch_queries, name="reader-watch", daemon=True)
        self._watch.start()

    def _relations(self) -> Any:
        cursor = self._cursor()
        try:
            return relations_of(cursor)
        finally:
            cursor.close()

    def submit(self, sql: str, parameters: Any, name: str, limits: Limits, stop: threading.Event) -> Future[Answer]:
        """Queue a query. `stop` set = nobody wants the answer any more. Raises QueryError; the future raises that or Refused."""
        if name not in formats.CONTENT_TYPES:
            raise QueryError(f"there is no format {name!r}", f"take one of {', '.join(formats.CONTENT_TYPES)}", 400)
        if self._waiting >= WAITING:
            raise QueryError(f"{WAITING} queries are waiting already", "try again later", 503)
        with self._changed:
            self._waiting += 1
        future = self._pool.submit(self._run, sql, parameters, name, limits, stop)
        future.add_done_callback(self._done_waiting)
        return future

    def _done_waiting(self, _: Future[Answer]) -> None:
        with self._changed:
            self._waiting -= 1

    def run(self, sql: str, parameters: Any = None, name: str = "json", limits: Limits | None = None) -> Answer:
        """As submit, in the caller's time."""
        return self.submit(sql, parameters, name, limits or Limits(100_000, 30.0), threading.Event()).result()

    def interrupt(self, why: QueryError) -> None:
        """Stop all that runs: the loader needs the room."""
        with self._changed:
            for running in self._running:
                running.why = running.why or why

    def close(self) -> bool:
        """Stop all queries and threads; False where a query does not stop, whose thread then outlives this."""
        self.interrupt(QueryError("the log service is stopping", "run the query again when it is up", 503))
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + CLOSING
        while self._running and time.monotonic() < until:
            time.sleep(TICK)
        stopped = not self._running
        self._pool.shutdown(wait=stopped)
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._watch.join()
        return stopped

    def _run(self, sql: str, parameters: Any, name: str, limits: Limits, stop: threading.Event) -> Answer:
        if stop.is_set():
            raise _gone()
        self.guard.check(sql)
        self._before()
        running = _Running(self._cursor(), time.monotonic() + limits.timeout, stop)
        with self._changed:
            self._running.append(running)
            self._changed.notify()
        file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self._directory))  # noqa: SIM115  the answer carries it on
        try:
            return self._answer(running, file, sql, parameters, name, limits)
        except BaseException as error:
            file.close()
            raise _mapped(error, running) from error
        finally:
            with self._changed:
                self._running.remove(running)
            with running.lock, contextlib.suppress(duckdb.Error):
                running.cursor.close()

    def _answer(self, running: _Running, file: IO[bytes], sql: str, parameters: Any, name: str, limits: Limits) -> Answer:
        began = spell = time.monotonic()

        def between() -> None:
            nonlocal spell
            if running.why:
                raise running.why
            if file.tell() > limits.max_bytes:
                raise QueryError(
                    f"the result is over {limits.max_bytes >> 20} MB",
                    "select fewer columns or rows, or copy the log with `goldwash snapshot FILE`",
                    413,
                )
            if self._behind():
                time.sleep(min(STAND_BACK * (time.monotonic() - spell), LONGEST_PAUSE))
            spell = time.monotonic()

        cursor = running.cursor
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        try:
            result = cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
            rows, more = formats.write(result, file, name, limits.max_rows, between)
        finally:
            with contextlib.suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
        size = file.tell()
        file.seek(0)
        return Answer(file, size, rows, more, name, time.monotonic() - began)

    def _watch_queries(self) -> None:
        """Interrupt what is over its time, not wanted any more, or too much: again and again, since a flag set too early is lost."""
        while True:
            with self._changed:
                while not self._running and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                self._told = self._told and bool(self._running)
                queries = list(self._running)
            self._judge(queries)
            for running in queries:
                if running.why:
                    with running.lock, contextlib.suppress(duckdb.Error):
                        running.cursor.interrupt()
            time.sleep(TICK)

    def _judge(self, queries: Sequence[_Running]) -> None:
        now = time.monotonic()
        if not self._told and sum(now > running.deadline + DEAF for running in queries) == self._threads:
            self._told = True
            self._all_deaf()
        for running in queries:
            if running.why is None and running.stop.is_set():
                running.why = _gone()
            elif running.why is None and now > running.deadline:
                running.why = QueryError("the query took longer than it may", "narrow it, or raise [sql] timeout", 408)
        if self._memory_bytes is not None and resident_bytes() > self._memory_bytes:
            longest = min((q for q in queries if q.why is None), key=lambda q: q.deadline, default=None)
            if longest is not None:
                longest.why = _too_much()


def _mapped(error: BaseException, running: _Running) -> BaseException:
    """A DuckDB error as what the reader needs to know."""
    if isinstance(error, QueryError | Refused):
        return error
    if running.why is not None:
        return running.why
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException) or (isinstance(error, OSError) and "Out of Memory" in str(error)):
        return _too_much()  # an OSError where Arrow asked DuckDB for the next batch
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return QueryError("there is no room on the disk of data_dir for the result", "free some, or select fewer columns or rows", 507)
    if isinstance(error, duckdb.Error | RuntimeError | ValueError | TypeError | NotImplementedError):
        return QueryError(str(error).split("\n\nLINE ")[0].strip(), "correct the statement; DESCRIBE a table for its columns", 400)
    return error


def _too_much() -> QueryError:
    return QueryError("the query needs more memory than it may have", "aggregate or filter earlier, or raise [sql] memory", 413)


def _gone() -> QueryError:
    return QueryError("nobody waits for the answer", "run it again", 499)


def _lower_priority() -> None:
    """Below the process, whatever its own priority is; the system keeps it at 19, its lowest."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICENESS)


def resident_bytes() -> int:
    """Resident size of this process."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  read every tick
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def untouched_bytes() -> int:
    """What this process has reserved of writable memory and not touched, or given back: allocators keep such ranges, up to GiB."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  read for every query
        pages = [int(field) for field in file.read().split()]
    return max(0, pages[5] - (pages[1] - pages[2])) * os.sysconf("SC_PAGE_SIZE")
