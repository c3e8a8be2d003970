"""Takes the frames of one run in, once each and in order, and makes exchanges of them.

Its memory can be lost at any moment: position, carry file and the segments on disk give it back. So a round that fails is undone
by forgetting the intake and making it anew.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from proxy.log.assemble import assemble
from proxy.log.open_exchanges import OpenExchanges
from proxy.log.rows import Exchange
from proxy.log.segments import Held, keep_aside
from proxy.spool.frames import ACCEPTED, ANSWERED, FINISHED, PART, RECORD, SHED, Frame, FrameError, Record, Shed, decode
from proxy.spool.reader import Run

RETRY_NS: Final = 2_000_000_000  # between two looks at a damaged frame that a live writer may still be behind
BIRTH_NS: Final = 60_000_000_000  # a run younger than this without a segment may not have taken its lock yet


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run is loaded, as it is stored with the rows."""

    run: str
    host: str
    worker: str
    segment: int
    offset: int
    seq: int  # of the next frame
    carry: int  # frames of open exchanges from segments up to this one are in its carry file; 0 = there is none
    done: bool = False  # dead, and all of it is loaded: the directory can go


@dataclass(frozen=True, slots=True)
class Loss:
    """Frames of the spool that cannot be read or are not there."""

    segment: int
    offset: int
    frames: int | None
    bytes: int | None
    kind: str  # torn | gap | repeated | unknown
    note: str


@dataclass(slots=True)
class Budget:
    """What one round may still take."""

    rows: int
    bytes: int

    def spent(self) -> bool:
        return self.rows <= 0 or self.bytes <= 0


@dataclass(slots=True)
class Taken:
    """What one run gave in one round."""

    accepted: Counter[int] = field(default_factory=Counter)  # by day, counted from 1970
    exchanges: list[Exchange] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    sheds: list[Shed] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    frames: int = 0
    bytes: int = 0
    more: bool = False  # the budget ended before the frames did
    ended: bool = False  # the writer is dead, and this was all


def day_of(at_ns: int) -> int:
    """Days since 1970, UTC."""
    return at_ns // 86_400_000_000_000


