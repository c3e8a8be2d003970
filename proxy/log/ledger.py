"""Accounts for every accepted request: the log's ledger beside the rows that are there and the frames that still lie in the spool.

Three counts that were made apart must agree. The ledger was written with the rows, batch by batch; the rows are counted now; what is
in flight is counted in the spool, frame by frame, up to the place where the log says it stands. What disagrees is unaccounted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from proxy.log.segments import carry_path
from proxy.spool.frames import ACCEPTED, FINISHED, FrameError
from proxy.spool.reader import Run, SegmentReader, runs

Query = Callable[[str], list[dict[str, Any]]]

ENDINGS: Final = ("complete", "partial", "client_gone", "upstream_error", "lost")
TRIES: Final = 5  # a log that is being written moves between two looks


@dataclass(frozen=True, slots=True)
class Line:
    """One day of one worker. accepted = the five endings + open; rows + expired + shed = the five endings."""

    day: str
    host: str
    worker: str
    accepted: int
    complete: int
    partial: int
    client_gone: int
    upstream_error: int
    lost: int
    shed: int  # part of lost: passed, and could not be spooled, so there is no row
    open: int  # in flight
    rows: int
    expired: int  # rows that retention deleted

    @property
    def unaccounted(self) -> int:
        """Ended exchanges without a row, and rows that nobody accepted."""
        ended = self.complete + self.partial + self.client_gone + self.upstream_error + self.lost
        return abs(ended - self.shed - self.rows - self.expired) + max(0, -self.open)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What lies in the spool behind the log's positions."""

    runs: int = 0
    accepted: int = 0
    finished: int = 0
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """The whole of it."""

    lines: list[Line]
    doubled: int  # exchange ids that have more than one row
    missing_frames: int  # of the spool, told by their numbers
    damaged_places: int  # of the spool, behind which nothing could be read
    losses: list[dict[str, Any]]
    open_ledger: int  # in flight, by the ledger
    open_spool: int  # in flight, counted in the spool
    waiting: Waiting
    disagreeing: list[str] = field(default_factory=list)  # runs whose two counts of what is in flight differ, in a sentence

    @property
    def lost(self) -> int:
        """Accepted, and the worker died or had no room."""
        return sum(line.lost for line in self.lines)

    @property
    def unaccounted(self) -> int:
        """Everything that no row, no open exchange and no counted loss explains."""
        return (
            sum(line.unaccounted for line in self.lines)
            + abs(self.open_ledger - self.open_spool)
            + self.missing_frames
            + self.damaged_places
        )

    def sound(self, max_lost: int | None = None) -> bool:
        """Whether nothing is unaccounted or doubled, and no more is lost than `max_lost`."""
        return not self.unaccounted and not self.doubled and (max_lost is None or self.lost <= max_lost)

    def json(self) -> dict[str, Any]:
        """As `goldwash verify --json` prints it."""
        counts = ("accepted", *ENDINGS, "shed", "open", "rows", "expired")
        totals = {name: sum(getattr(line, name) for line in self.lines) for name in counts}
        return {
            "days": [{**asdict(line), "unaccounted": line.unaccounted} for line in self.lines],
            "totals": totals,
            "unaccounted": self.unaccounted,
            "doubled": self.doubled,
            "lost": self.lost,
            "missing_frames": self.missing_frames,
            "damaged_places": self.damaged_places,
            "open": {"ledger": self.open_ledger, "spool": self.open_spool},
            "waiting": asdict(self.waiting),
            "losses": self.losses,
            "disagreeing": self.disagreeing,
        }


def account(query: Query, spool: Path, since: date | None = None) -> Account:
    """Count, and count again while the log moves under the counting. query: runs one read-only statement; since: the first day."""
    found = _account(query, spool, since)
    for _ in range(TRIES - 1):
        if found.sound():
            break
        found = _account(query, spool, since)
    return found


def _account(query: Query, spool: Path, since: date | None) -> Account:
    days = f"day >= DATE '{since.isoformat()}'" if since else "true"
    times = f"accepted_at >= TIMESTAMPTZ '{since.isoformat()} 00:00:00+00'" if since else "true"
    lines = query(_LINES.format(days=days, times=times))
    doubled = query(_DOUBLED.format(times=times))[0]["doubled"]
    losses = query(_LOSSES.format(days=days.replace("day", "CAST(found_at AT TIME ZONE 'UTC' AS DATE)")))
    on_disk = {run.name: run for run in runs(spool)}
    open_ledger = open_spool = 0
    waiting = Waiting()
    disagreeing = []
    known = query(_POSITIONS)
    for position in known:
        by_ledger = int(position["open"] or 0)
        run = on_disk.pop(position["run"], None)
        flying = 0
        if run is not None and not position["done"]:
            flying, behind = _count(run, int(position["segment"]), int(position["offset"]), int(position["carry"]))
            waiting = _sum(waiting, behind)
        open_ledger += by_ledger
        open_spool += flying
        if by_ledger != flying:
            disagreeing.append(f"run {position['run']}: {by_ledger} in flight by the ledger, {flying} by the spool")
    for run in on_disk.values():  # nothing of these is in the log yet
        _, behind = _count(run, 0, 0, 0)
        waiting = _sum(waiting, behind)
    return Account(
        lines=[Line(**line) for line in lines],
        doubled=int(doubled),
        missing_frames=sum(int(loss["frames"] or 0) for loss in losses if loss["kind"] != "repeated"),
        damaged_places=sum(loss["kind"] == "torn" and loss["frames"] is None for loss in losses),
        losses=losses,
        open_ledger=open_ledger,
        open_spool=open_spool,
        waiting=waiting,
        disagreeing=disagreeing,
    )


