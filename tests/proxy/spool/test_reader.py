"""Segments read while they are written: whole frames, once, in order, and a sentence for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.spool import frames
from proxy.spool.frames import FrameError
from proxy.spool.reader import SegmentReader, runs
from proxy.spool.writer import Spool


def test_reads_what_has_been_written_so_far(tmp_path: Path):
    """A reader sees each frame as soon as it is appended, knows the end of a segment, and can take up at an offset."""
    spool = Spool(tmp_path, "host", "w0", 1 << 16)
    (run,) = runs(tmp_path)
    reader = SegmentReader(run.segment(1))
    assert reader.header["worker"] == "w0"
    assert reader.next() is None
    ends = []
    for number in range(3):
        spool.append(frames.part(bytes(16), frames.RESPONSE, number, b"gold"))
        got = reader.next()
        assert got is not None
        frame, seq, end = got
        assert isinstance(frame, frames.Part)
        assert (frame.after_ns, seq) == (number, number)
        ends.append(end)
    assert not reader.sealed
    again = SegmentReader(run.segment(1), ends[1])
    assert [again.next_raw() is not None, again.next_raw()] == [True, None]
    again.close()
    assert run.alive()
    spool.close()
    assert (reader.next(), reader.sealed, run.alive()) == (None, True, False)
    reader.close()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_never_passes_for_a_frame(data, tmp_path_factory: pytest.TempPathFactory):
    """Whatever is overwritten: frames before it come as they were, and no frame comes that was not written."""
    directory = tmp_path_factory.mktemp("spool")
    spool = Spool(directory, "host", "w0", 1 << 12)
    written = [frames.part(bytes(16), frames.RESPONSE, number, bytes([number]) * (7 * number)) for number in range(1, 6)]
    for payload in written:
        spool.append(payload)
    spool.close()
    (run,) = runs(directory)
    path = run.segment(1)
    image = bytearray(path.read_bytes())
    at = data.draw(st.integers(frames.HEADER_SIZE, frames.HEADER_SIZE + 300))
    noise = data.draw(st.binary(min_size=1, max_size=40))
    image[at : at + len(noise)] = noise
    path.write_bytes(image)
    reader = SegmentReader(path)
    seen = []
    try:
        while (raw := reader.next_raw()) is not None:
            seen.append(raw[0])
    except FrameError as error:
        assert path.name in str(error)
    finally:
        reader.close()
    assert seen == written[: len(seen)]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 4096])
def test_no_segment(tmp_path: Path, content: bytes):
    """A file that is none is named."""
    path = tmp_path / "00000001.seg"
    path.write_bytes(content)
    with pytest.raises(FrameError, match=r"00000001\.seg"):
        SegmentReader(path)


def test_a_header_that_was_hit(tmp_path: Path):
    """A header that is no JSON any more is a damaged segment like any other."""
    spool = Spool(tmp_path, "host", "w0", 1 << 12)
    spool.close()
    (run,) = runs(tmp_path)
    image = bytearray(run.segment(1).read_bytes())
    image[12:20] = b"\xff" * 8
    run.segment(1).write_bytes(image)
    with pytest.raises(FrameError):
        SegmentReader(run.segment(1))
