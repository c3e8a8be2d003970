"""What one run of the night works with, and what it did; no second run works on the same log meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from config.scoring import Scoring
from config.settings import Settings
from proxy.service.client import NoLog
from proxy.service.opinions import uuid7
from scoring import checking
from scoring.judge.client import Health
from scoring.judge.rubric import Rubric
from scoring.ledger import FAILED
from scoring.pages import Window, day
from scoring.tasks import Tasks


class Busy(Exception):
    """Another `goldwash score` works on this log."""

    exit_code = 1


class Progress(Protocol):
    """Hears how far a stage is."""

    def begin(self, stage: str, total: int) -> None:
        """A stage of so many steps begins; it replaces the one before."""

    def advance(self, steps: int = 1) -> None:
        """So many steps are done."""


@dataclass(frozen=True, slots=True)
class Night:
    """What a run works with. `growing`: the day is not over, so nothing that needs all of it is done."""

    settings: Settings
    options: Scoring
    tasks: Tasks
    rubrics: Mapping[str, Rubric]
    day: date
    progress: Progress
    environ: Mapping[str, str]
    growing: bool = False
    run_id: str = field(default_factory=lambda: str(UUID(bytes=uuid7())))

    @property
    def span(self) -> Window:
        """The day in UTC."""
        return day(self.day)

    @property
    def checks(self) -> str:
        """The fingerprint of all checks."""
        return checking.fingerprint(self.tasks)


@dataclass(slots=True)
class Summary:
    """What a run did."""

    day: date
    run_id: str
    exchanges: int = 0
    checked: int = 0
    failed_checks: int = 0
    near_duplicates: int = 0
    drawn: int = 0
    judged: int = 0  # items of this run, whatever became of them
    states: dict[str, int] = field(default_factory=dict)  # of the whole day's sample
    why: dict[str, int] = field(default_factory=dict)  # of what failed or was skipped in this run
    calls: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    anchors: int = 0  # judged again in this run
    second_anchors: int = 0  # the same ones, by the second judge
    flags: int = 0
    judge: Health | None = None
    second_judge: Health | None = None

    @property
    def complete(self) -> bool:
        """Whether the day is done: nothing failed that the next run would try again."""
        return not self.states.get(FAILED)

    def as_json(self) -> dict[str, Any]:
        """For `judge_runs`."""
        return {**asdict(self), "day": self.day.isoformat(), "cost_usd": str(self.cost_usd)}


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Keeps a second run away: both would pay for the same calls. The lock goes with the process. Raises Busy, NoLog."""
    if not data_dir.is_dir():
        raise NoLog(f"{data_dir}: there is no log yet; run `goldwash up` and send something through it")
    descriptor = os.open(data_dir / "score.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy("another `goldwash score` works on this log: wait until it ends, or stop it first") from error
        yield
    finally:
        os.close(descriptor)
