"""Segments as the loader holds them: read on from an offset, look back at a frame, find the next whole frame behind damage, carry over."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from proxy.spool.frames import ACCEPTED, ANSWERED, HEADER_SIZE, MAGIC, PREFIX, SEALED, checksum, span
from proxy.spool.reader import SegmentReader

_SOMETHING: Final = re.compile(rb"[^\0]")
_AHEAD: Final = 1 << 24  # frames; a seq further ahead than this is noise that looks like a frame


class Held(SegmentReader):
    """A segment that stays mapped while frames of open exchanges are in it."""

    def payload(self, start: int, size: int) -> bytes:
        """A payload read before, at its place."""
        return self._map[start : start + size]

    def begun(self) -> bool:
        """Whether a frame was ever written here."""
        return self._map[HEADER_SIZE : HEADER_SIZE + 4] not in (b"\0\0\0\0", SEALED.to_bytes(4, "little"))

    def written_behind(self) -> int | None:
        """The first place from the current offset on where anything is written, aligned; None = only zeros follow."""
        found = _SOMETHING.search(self._map, self.offset)
        return found.start() & -8 if found else None

    def skip_rest(self) -> int:
        """Give up what follows, and say how many bytes that are."""
        size = self._size - self.offset
        self.offset = self._size
        self.sealed = True
        return size

    def resynchronise(self, above: int) -> int | None:
        """Move to the next whole frame whose seq is `above` at least, and give the bytes skipped; None = there is none."""
        start = self.offset
        words = memoryview(self._map[start : start + (self._size - start & -8)]).cast("Q")
        limit = above + _AHEAD
        for index in range(len(words) - 1):
            if not above <= words[index + 1] < limit:
                continue
            size, crc = words[index] & 0xFFFFFFFF, words[index] >> 32
            offset = start + index * 8
            if not size or offset + PREFIX.size + size > self._size:
                continue
            payload = self._map[offset + PREFIX.size : offset + PREFIX.size + size]
            if ACCEPTED <= payload[0] <= ANSWERED and checksum(payload, words[index + 1]) == crc:
                self.offset = offset
                return offset - start
        return None


def carry_path(run: Path, upto: int) -> Path:
    """Where the frames of open exchanges from all segments up to `upto` are carried over to."""
    return run / f"carry-{upto:08d}.seg"


def write_carry(run: Path, upto: int, header: dict[str, object], frames: Iterable[tuple[int, bytes]]) -> Path:
    """Write (seq, payload) frames as a segment file of their own, on disk when this returns."""
    path = carry_path(run, upto)
    partial = path.with_suffix(".new")
    text = json.dumps(header).encode()
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write((MAGIC + len(text).to_bytes(4, "little") + text).ljust(HEADER_SIZE, b"\0"))
        file.writelines(_framed(seq, payload) for seq, payload in frames)
        file.write(PREFIX.pack(SEALED, 0, 0))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    directory = os.open(run, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path


def _framed(seq: int, payload: bytes) -> bytes:
    return (PREFIX.pack(len(payload), checksum(payload, seq), seq) + payload).ljust(span(len(payload)), b"\0")


def keep_aside(segment: Path) -> Path:
    """Keep a damaged segment for a person to look at: beside the runs, where no loading touches it."""
    kept = segment.parent.parent / f"{segment.parent.name}.{segment.stem}.torn"
    if not kept.exists():
        try:
            os.link(segment, kept)
        except OSError:  # a file system without links
            shutil.copyfile(segment, kept)
            kept.chmod(0o600)
    return kept
