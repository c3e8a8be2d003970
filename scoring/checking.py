"""Runs the checks on all of a day's exchanges, in as many processes as there are cores, and looks at the day as a whole for duplicates.

One row an exchange says which checks ran (`checks`), one row a finding says what failed; what passed has no row of its own, since most
of everything passes. An exchange that has its row is done, so a killed run goes on where it stood.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, NamedTuple

from config.settings import Settings
from proxy.service.client import Access
from scoring.checks import Result, near_duplicate, run
from scoring.checks.contract import Finding
from scoring.checks.near_duplicate import Duplicates, Sketch
from scoring.logged import LoggedExchange
from scoring.outbox import Outbox, packed, record_id
from scoring.pages import BETWEEN, WITHIN, Window, bounds, exchanges, parts, rows, windows
from scoring.sampling import uniform
from scoring.tasks import NEAR_DUPLICATE, Task, Tasks

CHECKS: Final = "checks"
"""Name and kind of the row that says that an exchange was checked."""
CHECKED: Final = "e.purpose = 'app' AND e.ending <> 'lost'"
"""What is checked: all traffic of the app. What a check cannot say anything of, it leaves out."""
PENDING: Final = (
    f"NOT EXISTS (SELECT 1 FROM scores s WHERE {BETWEEN.format('s.')} AND s.exchange_id = e.exchange_id "  # noqa: S608  all of it is ours
    "AND s.kind = 'checks' AND s.fingerprint = $checks)"
)
"""What has no row yet; with $checks, and the $least and $greatest id of the span."""
MOST_SKETCHES: Final = 200_000
"""Answers of a day that are compared with each other, a random share of more: some 200 MB."""
MOST_WORKERS: Final = 2
INLINE: Final = 2
"""Pages that are not worth starting processes for."""


@dataclass(slots=True)
class Tally:
    """What the checks of a day came to, in this run."""

    checked: int = 0
    failed: int = 0  # exchanges with a finding that flags
    sketches: list[tuple[str, Sketch]] = field(default_factory=list)  # with the name of the task


class Page(NamedTuple):
    """What one page of exchanges gave; sent between processes."""

    payloads: list[bytes]
    checked: int
    failed: int
    sketches: list[tuple[str, Sketch]]
    seen: int  # checked now or before


class Job(NamedTuple):
    """One page's work."""

    window: Window
    fingerprint: str
    sketched: float  # share of the exchanges that are sketched
    only_pending: bool  # leave out what has its row
    seed: str
    run_id: str


def fingerprint(tasks: Tasks) -> str:
    """Changes with any check, option or matching rule: then the day is checked again."""
    said = [(task.name, [check.fingerprint for check in task.checks]) for task in tasks.tasks]
    rules = [(rule.model_dump_json(), task.name) for rule, _, task in tasks.rules]
    return sha256(repr((said, rules)).encode()).hexdigest()[:16]


def pending(access: Access, span: Window, tasks: Tasks) -> list[tuple[Window, int]]:
    """The pages of exchanges that have no row yet."""
    known = fingerprint(tasks)
    return [
        page
        for part in parts(access, span)
        for page in windows(access, part, f"{CHECKED} AND {PENDING}", {"checks": known, **bounds(access, part)})
    ]


def check_all(
    settings: Settings,
    tasks: Tasks,
    pages: list[tuple[Window, int]],
    outbox: Outbox,
    progress: Callable[[int], None],
    *,
    run_id: str,
    seed: str,
    sketched: float = 1.0,
    only_pending: bool = True,
    workers: int = 0,
) -> Tally:
    """Check the exchanges of these pages; rows go to the outbox as each page is done. Raises ServiceError, LogError, SpoolFull.

    only_pending: False = everything in the pages is sketched again, and only what has no row is checked.
    """
    tally = Tally()
    known = fingerprint(tasks)
    jobs = (Job(window, known, sketched, only_pending, seed, run_id) for window, _ in pages)
    number = min(workers or min(os.cpu_count() or 1, MOST_WORKERS), len(pages))
    for page in _inline(settings, tasks, jobs) if len(pages) <= INLINE or number == 1 else _pooled(settings, tasks, jobs, number):
        for payload in page.payloads:
            outbox.append(payload)
        tally.checked += page.checked
        tally.failed += page.failed
        tally.sketches += page.sketches
        progress(page.seen)
    return tally


def duplicates(tasks: Tasks, tally: Tally, outbox: Outbox, run_id: str) -> int:
    """Look for answers that repeat all over the day, and write what is found; how many exchanges have one of them."""
    found = 0
    for task in tasks.tasks:
        if task.near_duplicate is None:
            continue
        of_task = Duplicates(task.near_duplicate)
        for name, sketch in sorted(tally.sketches, key=lambda one: one[1].exchange_id):
            if name == task.name:
                of_task.add(sketch)
        mark = sha256(repr((NEAR_DUPLICATE, task.near_duplicate)).encode()).hexdigest()[:16]
        for exchange_id, finding in of_task.findings().items():
            outbox.append(_finding(exchange_id, Result(NEAR_DUPLICATE, mark, finding), run_id))
            found += 1
    return found


