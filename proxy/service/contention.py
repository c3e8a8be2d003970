"""Tells whether a thread has to wait for a processor: then somebody else's work is more urgent than what can wait."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")


class Contention:
    """Asked by one thread, of itself."""

    def __init__(self, schedstat: Path = _SCHEDSTAT) -> None:
        self._path = schedstat
        self._ran = self._waited = 0

    def share(self) -> float:
        """Of the time since it last asked in which the thread wanted a processor, the part in which it got none, 0 to 1.

        0 where the kernel does not tell: nanoseconds run and nanoseconds waited to run (Documentation/scheduler/sched-stats).
        """
        try:
            ran, waited = (int(number) for number in self._path.read_text().split()[:2])
        except (OSError, ValueError):
            return 0.0
        wanted = ran - self._ran + waited - self._waited
        share = (waited - self._waited) / wanted if wanted > 0 else 0.0
        self._ran, self._waited = ran, waited
        return share
