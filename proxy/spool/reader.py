"""Reads segments that another process may still be writing: every whole frame once, in order, and nothing else."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.spool.frames import HEADER_SIZE, MAGIC, PREFIX, SEALED, Frame, FrameError, checksum, decode, span


@dataclass(frozen=True, slots=True)
class Run:
    """One life of one writer: a directory of numbered segments and a lock that the writer holds while it lives."""

    path: Path

    @property
    def name(self) -> str:
        """`host-worker-start`, unique for ever."""
        return self.path.name

    def segments(self) -> list[int]:
        """Numbers of the segments on disk, in order."""
        return sorted(int(entry.name[:-4]) for entry in os.scandir(self.path) if entry.name.endswith(".seg") and entry.name[:-4].isdigit())

    def segment(self, number: int) -> Path:
        """Where a segment lies."""
        return self.path / f"{number:08d}.seg"

    def alive(self) -> bool:
        """Whether the writer still holds its lock. A directory without a lock file has no writer."""
        try:
            with (self.path / "lock").open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return True
                return False
        except FileNotFoundError:
            return False


def runs(spool: Path) -> list[Run]:
    """All runs under the spool directory, oldest first by name within each writer."""
    try:
        return [Run(Path(entry.path)) for entry in sorted(os.scandir(spool), key=lambda e: e.name) if entry.is_dir()]
    except FileNotFoundError:
        return []


class SegmentReader:
    """One segment, read from `offset` on (0 = its first frame).

    `next()` gives (frame, seq, end offset) or None where nothing more is there yet; then `sealed` says whether the writer
    has gone on to the next segment. Raises FrameError for a header or frame that is not of this format.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.sealed = False
        with path.open("rb") as file:
            self._size = os.fstat(file.fileno()).st_size
            if self._size < HEADER_SIZE:
                raise FrameError(f"{path.name}: {self._size} bytes are too few for a segment")
            self._map = mmap.mmap(file.fileno(), self._size, prot=mmap.PROT_READ)
        try:
            self.header = self._header()
        except FrameError:
            self._map.close()
            raise
        self.offset = max(offset, HEADER_SIZE)

    def _header(self) -> dict[str, Any]:
        if self._map[:8] != MAGIC:
            raise FrameError(f"{self.path.name}: no segment of this version (it begins with {self._map[:8]!r})")
        length = int.from_bytes(self._map[8:12], "little")
        try:
            header = json.loads(self._map[12 : 12 + length])
        except ValueError as error:
            raise FrameError(f"{self.path.name}: its header cannot be read: {error}") from error
        if not isinstance(header, dict):
            raise FrameError(f"{self.path.name}: its header is {type(header).__name__}, not an object")
        return header

    def next(self) -> tuple[Frame, int, int] | None:
        """The next whole frame, its number in the run, and the offset behind it."""
        raw = self.next_raw()
        return None if raw is None else (decode(raw[0]), raw[1], raw[2])

    def next_raw(self) -> tuple[bytes, int, int] | None:
        """As next(), with the payload undecoded."""
        offset = self.offset
        if offset + PREFIX.size > self._size:
            self.sealed = True
            return None
        size, crc, seq = PREFIX.unpack_from(self._map, offset)
        if size == 0:
            return None
        if size == SEALED:
            self.sealed = True
            return None
        start = offset + PREFIX.size
        if start + size > self._size:
            raise FrameError(f"{self.path.name}: the frame at {offset} says {size} bytes and the segment ends before that")
        payload = self._map[start : start + size]
        if checksum(payload, seq) != crc:
            raise FrameError(f"{self.path.name}: the frame at {offset} fails its checksum")
        self.offset = offset + span(size)
        return payload, seq, self.offset

    def close(self) -> None:
        """Let go of the mapping."""
        self._map.close()