# What follows runs in the workers.


class _Worker:
    """A process's own access to the log, and its tasks."""

    def __init__(self, settings: Settings, tasks: Tasks) -> None:
        self.access = Access(settings)
        self.tasks = tasks

    def page(self, job: Job) -> Page:
        """Check one page."""
        where, parameters = CHECKED, dict[str, str]()
        if job.only_pending:
            where, parameters = f"{CHECKED} AND {PENDING}", {"checks": job.fingerprint, **bounds(self.access, job.window)}
        done: frozenset[str] = frozenset() if job.only_pending else self._done(job)
        payloads: list[bytes] = []
        sketches: list[tuple[str, Sketch]] = []
        checked = failed = seen = 0
        for page in exchanges(self.access, job.window, where, parameters, self.tasks.sql_columns):
            seen += len(page)
            for exchange in page:
                task = self.tasks.of(exchange)
                if exchange.exchange_id not in done:
                    said, flagged = _checked(exchange, task, job)
                    payloads += said
                    checked += 1
                    failed += flagged
                if task is not None and (one := _sketched(exchange, task, job)) is not None:
                    sketches.append((task.name, one))
        return Page(payloads, checked, failed, sketches, seen)

    def _done(self, job: Job) -> frozenset[str]:
        sql = (
            "SELECT e.exchange_id::VARCHAR AS id FROM exchanges e JOIN scores s USING (exchange_id) "  # noqa: S608  names of our own
            f"WHERE {WITHIN.format('e.')} AND {BETWEEN.format('s.')} AND s.kind = 'checks' AND s.fingerprint = $checks"
        )
        given = {**job.window.parameters, **bounds(self.access, job.window), "checks": job.fingerprint}
        return frozenset(row["id"] for row in rows(self.access, sql, given))


_WORKER: _Worker | None = None


def _begin(settings: Settings, tasks: Tasks) -> None:
    global _WORKER  # noqa: PLW0603  one a process, by design
    _WORKER = _Worker(settings, tasks)


def _work(job: Job) -> Page:
    assert _WORKER is not None
    return _WORKER.page(job)


def _inline(settings: Settings, tasks: Tasks, jobs: Iterator[Job]) -> Iterator[Page]:
    worker = _Worker(settings, tasks)
    with worker.access:
        for job in jobs:
            yield worker.page(job)


def _pooled(settings: Settings, tasks: Tasks, jobs: Iterator[Job], number: int) -> Iterator[Page]:
    with ProcessPoolExecutor(number, get_context("forkserver"), _begin, (settings, tasks)) as pool:
        running: set[Future[Page]] = {pool.submit(_work, job) for job in islice(jobs, number + 1)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(_work, job) for job in islice(jobs, len(done))}
            for future in done:
                yield future.result()


def _checked(exchange: LoggedExchange, task: Task | None, job: Job) -> tuple[list[bytes], bool]:
    """The rows of one exchange, and whether one of its findings flags."""
    results = run(exchange, task.checks) if task is not None else []
    failed = [result.name for result in results if result.finding.passed is False and result.finding.flags]
    rows = [_finding(exchange.exchange_id, result, job.run_id) for result in results if result.finding.passed is not True]
    ran: dict[str, list[str]] = {"passed": [], "failed": [], "informs": [], "unscored": []}
    for result in results:
        ran[_kind(result.finding)].append(result.name)
    content: dict[str, Any] = {
        "exchange_id": exchange.exchange_id,
        "run_id": job.run_id,
        "name": CHECKS,
        "kind": CHECKS,
        "value": len(failed),
        "label": task.name if task is not None else None,
        "passed": not failed,
        "scorer": "goldwash",
        "fingerprint": job.fingerprint,
        **{kind: names for kind, names in ran.items() if names and kind != "passed"},
        "ran": ran["passed"],
    }
    rows.append(packed("scores", content, record_id(CHECKS, job.fingerprint, like=exchange.exchange_id)))
    return rows, bool(failed)


def _kind(finding: Finding) -> str:
    if finding.passed is None:
        return "unscored"
    if finding.passed:
        return "passed"
    return "failed" if finding.flags else "informs"


def _finding(exchange_id: str, result: Result, run_id: str) -> bytes:
    finding = result.finding
    content: dict[str, Any] = {
        "exchange_id": exchange_id,
        "run_id": run_id,
        "name": result.name,
        "kind": "check",
        "value": finding.score,
        "passed": finding.passed,
        "unscored": finding.reason if finding.passed is None else None,
        "reason": finding.reason,
        "evidence": finding.evidence,
        "scorer": "goldwash",
        "fingerprint": result.fingerprint,
        "validated": finding.validated,
        "overrides_judge": finding.overrides_judge,
    }
    return packed("scores", content, record_id("check", result.name, result.fingerprint, like=exchange_id))


def _sketched(exchange: LoggedExchange, task: Task, job: Job) -> Sketch | None:
    if task.near_duplicate is None or not job.sketched:
        return None
    if job.sketched < 1.0 and uniform(job.seed, exchange.exchange_id) >= job.sketched:
        return None
    return near_duplicate.sketch(exchange, task.near_duplicate)
