"""Damage in the spool: what can be found behind it is found, the rest is counted, and other runs never wait."""

from __future__ import annotations

import uuid
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.log.segments import Held, carry_path, write_carry
from proxy.spool import frames
from proxy.spool.writer import Spool


def test_a_segment_without_its_header_is_passed(room):
    """A first page that is gone costs its segment: the rest of the run is loaded, and the missing frames are told by their number."""
    traffic, other = room.traffic(segment_bytes=1 << 13), room.traffic("w1")
    for _ in range(40):
        traffic.exchange(response=b"x" * 300)
    other.exchange()
    with traffic.spool.path.joinpath("00000002.seg").open("r+b") as file:
        file.write(bytes(4096))
    traffic.spool.close()
    rows = room.load()
    assert 20 < rows < 42
    kinds = dict(room.sql("SELECT kind, frames FROM losses ORDER BY frames NULLS FIRST"))
    assert kinds["torn"] is None
    assert kinds["gap"] > 0
    assert len(list((room.path / "spool").glob("*00000002.torn"))) == 1
    room.restart()
    assert room.load() == 0


def test_a_restart_goes_over_damage_it_has_counted(room):
    """Damage in a segment that an open exchange still holds is counted once, however often the loader starts again."""
    traffic = room.traffic()
    flying = traffic.accept()
    at = traffic.spool._segment.offset
    traffic.exchange()
    traffic.exchange()
    traffic.spool._segment.map[at + 20] ^= 255
    room.load()
    counted = room.sql("SELECT kind FROM losses")
    for _ in range(2):
        room.restart()
        assert room.load() == 0
    assert room.sql("SELECT kind FROM losses") == counted
    traffic.finish(flying)
    assert room.load() == 1
    assert room.sql("SELECT provider FROM exchanges WHERE exchange_id = ?", str(uuid.UUID(bytes=flying))) == [("openai",)]


def test_a_carry_file_reads_like_a_segment(tmp_path: Path):
    """Frames keep their payload and their number."""
    written = [(3, b"\2" + bytes(40)), (9, b"\1" + b"x" * 100)]
    assert write_carry(tmp_path, 7, {"run": "r"}, written) == carry_path(tmp_path, 7)
    held = Held(carry_path(tmp_path, 7))
    read = []
    while (raw := held.next_raw()) is not None:
        read.append((raw[1], raw[0]))
    assert read == written
    assert held.sealed
    assert carry_path(tmp_path, 7).stat().st_mode & 0o777 == 0o600


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.lists(st.tuples(st.integers(512, 6000), st.binary(min_size=1, max_size=40)), min_size=1, max_size=4))
def test_random_damage_never_stops_a_run(room, damage):
    """Whatever bytes are overwritten: no exchange is doubled, every one accepted that could be read is a row, and the run ends."""
    before = room.one("SELECT count(*) FROM exchanges")
    traffic = room.traffic()
    for _ in range(8):
        traffic.exchange(response=b"y" * 200)
    path = traffic.spool._segment.path
    traffic.spool.close()
    with path.open("r+b") as file:
        for at, data in damage:
            file.seek(at)
            file.write(data)
    room.load()
    assert not traffic.spool.path.exists()
    assert room.balanced()
    assert room.one("SELECT count(*) FROM exchanges") - before <= 8 + sum(len(data) for _, data in damage)


def test_a_frame_of_another_place_does_not_pass(tmp_path: Path):
    """Finding the way behind damage takes only frames whose number and checksum fit."""
    spool = Spool(tmp_path, "h", "w", 1 << 14)
    payload = frames.part(bytes(16), 0, 0, b"z" * 50)
    for _ in range(3):
        spool.append(payload)
    held = Held(spool._segment.path)
    held.next_raw()
    spool._segment.map[held.offset + 18] ^= 1
    assert held.resynchronise(1) == frames.span(len(payload))
    assert held.next_raw() == (payload, 2, held.offset)
    assert held.resynchronise(99) is None
    spool.close()
