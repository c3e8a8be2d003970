"""A run on a disk that fills up: what is written is whole, what does not fit is refused, and the reserve is there for what must fit."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import stat
from pathlib import Path

import pytest

from proxy.spool import frames
from proxy.spool.bound import Bound, SpoolFull, usage
from proxy.spool.reader import SegmentReader, runs
from proxy.spool.writer import LAST_SEGMENT, Spool, sync

SEGMENT = 1 << 16


def record(size: int) -> bytes:
    return frames.record(bytes(16), 1, "feedback", b"x" * size)


def fill(spool: Spool, size: int, *, last_room: bool = False) -> int:
    """Append records until there is no room; how many there were."""
    written = 0
    with contextlib.suppress(SpoolFull):
        while True:
            spool.append(record(size), last_room=last_room)
            written += 1
    return written


def read(directory: Path) -> list[tuple[int, int]]:
    """(seq, size of the JSON) of every frame of the one run, in order."""
    (run,) = runs(directory)
    found = []
    for number in run.segments():
        reader = SegmentReader(run.segment(number))
        while (got := reader.next()) is not None:
            frame, seq, _ = got
            assert isinstance(frame, frames.Record)
            found.append((seq, len(frame.json)))
        reader.close()
    return found


def test_frames_come_back_in_order_over_segments(tmp_path: Path):
    """Frames of all sizes, one larger than a segment among them, are read as they were written, under numbers without a gap."""
    spool = Spool(tmp_path, "host", "w0", SEGMENT)
    sizes = [10, SEGMENT // 2, SEGMENT // 2, 3 * SEGMENT, 7, SEGMENT // 2, SEGMENT // 2, 1]
    for size in sizes:
        spool.append(record(size))
        spool.prepare()
    spool.close()
    assert read(tmp_path) == list(enumerate(sizes))
    assert {path.suffix for path in (tmp_path / spool.run).iterdir()} == {"", ".seg"}


def test_files_are_nobody_elses(tmp_path: Path):
    """The run is 0700 and its files, the reserve among them, are 0600."""
    spool = Spool(tmp_path, "host", "w0", SEGMENT)
    spool.prepare(ahead=True)
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in spool.path.iterdir()} == {0o600}
    spool.close()


def test_bound_and_reserve(tmp_path: Path):
    """At the bound nothing goes on but what may use the last room; then nothing at all; and all again when there is room."""
    spool = Spool(tmp_path, "host", "w0", SEGMENT, bound=Bound(tmp_path, 6 * SEGMENT))
    spool.prepare()
    written = fill(spool, 1000)
    with pytest.raises(SpoolFull, match="max_gb") as full:
        spool.append(record(1000))
    assert full.value.errno == errno.EDQUOT
    in_reserve = fill(spool, 1000, last_room=True)
    assert in_reserve >= SEGMENT // 1100
    assert usage(tmp_path) <= 6 * SEGMENT
    with pytest.raises(SpoolFull):
        spool.prepare()
    for number in (1, 2, 3, 4):
        (spool.path / f"{number:08d}.seg").unlink(missing_ok=True)
    spool.prepare(ahead=True)
    spool.append(record(1000))
    spool.close()
    assert read(tmp_path)[-1] == (written + in_reserve, 1000)


def test_last_segments_are_small(tmp_path: Path):
    """Where no whole segment fits, frames that must be written get a small one."""
    spool = Spool(tmp_path, "host", "w0", 8 * LAST_SEGMENT, bound=Bound(tmp_path, 18 * LAST_SEGMENT))
    spool.prepare()
    fill(spool, 100_000)
    before = spool.number
    while spool.number < before + 2:
        spool.append(record(100_000), last_room=True)
    assert (spool.path / f"{spool.number:08d}.seg").stat().st_size == LAST_SEGMENT
    spool.close()


def test_full_from_the_start(tmp_path: Path):
    """Where there is no room for a run, making one raises nothing; appending does, until there is room."""
    directory = tmp_path / "spool"
    directory.write_text("in the way")
    spool = Spool(directory, "host", "w0", SEGMENT)
    for _ in range(2):
        with pytest.raises(SpoolFull):
            spool.append(record(1))
        with pytest.raises(SpoolFull):
            spool.prepare()
    directory.unlink()
    spool.append(record(1))
    spool.close()
    assert read(directory) == [(0, 1)]


def test_syncing_takes_directories_along(tmp_path: Path):
    """After a new segment was begun the next sync covers the directory too: a file without a name is lost with its bytes."""
    spool = Spool(tmp_path, "host", "w0", SEGMENT, syncs=True)

    def synced() -> list[bool]:
        descriptors = spool.descriptors()
        kinds = [stat.S_ISDIR(os.fstat(descriptor).st_mode) for descriptor in descriptors]
        sync(descriptors)
        return kinds

    assert synced() == [False, True]
    assert synced() == [False]
    spool.append(record(SEGMENT // 2))
    spool.append(record(SEGMENT // 2))
    assert synced() == [False, False, True]
    spool.close()


@pytest.mark.parametrize("pieces", [[b"a" * 3, b"b" * 5], [b"c" * 20_000, b"", b"d" * 30_001], [b"e" * 50] * 2_000])
def test_what_is_written_apart_reads_as_one(tmp_path: Path, pieces: list[bytes]):
    """Small and large rests, and more of them than one system call takes, between frames that are stored."""
    spool = Spool(tmp_path, "host", "w0", 1 << 20)
    spool.append(record(10))
    spool.append(frames.part(bytes(16), frames.RESPONSE, 1), pieces)
    spool.append(record(20))
    spool.close()
    (run,) = runs(tmp_path)
    reader = SegmentReader(run.segment(1))
    found = [got[0] for got in iter(reader.next, None)]
    reader.close()
    assert [type(frame) for frame in found] == [frames.Record, frames.Part, frames.Record]
    assert found[1].data == b"".join(pieces)


def test_a_disk_that_takes_no_large_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Copy-on-write disks may lack room although it was allocated: the frame is refused, nothing of it is seen, and nothing of it is taken for the next."""
    spool = Spool(tmp_path, "host", "w0", 1 << 20)
    whole = os.pwritev

    def half(fd: int, pieces: list[bytes], offset: int) -> int:
        whole(fd, [b"".join(pieces)[:50_000]], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", half)
        with pytest.raises(SpoolFull, match="No space left"):
            spool.append(frames.part(bytes(16), frames.RESPONSE, 1), [b"x" * 100_000])
    spool.append(record(7))
    spool.append(record(8))
    spool.close()
    assert read(tmp_path) == [(0, 7), (1, 8)]


def test_a_write_that_stops_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the kernel left over is written too."""
    whole = os.pwritev
    spool = Spool(tmp_path, "host", "w0", 1 << 20)
    monkeypatch.setattr(os, "pwritev", lambda fd, pieces, offset: whole(fd, [b"".join(pieces)[:100]], offset))
    spool.append(frames.part(bytes(16), frames.RESPONSE, 1), [b"x" * 50_000, b"y" * 50_000])
    spool.close()
    (run,) = runs(tmp_path)
    reader = SegmentReader(run.segment(1))
    got = reader.next()
    reader.close()
    assert got is not None
    assert got[0].data == b"x" * 50_000 + b"y" * 50_000


def test_frames_of_all_sizes_beside_each_other_come_back(tmp_path: Path):
    """Pages are made ahead of small frames and by large ones: neither writes over what the other left, up to a segment's last byte."""
    spool = Spool(tmp_path, "host", "w0", 1 << 20)
    chance = random.Random(7)
    written = []
    for number in range(300):
        size = chance.choice((1, 50, 4096, 16_000, 40_000, 262_144, 300_000))
        data = b"%06d" % number + chance.randbytes(size)
        apart = chance.random() < 0.5
        payload = frames.record(bytes(16), 1, "feedback", b"" if apart else data)
        spool.append(payload, [data] if apart else ())
        written.append(data)
    spool.close()
    (run,) = runs(tmp_path)
    found = []
    for number in run.segments():
        reader = SegmentReader(run.segment(number))
        while (got := reader.next()) is not None:
            assert isinstance(got[0], frames.Record)
            found.append(got[0].json)
        reader.close()
    assert found == written
