"""What the lane writes down when room runs out and comes back: all, then heads, then counts, and all again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.exchange import Ending
from proxy.lane.capture import Capture, Room
from proxy.spool import frames
from proxy.spool.bound import Bound
from proxy.spool.reader import SegmentReader, runs
from proxy.spool.writer import Spool

SEGMENT = 1 << 16
FACTS = b"\n".join([b"openai", b"", b"https://x", b"POST", b"/v1", b"", b"", b""])


class Desk:
    """A capture over a spool of `segments` segments at the most."""

    def __init__(self, directory: Path, segments: int) -> None:
        self.directory = directory
        self.spool = Spool(directory, "host", "w0", SEGMENT, bound=Bound(directory, segments * SEGMENT))
        self.capture = Capture(self.spool)
        self.capture.tick()
        self.count = 0

    def accept(self, *, or_refuse: bool = False, body: bytes = b"q" * 5000) -> bytes | None:
        self.count += 1
        exchange_id = self.count.to_bytes(16, "big")
        taken = self.capture.accepted(frames.accepted(exchange_id, 1, 0, FACTS, body), or_refuse=or_refuse)
        return exchange_id if taken else None

    def finish(self, exchange_id: bytes) -> None:
        payload = frames.finished(exchange_id, 0, 0, 200, 1, 2, 5000, 5000, frames.NO_HASH, frames.NO_HASH, b"\n", b"", b"a" * 5000)
        exchange = cast("Any", SimpleNamespace(exchange_id=exchange_id))
        self.capture.finished(exchange, payload, Ending.COMPLETE, "", 2)

    def until(self, room: Room) -> None:
        """Whole exchanges until that is what is left."""
        while self.capture.room is not room:
            exchange_id = self.accept()
            assert exchange_id is not None
            self.finish(exchange_id)

    def make_room(self) -> None:
        """The loader has taken what was sealed."""
        for number in runs(self.directory)[0].segments()[:-1]:
            runs(self.directory)[0].segment(number).unlink()

    def frames(self) -> list[frames.Frame]:
        found = []
        (run,) = runs(self.directory)
        for number in run.segments():
            reader = SegmentReader(run.segment(number))
            while (got := reader.next()) is not None:
                found.append(got[0])
            reader.close()
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "spool", 8)


def test_bodies_go_first(desk: Desk) -> None:
    """Where room runs out, heads and ends are still written, marked as cut; parts are not."""
    desk.until(Room.HEADS)
    exchange_id = desk.accept()
    assert exchange_id is not None
    assert desk.capture.more(exchange_id, frames.part(exchange_id, frames.RESPONSE, 1, b"gold")) is False
    desk.finish(exchange_id)
    assert desk.capture.room is Room.HEADS
    accepted, finished = [frame for frame in desk.frames() if getattr(frame, "exchange_id", None) == exchange_id]
    assert isinstance(accepted, frames.Accepted)
    assert isinstance(finished, frames.Finished)
    assert (accepted.body, finished.response_rest) == (b"", b"")
    assert accepted.flags & frames.REQUEST_TRUNCATED
    assert finished.flags & frames.RESPONSE_TRUNCATED
    assert desk.capture.shed_exchanges == 0
    assert desk.capture.shed_bytes > 10_000


def test_then_whole_exchanges_which_are_counted(desk: Desk) -> None:
    """Where nothing goes in any more, exchanges pass and are counted; the count is in the spool as soon as it can be."""
    desk.until(Room.NONE)
    unknown = [desk.accept() for _ in range(5)]
    for exchange_id in unknown:
        assert exchange_id is not None
        desk.finish(exchange_id)
    shed = desk.capture.shed_exchanges
    assert shed >= 5
    desk.make_room()
    desk.capture.tick()
    assert desk.capture.room is Room.ALL
    assert not desk.capture.full_since
    told = [frame for frame in desk.frames() if isinstance(frame, frames.Shed)]
    assert (sum(frame.exchanges for frame in told), told[-1].reason) == (shed, "spool_bound")
    exchange_id = desk.accept()
    assert exchange_id is not None
    desk.finish(exchange_id)
    assert [frame for frame in desk.frames() if getattr(frame, "exchange_id", None) == exchange_id]


def test_ends_are_owed(desk: Desk) -> None:
    """The end of an exchange that was accepted in time is written when there is room again."""
    open_ones = [desk.accept(body=b"") for _ in range(3)]
    desk.until(Room.NONE)
    for exchange_id in open_ones:
        assert exchange_id is not None
        desk.finish(exchange_id)
    desk.make_room()
    desk.capture.tick()
    ended = {frame.exchange_id for frame in desk.frames() if isinstance(frame, frames.Finished)}
    assert set(open_ones) <= ended


def test_refusing(desk: Desk) -> None:
    """Whoever refuses what cannot be logged refuses it as soon as bodies are shed, and counts nothing as accepted."""
    desk.until(Room.HEADS)
    before = desk.capture.accepted_count
    assert desk.accept(or_refuse=True) is None
    assert desk.capture.accepted_count == before
    desk.make_room()
    desk.capture.tick()
    assert desk.accept(or_refuse=True) is not None


def test_account_balances_at_every_size(tmp_path: Path) -> None:
    """However large the spool may be: accepted = spooled and ended + shed."""
    for segments in range(3, 12):
        desk = Desk(tmp_path / str(segments), segments)
        for _ in range(200):
            exchange_id = desk.accept()
            assert exchange_id is not None
            desk.finish(exchange_id)
        desk.make_room()
        desk.capture.tick()
        desk.make_room()
        assert desk.capture.accepted_count == 200 == desk.capture.endings[Ending.COMPLETE]
        assert desk.capture.counts["shed_exchanges"] == desk.capture.shed_exchanges
        desk.capture.close()
