"""Shows how far a run is: a bar with the time left on a terminal, a line a stage elsewhere, or nothing."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Quiet:
    """Hears and says nothing."""

    def begin(self, stage: str, total: int) -> None:
        """A stage of so many steps begins."""

    def advance(self, steps: int = 1) -> None:
        """So many steps are done."""


class Bar:
    """Shows it on standard error. A context manager."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not self._is_terminal,
        )
        self._stages: list[str] = []

    def begin(self, stage: str, total: int) -> None:
        """A stage of so many steps begins."""
        self._stages.append(stage)
        self._bars.add_task(stage, total=total)
        if not self._is_terminal and total:
            sys.stderr.write(f"{stage}: {total:,}\n")

    def advance(self, steps: int = 1) -> None:
        """So many steps are done."""
        if self._stages:
            self._bars.advance(self._bars.task_ids[-1], steps)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()
