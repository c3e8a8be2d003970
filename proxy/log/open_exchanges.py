"""The exchanges of one run that have not ended: where their frames lie, and which files of the spool are needed for that.

Segments are deleted from the oldest on, once they are committed and no open exchange has frames in them. So that one long stream
does not hold them all, its frames are carried over into a file of their own when more than `hold` segments wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from proxy.log.segments import Held, carry_path, write_carry
from proxy.spool.frames import ACCEPTED, ANSWERED, FINISHED, PART, FrameError
from proxy.spool.reader import Run

CARRY: Final = 0  # the carry file's number among the files of a run; segments count from 1

Place = tuple[int, int, int, int]  # file, start and size of a payload, seq


class OpenExchanges:
    """See the module. `carry`: frames from segments up to this one are in the carry file; 0 = there is none."""

    def __init__(self, run: Run, hold: int) -> None:
        self.run = run
        self.carry = 0
        self.host = self.worker = ""  # of the run's writer, as the files say
        self._hold = hold
        self._places: dict[bytes, list[Place]] = {}
        self._files: dict[int, Held] = {}
        self._passed: list[int] = []  # read to their ends, and still on disk
        self._stale: list[Path] = []  # to be deleted when what was taken is committed

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    # -- taking up again

    def restore(self, carry: int, segment: int, offset: int) -> None:
        """Find them again: those of the carry file and of the segments that are loaded, up to `offset` of `segment`, and still here."""
        self.carry = carry
        for path in self.run.path.glob("carry-*"):
            if path != carry_path(self.run.path, carry):
                path.unlink(missing_ok=True)  # written, and never committed; or committed over
        for number in self.run.segments():
            if number <= carry:
                self.run.segment(number).unlink(missing_ok=True)
        if carry:
            self._files[CARRY] = Held(carry_path(self.run.path, carry))
            self._replay(CARRY, None)
        for number in self.run.segments():
            if number > segment:
                break
            try:
                self._replay(number, offset if number == segment else None)
            except FrameError:  # no segment at all, which was counted when it was read
                self.discard(self.run.segment(number))
                continue
            if number < segment:
                self.passed(number)

    def adopt_carry(self, first: int) -> list[bytes]:
        """The log was lost, and knows nothing of a run that was loaded in part: its newest carry file holds what was open.

        first: the first segment that is still here. Gives the beginning of each ACCEPTED, up to its time.
        """
        carried = sorted(int(path.stem[6:]) for path in self.run.path.glob("carry-*.seg") if path.stem[6:].isdigit())
        if not carried or carried[-1] >= first:
            return []
        self.carry = carried[-1]
        self._files[CARRY] = Held(carry_path(self.run.path, self.carry))
        self._replay(CARRY, None)
        return [self.payload(CARRY, places[0][1], 25) for places in self._places.values()]

    def _replay(self, number: int, until: int | None) -> None:
        """Go again over frames that are loaded; damage among them was counted when they were read."""
        file = self.file(number)
        above = 0
        while until is None or file.offset < until:
            start = file.offset
            try:
                raw = file.next_raw()
            except FrameError:
                raw = None
            if raw is not None:
                self.remember(number, start, raw[0], raw[1])
                above = raw[1] + 1
            elif file.sealed or file.resynchronise(above) is None:
                break
        if until is not None:
            file.offset = until
            file.sealed = False

    # -- frames and files

    def remember(self, number: int, start: int, payload: bytes, seq: int) -> None:
        """Take note of a frame that was read at `start` of a file."""
        kind, exchange_id = payload[0], payload[1:17]
        if kind == ACCEPTED:
            self._places[exchange_id] = [(number, start + 16, len(payload), seq)]
        elif kind in (PART, ANSWERED) and exchange_id in self._places:
            self._places[exchange_id].append((number, start + 16, len(payload), seq))
        elif kind == FINISHED:
            self._places.pop(exchange_id, None)

    def end(self, exchange_id: bytes) -> list[Place] | None:
        """Forget one, and give the places of its frames; None where it is not known."""
        return self._places.pop(exchange_id, None)

    def ids(self) -> list[bytes]:
        """All of them, in the order in which they were accepted."""
        return list(self._places)

    def payload(self, number: int, start: int, size: int) -> bytes:
        """A frame's payload at its place."""
        return self._files[number].payload(start, size)

    def held(self, number: int) -> Held | None:
        """A file that is open here."""
        return self._files.get(number)

    def file(self, number: int) -> Held:
        """A file, opened where it is not. Raises OSError or FrameError where it is no segment."""
        file = self._files.get(number)
        if file is None:
            file = self._files[number] = Held(self.run.segment(number))
            self.host, self.worker = str(file.header.get("host", "")), str(file.header.get("worker", ""))
        return file

    def passed(self, number: int) -> None:
        """A segment is read to its end: it can go when nothing in it is needed."""
        self._passed.append(number)

    def discard(self, path: Path) -> None:
        """Delete a file when what was taken is committed."""
        self._stale.append(path)

    # -- committing

    def prepare(self, segment: int) -> None:
        """Before the commit: carry over, if too many segments wait, and note which files are needed no more once it is done.

        segment: the one that is being read.
        """
        if not self._passed and not self.carry:
            return
        used = {next((number for number, *_ in places if number), segment) for places in self._places.values()}
        floor = min(used, default=segment)
        self._drop([number for number in self._passed if number < floor])
        if len(self._passed) > self._hold:
            self._carry_over(self._passed[-1])
        if self.carry and not any(places[0][0] == CARRY for places in self._places.values()):
            self.discard(carry_path(self.run.path, self.carry))
            self._close(CARRY)
            self.carry = 0

    def _carry_over(self, upto: int) -> None:
        frames: list[tuple[int, bytes]] = []
        for places in self._places.values():
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
        for places in self._places.values():
            places[:] = [(CARRY, *carried[seq], seq) if number <= upto else (number, at, size, seq) for number, at, size, seq in places]
        self.carry = upto
        if old:
            self.discard(old)
        self._drop([number for number in self._passed if number <= upto])

    def _drop(self, numbers: list[int]) -> None:
        for number in numbers:
            self._passed.remove(number)
            self.discard(self.run.segment(number))
            self._close(number)

    def settle(self) -> None:
        """After the commit: delete what is in the log."""
        for path in self._stale:
            path.unlink(missing_ok=True)
        self._stale.clear()

    def _close(self, number: int) -> None:
        file = self._files.pop(number, None)
        if file is not None:
            file.close()

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
