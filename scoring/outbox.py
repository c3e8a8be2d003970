"""Writes what scoring found through the spool, the moment it is found: a killed run loses nothing, and a repeated one adds nothing.

A record's id is made from what it is about, and the log takes an id once: whoever says the same again changes nothing.
"""

from __future__ import annotations

import socket
import time
from hashlib import sha256
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import orjson

from config.settings import Settings
from proxy.commands.submission import load
from proxy.service.client import ServiceError
from proxy.spool import frames
from proxy.spool.writer import Spool

SEGMENT: Final = 8 << 20
BEHIND: Final = 503
"""Status by which the service says that it could not load everything in the time that a flush may take."""
PATIENCE: Final = 30
"""Such answers, of two minutes each, that are waited through: a large day is many rows."""
_TIME: Final = (1 << 48) - 1


def record_id(*about: object, like: str | None = None) -> bytes:
    """16 bytes in the form of a UUIDv7: the time of the exchange `like` where it is given, the rest a hash of what it is about."""
    digest = int.from_bytes(sha256(repr((*about, like)).encode("utf-8", "replace")).digest()[:16], "big")
    try:
        stamp = UUID(like).int >> 80 if like else digest >> 80
    except ValueError:  # a trace has an id of its own form
        stamp = digest >> 80
    value = (stamp & _TIME) << 80 | 0x7 << 76 | (digest >> 64 & 0xFFF) << 64 | 0b10 << 62 | digest & (1 << 62) - 1
    return value.to_bytes(16, "big")


def packed(name: str, content: dict[str, Any], identity: bytes) -> bytes:
    """A record as the payload of a frame, dated now; can be made in one process and appended in another."""
    return frames.record(identity, time.time_ns(), name, orjson.dumps(content, default=str))


class Outbox:
    """A run of the spool for one process. A context manager; what was added is spooled at once and in the log after `deliver`.

    Raises SpoolFull, LogError, ServiceError.
    """

    def __init__(self, settings: Settings, worker: str = "score") -> None:
        self.settings = settings
        self.worker = worker
        self.count = 0
        self._spool: Spool | None = None

    def add(self, table: str, content: dict[str, Any], identity: bytes) -> str:
        """One record; returns its id as the log shows it. Columns by name; what no column takes goes into `properties`."""
        self.append(packed(table, content, identity))
        return str(UUID(bytes=identity))

    def append(self, payload: bytes) -> None:
        """One record that is packed already."""
        if self._spool is None:
            host = "".join(c if c.isalnum() or c in ".-" else "-" for c in socket.gethostname())[:80] or "host"
            self._spool = Spool(self.settings.data_dir / "spool", host, self.worker, SEGMENT)
        self._spool.append(payload)
        self.count += 1

    def deliver(self) -> None:
        """Wait until all that was added is in the log. No reader of the log may be open in this process where no service runs."""
        self.close()
        for patience in range(PATIENCE, -1, -1):
            try:
                load(self.settings)
            except ServiceError as error:
                if error.status != BEHIND or not patience:
                    raise
            else:
                return

    def close(self) -> None:
        """Seal the run: the loader takes it when it comes by."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
