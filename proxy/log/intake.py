"""Takes the frames of one run in, once each and in order, and knows which exchanges are still open and which files they need.

Its memory can be lost at any moment: position, carry file and the segments on disk give it back. So a round that fails is undone
by forgetting the intake and making it anew.

Segments are deleted from the oldest on, once they are committed and no open exchange has frames in them. So that one long stream
does not hold them all, its frames are carried over into a file of their own when more than `hold` segments wait for it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.log.assemble import assemble
from proxy.log.rows import Exchange
from proxy.log.segments import Held, carry_path, keep_aside, write_carry
from proxy.spool.frames import ACCEPTED, ANSWERED, FINISHED, PART, RECORD, SHED, Frame, FrameError, Record, Shed, decode
from proxy.spool.reader import Run

CARRY: Final = 0  # the carry file's number among the files of a run; segments count from 1
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


Place = tuple[int, int, int, int]  # file, start and size of a payload, seq


def day_of(at_ns: int) -> int:
    """Days since 1970, UTC."""
    return at_ns // 86_400_000_000_000


class Intake:
    """One run as it is being loaded."""

    def __init__(self, run: Run, position: Position | None, hold: int) -> None:
        """Take up where `position` left off; None = nothing of this run is loaded. Raises OSError or FrameError where files fail."""
        self.run = run
        self.hold = hold
        self.open: dict[bytes, list[Place]] = {}
        self.host, self.worker = (position.host, position.worker) if position else ("", "")
        self.segment = position.segment if position else 0
        self.offset = position.offset if position else 0
        self.seq = position.seq if position else 0
        self.carry = position.carry if position else 0
        self.done = position.done if position else False
        self._files: dict[int, Held] = {}
        self._passed: list[int] = []  # read to their ends, and still on disk
        self._stale: list[Path] = []  # to be deleted when what was taken is committed
        self._retry_ns = 0
        if position and not self.done:
            self._restore()

    # -- taking up again

    def _restore(self) -> None:
        """Find the open exchanges again: those of the carry file and of the segments that are loaded and still here."""
        for path in self.run.path.glob("carry-*"):
            if path != carry_path(self.run.path, self.carry):
                path.unlink(missing_ok=True)  # written, and never committed; or committed over
        for number in self.run.segments():
            if number <= self.carry:
                self.run.segment(number).unlink(missing_ok=True)
        if self.carry:
            self._files[CARRY] = Held(carry_path(self.run.path, self.carry))
            self._replay(CARRY, None)
        for number in self.run.segments():
            if number > self.segment:
                break
            try:
                self._replay(number, self.offset if number == self.segment else None)
            except FrameError:  # no segment at all, which was counted when it was read
                self._stale.append(self.run.segment(number))
                continue
            if number < self.segment:
                self._passed.append(number)

    def _replay(self, number: int, until: int | None) -> None:
        """Go again over frames that are loaded; damage among them was counted when they were read."""
        file = self._file(number)
        above = 0
        while until is None or file.offset < until:
            start = file.offset
            try:
                raw = file.next_raw()
            except FrameError:
                raw = None
            if raw is not None:
                self._remember(number, start, raw[0], raw[1])
                above = raw[1] + 1
            elif file.sealed or file.resynchronise(above) is None:
                break
        if until is not None:
            file.offset = until
            file.sealed = False

    def _remember(self, number: int, start: int, payload: bytes, seq: int) -> None:
        kind, exchange_id = payload[0], payload[1:17]
        if kind == ACCEPTED:
            self.open[exchange_id] = [(number, start + 16, len(payload), seq)]
        elif kind in (PART, ANSWERED) and exchange_id in self.open:
            self.open[exchange_id].append((number, start + 16, len(payload), seq))
        elif kind == FINISHED:
            self.open.pop(exchange_id, None)

    def _file(self, number: int) -> Held:
        file = self._files.get(number)
        if file is None:
            file = self._files[number] = Held(self.run.segment(number))
            self.host, self.worker = str(file.header.get("host", "")), str(file.header.get("worker", ""))
        return file

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
        current = self._files.get(self.segment)
        if current is not None and not current.sealed:
            return None
        return next((number for number in self.run.segments() if number > self.segment), None)

    def _current(self, taken: Taken, alive: bool, now_ns: int) -> Held | None:
        """The segment to read on in; None = no frame is there to be read."""
        file = self._files.get(self.segment)
        if file is not None and not file.sealed:
            return file
        while (number := self._following()) is not None:
            if not self.segment and not self.seq:
                self._adopt_carry(number, taken)
            if file is not None:
                self._passed.append(self.segment)
            try:
                file = self._file(number)
            except FrameError as error:
                if alive and number == self.run.segments()[-1]:
                    return None
                path = self.run.segment(number)
                kept = keep_aside(path)
                taken.losses.append(Loss(number, 0, None, path.stat().st_size, "torn", f"{error}; kept as {kept.name}"))
                self._stale.append(path)
                self.segment, file = number, None
                continue
            self.segment, self.offset = number, file.offset
            return file
        return None

    def _adopt_carry(self, first: int, taken: Taken) -> None:
        """The log was lost, and knows nothing of a run that was loaded in part: its newest carry file holds what was open."""
        carried = sorted(int(path.stem[6:]) for path in self.run.path.glob("carry-*.seg") if path.stem[6:].isdigit())
        if carried and carried[-1] < first:
            self.carry = carried[-1]
            self._files[CARRY] = Held(carry_path(self.run.path, self.carry))
            self._replay(CARRY, None)
            for places in self.open.values():
                taken.accepted[self._accepted_day(self._files[CARRY].payload(places[0][1], 25))] += 1

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
                self._remember(self.segment, start, payload, seq)
            elif kind == FINISHED:
                exchange = self._finish(payload[1:17], decode(payload), taken)
                taken.exchanges.append(exchange)
                budget.rows -= 1
                budget.bytes -= len(exchange.captured.request_body) + len(exchange.captured.response_body)
            elif kind in (PART, ANSWERED):
                self._remember(self.segment, start, payload, seq)
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
        places = self.open.pop(exchange_id, None)
        frames: list[Frame] = []
        for number, at, size, seq in places or ():
            try:
                frames.append(decode(self._files[number].payload(at, size)))
            except FrameError as error:
                taken.losses.append(Loss(number, at, 1, size, "unknown", f"frame {seq}: {error}"))
        if last is not None:
            frames.append(last)
        exchange = assemble(exchange_id, frames, self.host, self.worker)
        if places is None:  # its ACCEPTED was damaged: it was accepted all the same
            taken.accepted[day_of(exchange.captured.accepted_at_ns)] += 1
        return exchange

    def _give_up(self, budget: Budget, taken: Taken) -> None:
        """The writer is dead and all it wrote is read: what is open now will never end."""
        for exchange_id in list(self.open):
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
        return Position(self.run.name, self.host, self.worker, self.segment, self.offset, self.seq, self.carry, self.done)

    def prepare(self) -> None:
        """Before the commit: carry over, if too many segments wait, and note which files are needed no more once it is done."""
        if not self._passed and not self.carry:
            return
        used = {next((number for number, *_ in places if number), self.segment) for places in self.open.values()}
        floor = min(used, default=self.segment)
        self._drop([number for number in self._passed if number < floor])
        if len(self._passed) > self.hold:
            self._carry_over(self._passed[-1])
        if self.carry and not any(places[0][0] == CARRY for places in self.open.values()):
            self._stale.append(carry_path(self.run.path, self.carry))
            self._close(CARRY)
            self.carry = 0

    def _carry_over(self, upto: int) -> None:
        frames: list[tuple[int, bytes]] = []
        for places in self.open.values():
            frames += [(seq, self._files[number].payload(at, size)) for number, at, size, seq in places if number <= upto]
        frames.sort(key=lambda frame: frame[0])
        header: dict[str, object] = {"run": self.run.name, "host": self.host, "worker": self.worker, "segment": upto}
        old = carry_path(self.run.path, self.carry) if self.carry else None
        path = write_carry(self.run.path, upto, header, frames)
        self._close(CARRY)
        self._files[CARRY] = Held(path)
        carried: dict[int, tuple[int, int]] = {}
        start = self._files[CARRY].offset
        while (raw := self._files[CARRY].next_raw()) is not None:
            carried[raw[1]] = (start + 16, len(raw[0]))
            start = raw[2]
        for places in self.open.values():
            places[:] = [(CARRY, *carried[seq], seq) if number <= upto else (number, at, size, seq) for number, at, size, seq in places]
        self.carry = upto
        if old:
            self._stale.append(old)
        self._drop([number for number in self._passed if number <= upto])

    def _drop(self, numbers: list[int]) -> None:
        for number in numbers:
            self._passed.remove(number)
            self._stale.append(self.run.segment(number))
            self._close(number)

    def settle(self) -> None:
        """After the commit: delete what is in the log."""
        for path in self._stale:
            path.unlink(missing_ok=True)
        self._stale.clear()
        if self.done:
            self.close()
            shutil.rmtree(self.run.path, ignore_errors=True)

    def _close(self, number: int) -> None:
        file = self._files.pop(number, None)
        if file is not None:
            file.close()

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