class Intake:
    """One run as it is being loaded."""

    def __init__(self, run: Run, position: Position | None, hold: int) -> None:
        """Take up where `position` left off; None = nothing of this run is loaded. Raises OSError or FrameError where files fail."""
        self.run = run
        self.open = OpenExchanges(run, hold)
        self.segment = position.segment if position else 0
        self.offset = position.offset if position else 0
        self.seq = position.seq if position else 0
        self.done = position.done if position else False
        self._retry_ns = 0
        if position:
            self.open.host, self.open.worker = position.host, position.worker
            self.open.carry = position.carry
            if not self.done:
                self.open.restore(position.carry, position.segment, position.offset)

    @property
    def host(self) -> str:
        """The host of the run's writer."""
        return self.open.host

    @property
    def worker(self) -> str:
        """The name of the run's writer."""
        return self.open.worker

    # -- reading on

    def take(self, budget: Budget, now_ns: int) -> Taken:
        """Read what is there, up to the budget. Then prepare(), commit position() with the rows, and settle()."""
        taken = Taken()
        if self.done:
            return taken
        alive = self.run.alive() or self._unborn(now_ns)  # asked first: a writer that is dead now writes nothing later
        while not budget.spent():
            file = self._current(taken, alive, now_ns)
            if file is None:
                break
            start = file.offset
            try:
                raw = file.next_raw()
            except FrameError as error:
                if self._past_damage(file, taken, alive, now_ns, str(error)):
                    continue
                break
            if raw is None:
                if not file.sealed:
                    if alive:
                        break
                    if not self._unfinished(file) and self._past_damage(file, taken, alive, now_ns, f"a hole at {start}"):
                        continue
                    file.sealed = True
                if self._following() is None:
                    break
                continue
            self._one(raw[0], raw[1], start, file, budget, taken)
        else:
            taken.more = True
            return taken
        if not alive and self._following() is None:
            self._give_up(budget, taken)
        return taken

    def _unfinished(self, file: Held) -> bool:
        """Whether nothing follows but, at most, the one frame that the writer was at when it was killed: it was never there."""
        if file.written_behind() is None:
            return True
        start = file.offset
        follows = file.resynchronise(self.seq) is not None
        file.offset = start
        return not follows and not any(number > self.segment for number in self.run.segments())

    def _unborn(self, now_ns: int) -> bool:
        return not self.segment and not self.run.segments() and now_ns - self.run.path.stat().st_mtime_ns < BIRTH_NS

    def _following(self) -> int | None:
        """The next segment on disk, where the current one is read to its end."""
        current = self.open.held(self.segment)
        if current is not None and not current.sealed:
            return None
        return next((number for number in self.run.segments() if number > self.segment), None)

    def _current(self, taken: Taken, alive: bool, now_ns: int) -> Held | None:
        """The segment to read on in; None = no frame is there to be read."""
        file = self.open.held(self.segment)
        if file is not None and not file.sealed:
            return file
        while (number := self._following()) is not None:
            if not self.segment and not self.seq:
                for accepted in self.open.adopt_carry(number):
                    taken.accepted[self._accepted_day(accepted)] += 1
            if file is not None:
                self.open.passed(self.segment)
            try:
                file = self.open.file(number)
            except FrameError as error:
                if alive and number == self.run.segments()[-1]:
                    return None
                path = self.run.segment(number)
                kept = keep_aside(path)
                taken.losses.append(Loss(number, 0, None, path.stat().st_size, "torn", f"{error}; kept as {kept.name}"))
                self.open.discard(path)
                self.segment, file = number, None
                continue
            self.segment, self.offset = number, file.offset
            return file
        return None

    @staticmethod
    def _accepted_day(payload: bytes) -> int:
        return day_of(int.from_bytes(payload[17:25], "little"))

    def _past_damage(self, file: Held, taken: Taken, alive: bool, now_ns: int, what: str) -> bool:
        """Whether reading can go on behind a frame that cannot be read. Nothing is given up that a live writer may still complete."""
        if alive and now_ns < self._retry_ns:
            return False
        start = file.offset
        size = 0
        skipped = file.resynchronise(self.seq)
        if skipped is None:
            later = [number for number in self.run.segments() if number > self.segment]
            if alive and not any(Held(self.run.segment(number)).begun() for number in later):
                self._retry_ns = now_ns + RETRY_NS
                return False
            size = file.skip_rest()
        kept = keep_aside(file.path)
        # Where frames follow, their numbers tell how many are missing, as a gap.
        frames, size = (None, size) if skipped is None else (0, skipped)
        taken.losses.append(Loss(self.segment, start, frames, size, "torn", f"{what}; kept as {kept.name}"))
        self.offset = file.offset
        return True

    def _one(self, payload: bytes, seq: int, start: int, file: Held, budget: Budget, taken: Taken) -> None:
        self.offset = file.offset
        taken.frames += 1
        taken.bytes += len(payload)
        if seq != self.seq:
            if seq < self.seq:
                taken.losses.append(Loss(self.segment, start, 0, None, "repeated", f"frame {seq} came again after {self.seq - 1}"))
                return
            missing = seq - self.seq
            taken.losses.append(Loss(self.segment, start, missing, None, "gap", f"frames {self.seq} to {seq - 1} are not there"))
        self.seq = seq + 1
        kind = payload[0]
        try:
            if kind == ACCEPTED:
                taken.accepted[self._accepted_day(payload)] += 1
                self.open.remember(self.segment, start, payload, seq)
            elif kind == FINISHED:
                exchange = self._finish(payload[1:17], decode(payload), taken)
                taken.exchanges.append(exchange)
                budget.rows -= 1
                budget.bytes -= len(exchange.captured.request_body) + len(exchange.captured.response_body)
            elif kind in (PART, ANSWERED):
                self.open.remember(self.segment, start, payload, seq)
            elif kind in (RECORD, SHED):
                frame = decode(payload)
                if isinstance(frame, Record):
                    taken.records.append(frame)
                    budget.rows -= 1
                    budget.bytes -= len(frame.json)
                elif isinstance(frame, Shed):
                    taken.sheds.append(frame)
            else:
                raise FrameError(f"frame kind {kind} is not known to this version")
        except FrameError as error:
            kept = keep_aside(file.path)
            taken.losses.append(Loss(self.segment, start, 1, len(payload), "unknown", f"{error}; kept as {kept.name}"))

    def _finish(self, exchange_id: bytes, last: Frame | None, taken: Taken) -> Exchange:
        places = self.open.end(exchange_id)
        frames: list[Frame] = []
        for number, at, size, seq in places or ():
            try:
                frames.append(decode(self.open.payload(number, at, size)))
            except FrameError as error:
                taken.losses.append(Loss(number, at, 1, size, "unknown", f"frame {seq}: {error}"))
        if last is not None:
            frames.append(last)
        exchange = assemble(exchange_id, frames, self.open.host, self.open.worker)
        if places is None:  # its ACCEPTED was damaged: it was accepted all the same
            taken.accepted[day_of(exchange.captured.accepted_at_ns)] += 1
        return exchange

    def _give_up(self, budget: Budget, taken: Taken) -> None:
        """The writer is dead and all it wrote is read: what is open now will never end."""
        for exchange_id in self.open.ids():
            if budget.spent():
                taken.more = True
                return
            exchange = self._finish(exchange_id, None, taken)
            taken.exchanges.append(exchange)
            budget.rows -= 1
            budget.bytes -= len(exchange.captured.request_body) + len(exchange.captured.response_body)
        self.done = taken.ended = True

    # -- committing

    def position(self) -> Position:
        """Where the run stands now; to be stored with the rows."""
        return Position(self.run.name, self.host, self.worker, self.segment, self.offset, self.seq, self.open.carry, self.done)

    def prepare(self) -> None:
        """Before the commit: carry over, if too many segments wait, and note which files are needed no more once it is done."""
        self.open.prepare(self.segment)

    def settle(self) -> None:
        """After the commit: delete what is in the log."""
        self.open.settle()
        if self.done:
            self.close()
            shutil.rmtree(self.run.path, ignore_errors=True)

    def close(self) -> None:
        """Let go of all files."""
        self.open.close()
