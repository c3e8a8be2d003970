"""What a writer leaves that was killed at the worst moment: in the middle of a frame, or before it could say what it had shed."""

from __future__ import annotations

import time

from proxy.spool import frames
from proxy.spool.gauge import Gauge
from proxy.spool.writer import Spool


def die(spool: Spool) -> None:
    """Let go of the run as a killed process does: nothing is sealed."""
    segment = spool._segment
    assert segment is not None
    segment.seal = lambda: None  # type: ignore[method-assign]
    spool.close()


def test_an_unfinished_frame_was_never_there(room):
    """The frame that was being copied when the writer was killed is no damage: its exchange is lost, all else is loaded."""
    traffic = room.traffic()
    done, cut = traffic.exchange(), traffic.accept()
    segment = traffic.spool._segment
    payload = frames.finished(cut, 0, 0, 200, 1, 2, 3, 4, frames.NO_HASH, frames.NO_HASH, b"\n", b"", b"gold" * 100)
    start = segment.offset + frames.PREFIX.size
    segment.map[start : start + len(payload)] = payload
    frames.PREFIX.pack_into(segment.map, segment.offset, 0, frames.checksum(payload, traffic.spool.seq), traffic.spool.seq)
    die(traffic.spool)
    room.load()
    assert room.sql("SELECT ending FROM exchanges ORDER BY ending") == [("complete",), ("lost",)]
    assert room.sql("SELECT * FROM losses") == []
    assert room.balanced()
    assert list((room.path / "spool").iterdir()) == []
    assert done != cut


def test_a_hole_before_other_frames_is_damage(room):
    """Where whole frames follow, a frame that is not there was lost, and is counted."""
    traffic = room.traffic()
    traffic.exchange()
    segment = traffic.spool._segment
    at = segment.offset
    traffic.exchange()
    traffic.exchange()
    segment.map[at : at + 4] = bytes(4)
    die(traffic.spool)
    room.load()
    assert room.sql("SELECT kind, frames FROM losses ORDER BY kind") == [("gap", 1), ("torn", 0)]


def test_what_was_shed_and_not_said(room):
    """Exchanges shed since the last SHED frame are counted from the gauge, once, however often loading starts again."""
    traffic = room.traffic()
    traffic.exchange()
    traffic.spool.append(frames.shed(time.time_ns(), 2, 200, "disk_full"))
    gauge = Gauge(traffic.spool.path)
    gauge.write({"at": time.time(), "shed_exchanges": 5, "shed_bytes": 700, "shed_why": "disk_full"})
    gauge.close()
    room.load()
    room.restart()
    die(traffic.spool)
    room.load()
    room.restart()
    room.load()
    assert room.sql("SELECT exchanges, bytes, reason FROM shed ORDER BY exchanges") == [
        (2, 200, "disk_full"),
        (3, 500, "disk_full, and the worker died"),
    ]
    assert room.one("SELECT sum(accepted), sum(complete), sum(lost), sum(shed) FROM ledger") == (6, 1, 5, 5)
