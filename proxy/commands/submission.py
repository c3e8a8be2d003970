"""Sees a command's records into the log: through the spool like everything else, loaded by the running service, or here."""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import Any, Self

import orjson

from config.settings import Settings
from proxy.service.client import find
from proxy.service.opinions import uuid7
from proxy.spool import frames
from proxy.spool.writer import Spool

SEGMENT = 4 << 20


class Submission:
    """A run of the spool for one command's records. A context manager: on leaving, all that was added is in the log.

    The log must not be held open by this process then. Raises SpoolFull, LogError, ServiceError.
    """

    def __init__(self, settings: Settings, worker: str) -> None:
        self.settings = settings
        self.worker = worker
        self.count = 0
        self._spool: Spool | None = None

    def add(self, table: str, content: dict[str, Any]) -> None:
        """One record: its columns by name; what no column takes goes into `properties`."""
        if self._spool is None:
            self._spool = Spool(self.settings.data_dir / "spool", socket.gethostname(), self.worker, SEGMENT)
        self._spool.append(frames.record(uuid7(), time.time_ns(), table, orjson.dumps(content, default=str)))
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._spool is not None:
            self._spool.close()
            if kind is None:
                load(self.settings)


def load(settings: Settings) -> None:
    """Bring what is spooled into the log, by the running service or here. Raises LogError, ServiceError."""
    service = find(settings)
    if service is not None:
        service.json("/api/flush", {}, timeout=600.0)
        return
    from proxy.log.attach import Log
    from proxy.service.assembly import make_loader

    log = Log.open(settings.log.address, settings.data_dir, settings.log.data_path, settings.sql.memory)
    try:
        loader = make_loader(log, settings)
        while loader.step(time.time_ns()).more:
            pass
        loader.close()
    finally:
        log.close()
