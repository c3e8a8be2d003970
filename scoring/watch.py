"""The watcher's contract and its loop: jobs that are run again and again beside the log service, none of which can stop another.

A job is found by name, so that what is added later is one line in JOBS. It reads the log through the service alone: a watcher never
opens the log itself, or a service that starts again would find it taken.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from config.settings import ConfigError, Settings
from proxy.service.client import Access, ServiceError, find
from proxy.service.readers import Answer

JOBS: Final[tuple[str, ...]] = (
    "scoring.alerts.evaluation:job",
    "scoring.alerts.delivery:job",
    "scoring.signals.following:job",
    "scoring.export.job:telemetry",
)
"""`module:function` of each job; the function takes the settings and gives a Job, or None where there is nothing to do.

Raises ConfigError where what was configured for it cannot be used: that is told, and tried again like a failed run.
"""
FIRST_PAUSE: Final = 5.0
"""Seconds before a job that failed is tried again; doubled each time."""
LONGEST_PAUSE: Final = 300.0
TELL_EVERY: Final = 600.0
"""Seconds between two lines about a job that goes on failing in the same way."""

log = structlog.get_logger("watch")


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do again and again."""

    name: str
    every_seconds: float
    run: Callable[[Access, datetime], None]
    """Given the log (reads by `rows`, writes through scoring.outbox with `access.settings`) and now, UTC.

    Runs in a thread of its own, never twice at once; it keeps its own state, and finds it again in the log after a restart.
    """
    needs_log: bool = True  # False: it runs while the log service is down too; what it asks of the log raises ServiceError then


class Served(Access):
    """The log by its running service only. Raises ServiceError where none answers."""

    def __init__(self, settings: Settings) -> None:
        remote = find(settings)
        if remote is None:
            raise ServiceError(503, "the log service does not answer", "it is starting, or `goldwash up` does not run")
        self.settings, self.remote, self.log, self._readers = settings, remote, None, None


class Unserved(Access):
    """Stands for a log that cannot be asked now."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.remote, self.log, self._readers = settings, None, None, None

    def sql(self, sql: str, name: str = "json", parameters: Any = None) -> Answer:
        """Raises ServiceError."""
        raise ServiceError(503, "the log service does not answer", "it is starting, or `goldwash up` does not run")


@dataclass(slots=True)
class Record:
    """How a job has gone so far."""

    name: str
    runs: int = 0
    failures: int = 0
    failed_in_a_row: int = 0
    error: str | None = None  # None: the last run went well
    last_run: datetime | None = None
    last_success: datetime | None = None
    seconds: float = 0.0  # of the last run
    told_at: float = -TELL_EVERY


@dataclass(slots=True)
class Watch:
    """All jobs of a watcher, a thread each. start() once, stop() once."""

    settings: Settings
    jobs: Sequence[str] = JOBS
    access: Callable[[Settings], Access] = Served
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    records: dict[str, Record] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin; each job runs at once and then every so many seconds."""
        for place in self.jobs:
            record = self.records[place] = Record(place)
            thread = threading.Thread(target=self._keep, args=(place, record), name=place, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Let each job finish its run; whether all did in time. What they write is spooled as they find it."""
        self._stopping.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _keep(self, place: str, record: Record) -> None:
        job: Job | None = None
        made = False
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if not made:
                    job = made_of(place, self.settings)
                    made = True
                    record.name = job.name if job else place
                if job is None:
                    return
                self._once(job, record)
            except Exception as error:  # one job's fault is its own; the others, and its next run, go on
                self._failed(record, error)
            taken = record.seconds = time.monotonic() - began
            if record.failed_in_a_row:
                pause = min(FIRST_PAUSE * 2 ** min(record.failed_in_a_row - 1, 10), LONGEST_PAUSE)
                pause = min(pause, job.every_seconds) if job else pause
            else:
                pause = max(job.every_seconds - taken, 0.0) if job else LONGEST_PAUSE
            self._stopping.wait(pause)

    def _once(self, job: Job, record: Record) -> None:
        record.runs += 1
        record.last_run = self.now()
        with self._reached(job) as access:
            job.run(access, record.last_run)
        if record.failed_in_a_row:
            log.info("a job goes on", job=record.name, failures=record.failed_in_a_row)
        record.failed_in_a_row, record.error, record.last_success = 0, None, self.now()

    def _reached(self, job: Job) -> Access:
        try:
            return self.access(self.settings)
        except ServiceError:
            if job.needs_log:
                raise
            return Unserved(self.settings)

    def _failed(self, record: Record, error: Exception) -> None:
        text = (str(error).splitlines() or [""])[0] or type(error).__name__
        record.failures += 1
        record.failed_in_a_row += 1
        now = time.monotonic()
        if text != record.error or now - record.told_at > TELL_EVERY:
            record.told_at = now
            waiting = isinstance(error, ServiceError) and error.status == 503
            known = waiting or isinstance(error, ConfigError | OSError | ServiceError)
            tell = log.info if waiting else log.warning
            tell("a job failed; it is tried again", job=record.name, why=text, failures=record.failures, exc_info=not known)
        record.error = text


def made_of(place: str, settings: Settings) -> Job | None:
    """The job that `module:function` makes."""
    module, _, function = place.partition(":")
    job: Job | None = getattr(importlib.import_module(module), function)(settings)
    return job
