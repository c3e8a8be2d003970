"""Sends what the log holds behind a position, batch by batch: the position moves when the receiver has acknowledged, and not before.

So an outage loses nothing, and what was in flight when a process died is sent once more with the same ids. A row that a receiver will
not take, alone in a request, is passed over and counted, but only if it took another one meanwhile: else it is the receiver that is
wrong, and everything waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from scoring.export.channel import Outcome
from scoring.export.position import Progress, Stream
from scoring.export.reading import Page, Position

Row = dict[str, Any]
PAGE: Final = 4000
"""Rows that are read at once: the log sorts what lies behind the position for each page."""
MOST_BYTES: Final = 2 << 20
"""Of the text in one request: grpc receivers take 4 MB."""


class Held(Exception):
    """The receiver takes nothing now. retry_after: seconds it asked for."""

    exit_code = 1

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Advance(NamedTuple):
    """How far a stream came."""

    sent: int  # rows acknowledged
    at_the_end: bool  # nothing was left to read


@dataclass(frozen=True, slots=True)
class Following:
    """One stream: where its rows come from, where they go, what names them."""

    stream: Stream
    key: str  # the column of the id
    by: str  # the column of the time
    read: Callable[[Position, int], Page]
    send: Callable[[list[Row]], Outcome]
    batch: int

    def advance(self, progress: Progress, now: Callable[[], float], going_on: Callable[[], bool]) -> Advance:
        """Send until nothing is left or going_on says stop. Raises Held, and what reading raises."""
        sent = 0
        while going_on():
            page = self.read(self.stream.position, max(self.batch, PAGE))
            if page.rows:
                sent += self._deliver(page.rows, progress, now)
            if not page.full:
                return Advance(sent, at_the_end=True)
        return Advance(sent, at_the_end=False)

    def _deliver(self, rows: list[Row], progress: Progress, now: Callable[[], float]) -> int:
        waiting = deque(_parts(rows, self.batch))
        sent = unwanted = 0
        refusal = ""
        while waiting:
            part = waiting.popleft()
            outcome = self.send(part)
            if outcome.kind == "held":
                raise Held(outcome.why, outcome.retry_after)
            if outcome.kind != "acknowledged":
                refusal = outcome.why
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting.extendleft((part[middle:], part[:middle]))
                else:
                    unwanted += 1
                continue
            sent += len(part)
            self._moved(part[-1], len(part) - outcome.rejected, unwanted + outcome.rejected, progress, now(), outcome.why)
            unwanted = 0
        if unwanted:
            if not sent:
                raise Held(f"the receiver refuses all of it: {refusal}")
            self._moved(rows[-1], 0, unwanted, progress, now(), refusal)
        return sent

    def _moved(self, row: Row, taken: int, refused: int, progress: Progress, at: float, why: str) -> None:
        stream = self.stream
        stream.at_us, stream.last_id = row[self.by], row[self.key]
        stream.sent += taken
        stream.refused += refused
        stream.acknowledged_at, stream.held_since = at, None
        stream.why = why or None
        progress.save()


def _parts(rows: list[Row], most: int) -> list[list[Row]]:
    """Rows in requests of about MOST_BYTES, and `most` rows."""
    parts: list[list[Row]] = [[]]
    size = 0
    for row in rows:
        weight = 600 + sum(len(value) for value in row.values() if isinstance(value, str))
        if parts[-1] and (size + weight > MOST_BYTES or len(parts[-1]) == most):
            parts.append([])
            size = 0
        parts[-1].append(row)
        size += weight
    return parts
