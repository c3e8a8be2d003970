"""A log in a temporary directory, a spool to write exchanges to, and a loader between them."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.exchange import Captured, Ending, Reading, Usage
from proxy.log.attach import Log
from proxy.log.ingest import Loader, Unpriced
from proxy.log.redaction import Redactor
from proxy.spool import frames
from proxy.spool.writer import Spool

DAY_NS = 86_400_000_000_000
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2
"""2024-10-04 12:00 UTC."""


def new_id(at_ns: int = 0) -> bytes:
    """A UUIDv7."""
    at_ms = (at_ns or time.time_ns()) // 1_000_000
    rest = os.urandom(10)
    return at_ms.to_bytes(6, "big") + bytes([0x70 | rest[0] & 15, rest[1], 0x80 | rest[2] & 63]) + rest[3:]


@dataclass
class Traffic:
    """Writes exchanges to a spool as a lane does."""

    spool: Spool

    def accept(
        self,
        body: bytes = b'{"model":"m"}',
        at_ns: int = NOON_NS,
        headers: tuple[tuple[str, str], ...] = (),
        url_metadata: str = "",
        flags: int = 0,
        upstream: str = "openai",
    ) -> bytes:
        exchange_id = new_id(at_ns)
        facts = (upstream, "", "https://api.openai.com", "POST", "/v1/chat/completions", "", "k1", url_metadata)
        text = "\n".join(facts).encode() + (b"\n" + frames.header_lines(headers) if headers else b"")
        self.spool.append(frames.accepted(exchange_id, at_ns, flags, text, body))
        return exchange_id

    def part(self, exchange_id: bytes, data: bytes, direction: int = frames.RESPONSE, after_ns: int = 5_000_000) -> None:
        self.spool.append(frames.part(exchange_id, direction, after_ns, data))

    def answer(self, exchange_id: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.spool.append(frames.answered(exchange_id, status, frames.header_lines(headers)))

    def finish(
        self,
        exchange_id: bytes,
        response: bytes = b'{"ok":true}',
        ending: Ending = Ending.COMPLETE,
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (),
        request_bytes: int = 13,
        response_bytes: int | None = None,
        flags: int = 0,
        error: tuple[str, str] = ("", ""),
        request_rest: bytes = b"",
    ) -> None:
        text = "\n".join(error).encode() + (b"\n" + frames.header_lines(headers) if headers else b"")
        passed = len(response) if response_bytes is None else response_bytes
        self.spool.append(
            frames.finished(
                exchange_id, frames.ENDING_CODES[ending], flags, status, 7_000_000, 9_000_000, request_bytes, passed,
                frames.NO_HASH, frames.NO_HASH, text, request_rest, response,
            )
        )  # fmt: skip

    def exchange(self, at_ns: int = NOON_NS, **said: Any) -> bytes:
        exchange_id = self.accept(at_ns=at_ns)
        self.finish(exchange_id, **said)
        return exchange_id


def read_model(captured: Captured) -> Reading:
    """A reader of a dialect of our own: `m` in, `ok` out, and one token each."""
    return Reading(dialect="test", request_model="m", usage=Usage(input_tokens=1, output_tokens=1), output_text="ok")


def unpriced(*_: Any) -> Unpriced:
    return Unpriced("no price in this test")


@dataclass
class Room:
    """One data directory with its log and its spool."""

    path: Path
    log: Log
    loader: Loader
    segment_bytes: int = 1 << 16

    def traffic(self, worker: str = "w0", segment_bytes: int | None = None) -> Traffic:
        return Traffic(Spool(self.path / "spool", "host", worker, segment_bytes or self.segment_bytes))

    def load(self) -> int:
        """All that is spooled; the number of rows."""
        rows = 0
        while True:
            loaded = self.loader.step(time.time_ns())
            assert loaded.failures == ()
            rows += loaded.rows
            if not loaded.more:
                return rows

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.log.cursor()
        try:
            return cursor.execute(query, list(values)).fetchall()
        finally:
            cursor.close()

    def one(self, query: str, *values: Any) -> Any:
        (row,) = self.sql(query, *values)
        return row[0] if len(row) == 1 else row

    def restart(self, **bounds: int) -> None:
        """The loader dies and another takes up, with nothing in memory."""
        self.loader.close()
        self.loader = self.new_loader(**bounds)

    def new_loader(self, **bounds: int) -> Loader:
        return Loader(self.log, self.path / "spool", read_model, unpriced, Redactor(), **bounds)

    def segments(self) -> list[str]:
        return sorted(path.name for path in (self.path / "spool").glob("*/*.seg"))

    def balanced(self) -> bool:
        """Each accepted exchange is one row, and none is open."""
        (row,) = self.sql("SELECT sum(accepted), sum(complete + partial + client_gone + upstream_error + lost) FROM ledger")
        count, distinct = self.one("SELECT count(*), count(DISTINCT exchange_id) FROM exchanges")
        return row[0] == row[1] == count == distinct


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    log = Log.open("goldwash.duckdb", tmp_path)
    room = Room(tmp_path, log, None)  # type: ignore[arg-type]
    room.loader = room.new_loader()
    yield room
    room.loader.close()
    log.close()


@pytest.fixture
def numbered() -> Callable[[], int]:
    return itertools.count().__next__
