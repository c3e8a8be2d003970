"""Writes the lane's frames to the spool, and keeps count of what it could not write: a failing log never fails traffic."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from proxy.exchange import Ending
from proxy.spool import frames
from proxy.spool.writer import Spool, SpoolFull, sync

if TYPE_CHECKING:
    from proxy.lane.exchange import LiveExchange

# Ends that could not be written wait in memory, without bodies, some 200 bytes each.
MAX_OWED: Final = 100_000


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
        self._shed_exchanges = 0
        self._shed_bytes = 0
        self._shed_reason = ""
        self.full_since = 0.0
        self.accepted_count = 0
        self.endings: collections.Counter[Ending] = collections.Counter()
        self.shed_exchanges = 0
        self.shed_frames = 0

    def tell_each(self, on: bool) -> None:
        """Whether to log one canonical line an exchange (debug level)."""
        self._tells = on

    def accepted(self, payload: bytes, *, or_refuse: bool) -> bool:
        """Write ACCEPTED. Where there is no room the exchange is counted as shed and passes all the same, or False: it is refused."""
        if self._write(payload):
            self.accepted_count += 1
            return True
        if or_refuse:
            return False
        self.accepted_count += 1
        self._unspooled.add(payload[1:17])
        self._shed_exchanges += 1
        self.shed_exchanges += 1
        return True

    def more(self, exchange_id: bytes, payload: bytes) -> None:
        """Write PART or ANSWERED."""
        if exchange_id not in self._unspooled:
            self._write(payload)

    def finished(self, exchange: LiveExchange, payload: bytes, ending: Ending, kind: str, ended_ns: int) -> None:
        """Write FINISHED; where there is no room, a short form is owed and written as soon as there is."""
        self.endings[ending] += 1
        if self._unspooled and exchange.exchange_id in self._unspooled:
            self._unspooled.discard(exchange.exchange_id)
        elif self._owed or not self._write(payload):
            self._owed.append(exchange.minimal_finished(ending, kind, ended_ns))
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

    def _write(self, payload: bytes) -> bool:
        try:
            self._spool.append(payload)
        except SpoolFull as error:
            if not self.full_since:
                self.full_since = time.time()
                self._log.error("spool_full", why=str(error), fix="free disk space; traffic goes on and what is not logged is counted")
            self.shed_frames += 1
            self._shed_bytes += len(payload)
            self._shed_reason = "spool_full"
            return False
        return True

    def tick(self) -> None:
        """Once a second: allocate ahead, and write what is owed once there is room again."""
        try:
            self._spool.prepare()
            while self._owed:
                self._spool.append(self._owed[0])
                self._owed.popleft()
            if self._shed_exchanges or self._shed_bytes:
                self._spool.append(frames.shed(time.time_ns(), self._shed_exchanges, self._shed_bytes, self._shed_reason))
                self._shed_exchanges = self._shed_bytes = 0
        except SpoolFull:
            return
        if self.full_since:
            self._log.warning("spool_has_room_again", seconds=round(time.time() - self.full_since, 1))
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