def _sum(one: Waiting, other: Waiting) -> Waiting:
    return Waiting(one.runs + other.runs, one.accepted + other.accepted, one.finished + other.finished, one.frames + other.frames)


def _count(run: Run, segment: int, offset: int, carry: int) -> tuple[int, Waiting]:
    """Exchanges in flight at a position of a run, and what lies behind it. Changes nothing; segments may vanish meanwhile."""
    flying: set[bytes] = set()
    accepted = finished = frames = 0
    with contextlib.suppress(FileNotFoundError, FrameError):
        for payload, _ in _frames(carry_path(run.path, carry)) if carry else ():
            flying.add(payload[1:17])
    with contextlib.suppress(FileNotFoundError):
        for number in run.segments():
            if number <= carry:
                continue
            with contextlib.suppress(FileNotFoundError, FrameError):
                for payload, end in _frames(run.segment(number)):
                    if number < segment or (number == segment and end <= offset):
                        if payload[0] == ACCEPTED:
                            flying.add(payload[1:17])
                        elif payload[0] == FINISHED:
                            flying.discard(payload[1:17])
                    else:
                        frames += 1
                        accepted += payload[0] == ACCEPTED
                        finished += payload[0] == FINISHED
    return len(flying), Waiting(int(frames > 0), accepted, finished, frames)


def _frames(path: Path) -> Any:
    reader = SegmentReader(path)
    try:
        while (raw := reader.next_raw()) is not None:
            yield raw[0], raw[2]
    finally:
        reader.close()


_LINES: Final = """
    SELECT CAST(coalesce(l.day, r.day) AS VARCHAR) AS day, coalesce(l.host, r.host) AS host, coalesce(l.worker, r.worker) AS worker,
        coalesce(l.accepted, 0) AS accepted, coalesce(l.complete, 0) AS complete, coalesce(l.partial, 0) AS partial,
        coalesce(l.client_gone, 0) AS client_gone, coalesce(l.upstream_error, 0) AS upstream_error, coalesce(l.lost, 0) AS lost,
        coalesce(l.shed, 0) AS shed, coalesce(l.open, 0) AS open, coalesce(r.rows, 0) AS rows, coalesce(x.rows, 0) AS expired
    FROM (SELECT * FROM ledger_daily WHERE {days}) l
    FULL JOIN (
        SELECT CAST(make_timestamp(epoch_us(accepted_at)) AS DATE) AS day, host, worker, count(*) AS rows
        FROM exchanges WHERE {times} GROUP BY ALL) r ON r.day = l.day AND r.host = l.host AND r.worker = l.worker
    LEFT JOIN (SELECT day, host, worker, CAST(sum(rows) AS BIGINT) AS rows FROM expired GROUP BY ALL) x
        ON x.day = l.day AND x.host = l.host AND x.worker = l.worker
    ORDER BY 1, 2, 3"""
_DOUBLED: Final = """
    SELECT count(*) AS doubled FROM (SELECT exchange_id FROM exchanges WHERE {times} GROUP BY exchange_id HAVING count(*) > 1)"""
_LOSSES: Final = """
    SELECT run, segment, "offset", frames, bytes, kind, note, CAST(found_at AS VARCHAR) AS found_at
    FROM losses WHERE {days} ORDER BY found_at LIMIT 1000"""
_POSITIONS: Final = """
    SELECT coalesce(p.run, l.run) AS run, coalesce(p.segment, 0) AS segment, coalesce(p."offset", 0) AS "offset",
        coalesce(p.carry, 0) AS carry, coalesce(p.done, true) AS done, coalesce(l.open, 0) AS open
    FROM spool_newest p FULL JOIN (
        SELECT run, CAST(sum(accepted) AS BIGINT) - CAST(sum(complete + partial + client_gone + upstream_error + lost) AS BIGINT) AS open
        FROM ledger GROUP BY run) l ON l.run = p.run
    WHERE NOT coalesce(p.done, true) OR coalesce(l.open, 0) <> 0"""
