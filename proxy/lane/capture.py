"""Writes down what the lane tells, and keeps count of what it could not write: a failing log never fails traffic.

Where room runs out, bodies are shed first: a request still leaves its ACCEPTED and FINISHED, in room that is held back for that.
When that is used up too, exchanges pass and are counted. Nothing that was written is ever dropped to make room.
"""

from __future__ import annotations

import asyncio
import collections
import errno
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import structlog

from proxy.exchange import Ending
from proxy.spool import frames
from proxy.spool.bound import SpoolFull
from proxy.spool.writer import Spool, sync

if TYPE_CHECKING:
    from proxy.lane.spooled import SpooledExchange

# Ends that could not be written wait in memory, without bodies, some hundred bytes each.
MAX_OWED: Final = 100_000


class Room(Enum):
    """What the spool has room for."""

    ALL = "all"
    HEADS = "heads"  # frames without bodies
    NONE = "none"


class Capture:
    """The spool as the lane sees it."""

    def __init__(self, spool: Spool, *, syncs_each: bool = False) -> None:
        self._spool = spool
        self.syncs_each = syncs_each  # [spool] fsync = "each": nothing is forwarded before its ACCEPTED is on the disk
        self._syncing = False
        self._after_sync: list[Callable[[], None]] = []
        self._log = structlog.get_logger("lane")
        self._tells = False
        self._owed: collections.deque[bytes] = collections.deque(maxlen=MAX_OWED)
        self._unspooled: set[bytes] = set()  # accepted by the lane, unknown to the spool: their ends are not written either
        self._untold_exchanges = self._untold_bytes = 0  # shed, and in no SHED frame yet
        self._reason = ""
        self.room = Room.ALL
        self.full_since = 0.0
        self.accepted_count = 0
        self.endings: collections.Counter[Ending] = collections.Counter()
        self.shed_exchanges = self.shed_bytes = 0

    def tell_each(self, on: bool) -> None:
        """Whether to log one canonical line an exchange (debug level)."""
        self._tells = on

    @property
    def counts(self) -> dict[str, Any]:
        """For the gauge: what is shed is counted there, too, in case the process dies before a SHED frame can tell."""
        return {
            "accepted": self.accepted_count,
            "endings": {ending.value: count for ending, count in self.endings.items()},
            "shed_exchanges": self.shed_exchanges,
            "shed_bytes": self.shed_bytes,
            "shed_why": self._reason or None,
            "spool_room": self.room.value,
            "spool_full_since": self.full_since or None,
        }

    def accepted(self, payload: bytes, *, or_refuse: bool) -> bool:
        """Write ACCEPTED. Where there is no room the exchange is counted as shed and passes all the same, or False: it is refused.

        or_refuse: whoever refuses what is not logged refuses what is logged without its body, too.
        """
        if self.room is not Room.ALL and or_refuse:
            return False
        if not self._write(payload):
            if or_refuse:
                return False
            self._unspooled.add(payload[1:17])
            self._untold_exchanges += 1
            self.shed_exchanges += 1
        self.accepted_count += 1
        return True

    def more(self, exchange_id: bytes, payload: bytes, pieces: Sequence[bytes] = ()) -> bool:
        """Write PART (`pieces`: what passed) or ANSWERED; False where it was shed."""
        if exchange_id in self._unspooled:
            self._shed(len(payload) + sum(map(len, pieces)))
            return False
        return self._write(payload, pieces)

    def finished(
        self, exchange: SpooledExchange, payload: bytes, ending: Ending, kind: str, ended_ns: int, pieces: Sequence[bytes] = ()
    ) -> None:
        """Write FINISHED (`pieces`: the rest of it); without room, a short form is owed and written as soon as there is some."""
        self.endings[ending] += 1
        if self._unspooled and exchange.exchange_id in self._unspooled:
            self._unspooled.discard(exchange.exchange_id)
            self._shed(len(payload) + sum(map(len, pieces)))
        elif not self._write(payload, pieces):
            self._owed.append(frames.without_bodies(b"".join((payload, *pieces))))
        elif self.syncs_each:
            self.when_synced(_nothing)
        if self._tells:
            status, bytes_in, bytes_out = exchange.summary()
            self._log.debug(
                "exchange", exchange_id=exchange.id_text.decode(), upstream=exchange.route.name, status=status, ending=ending.value,
                error=kind or None, ms=round(ended_ns / 1e6, 1), request_bytes=bytes_in, response_bytes=bytes_out,
            )  # fmt: skip

    def record(self, payload: bytes) -> bool:
        """Write RECORD: an opinion given at the proxy port."""
        return self._write(payload)

    def _write(self, payload: bytes, pieces: Sequence[bytes] = ()) -> bool:
        """Write a frame, without its bodies where there is no room for them. False: nothing of it was written."""
        if self.room is Room.ALL:
            try:
                self._spool.append(payload, pieces)
            except SpoolFull as error:
                self._lacks(Room.HEADS, error)
            else:
                return True
        if pieces:
            payload = b"".join((payload, *pieces))
        short = frames.without_bodies(payload) if self.room is Room.HEADS else b""
        if short:
            try:
                self._spool.append(short, last_room=True)
            except SpoolFull as error:
                self._lacks(Room.NONE, error)
                short = b""
        self._shed(len(payload) - len(short))
        return bool(short)

    def _shed(self, size: int) -> None:
        self._untold_bytes += size
        self.shed_bytes += size

    def _lacks(self, room: Room, error: SpoolFull) -> None:
        if not self.full_since:
            self.full_since = time.time()
            fix = "raise it, or see why the log does not load" if error.errno == errno.EDQUOT else "free disk space"
            self._log.error(
                "spool_full", why=error.strerror, fix=f"{fix}; traffic goes on, bodies are shed first, and what is shed is counted"
            )
        self._reason = "spool_bound" if error.errno == errno.EDQUOT else "disk_full"
        self.room = room

    def tick(self) -> None:
        """Once a second: allocate ahead, and write what is owed once there is room again."""
        if self.room is Room.NONE:
            self.room = Room.HEADS
        try:
            self._spool.prepare(ahead=self.room is not Room.ALL)
        except SpoolFull:
            pass  # what is allocated may still suffice; append() tells when it does not
        else:
            self.room = Room.ALL
        try:
            while self._owed:
                self._spool.append(self._owed[0], last_room=True)
                self._owed.popleft()
            if self._untold_exchanges or self._untold_bytes:
                shed = frames.shed(time.time_ns(), self._untold_exchanges, self._untold_bytes, self._reason)
                self._spool.append(shed, last_room=True)
                self._untold_exchanges = self._untold_bytes = 0
        except SpoolFull as error:
            self._lacks(Room.NONE, error)
        if self.full_since and self.room is Room.ALL:
            self._log.warning(
                "spool_has_room_again", seconds=round(time.time() - self.full_since, 1), shed_exchanges=self.shed_exchanges,
                shed_bytes=self.shed_bytes,
            )  # fmt: skip
            self.full_since = 0.0

    def when_synced(self, call: Callable[[], None]) -> None:
        """Call back when all that was written until now is on the disk; one sync serves all that wait (group commit)."""
        self._after_sync.append(call)
        if not self._syncing:
            self._syncing = True
            asyncio.get_running_loop().create_task(self._sync()).add_done_callback(self._synced)

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        while self._after_sync:
            waiting, self._after_sync = self._after_sync, []
            try:
                await loop.run_in_executor(None, sync, self._spool.descriptors())
            except OSError as error:  # the bytes are in the page cache; traffic goes on
                self._log.error("spool_not_synced", why=str(error))
            for call in waiting:
                call()

    def _synced(self, task: asyncio.Task[None]) -> None:
        self._syncing = False
        if not task.cancelled() and task.exception() is not None:
            self._log.error("spool_sync_failed", why=repr(task.exception()))

    async def sync_every(self, seconds: float) -> None:
        """For ever: bring to the disk what was written ([spool] fsync = "interval")."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(seconds)
            try:
                await loop.run_in_executor(None, sync, self._spool.descriptors())
            except OSError as error:
                self._log.error("spool_not_synced", why=str(error))

    def close(self) -> None:
        """Seal the run."""
        self.tick()
        self._spool.close()


def _nothing() -> None:
    """Nobody waits for the end of an exchange to be on the disk."""
