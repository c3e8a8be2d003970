"""The log service's own run in the spool, for what POSTs say; made when the first thing is said, so that a full disk stops nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from proxy.spool.writer import Spool, sync

SEGMENT: Final = 1 << 20
"""Bytes of a segment: what people and judges say is small."""


class OwnRun:
    """Appends records to the spool. One event loop; close() once, and the loader takes the rest."""

    def __init__(self, directory: Path, syncs: bool) -> None:
        """syncs: bring what was said to the disk before the answer goes out."""
        self._directory, self._syncs = directory, syncs
        self._spool: Spool | None = None

    @property
    def name(self) -> str | None:
        """The run's name; None: nothing was said yet."""
        return self._spool.run if self._spool else None

    async def append(self, payloads: Iterable[bytes]) -> None:
        """Write frames. Raises SpoolFull, and then the frames before the one that did not fit are there."""
        if self._spool is None:
            host = "".join(c if c.isalnum() or c in ".-" else "-" for c in socket.gethostname())[:80] or "host"
            self._spool = Spool(self._directory, host, "service", SEGMENT, syncs=self._syncs)
        for payload in payloads:
            self._spool.append(payload)
        if self._syncs:
            await asyncio.to_thread(sync, self._spool.descriptors())

    def close(self) -> None:
        """Seal it: nothing follows."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None
