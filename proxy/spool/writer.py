"""Appends frames to a run's segments: preallocated, memory-mapped, no system call a frame.

What is appended is in the page cache at once and outlives the process; sync() makes it outlive the machine. A full disk
shows when a segment is allocated, never as a fault in the middle of a frame.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import time
from pathlib import Path

from proxy.spool.frames import ALIGN, HEADER_SIZE, MAGIC, PREFIX, SEALED, checksum, span

_SIZE = struct.Struct("<I")


class SpoolFull(OSError):
    """No segment could be allocated; the frame was not written."""


class Segment:
    """One preallocated mapped file."""

    def __init__(self, path: Path, size: int, header: dict[str, object]) -> None:
        text = json.dumps(header).encode()
        if len(text) + 12 > HEADER_SIZE:
            raise ValueError(f"segment header of {len(text)} bytes is over {HEADER_SIZE - 12}: shorten the host name")
        partial = path.with_suffix(".new")
        self.fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self.fd, 0, size)
            self.map = mmap.mmap(self.fd, size)
        except OSError as error:
            os.close(self.fd)
            partial.unlink(missing_ok=True)
            raise SpoolFull(error.errno, f"no room for a segment of {size >> 20} MB in {path.parent}: {error.strerror}") from error
        self.map[: 12 + len(text)] = MAGIC + _SIZE.pack(len(text)) + text
        partial.rename(path)  # a reader never sees a segment without its header
        self.path = path
        self.size = size
        self.offset = HEADER_SIZE

    def close(self) -> None:
        """Let go of mapping and descriptor; the file stays for the loader."""
        self.map.close()
        os.close(self.fd)


class Spool:
    """The writing side of one run. One process, one thread."""

    def __init__(self, directory: Path, host: str, worker: str, segment_bytes: int, *, syncs: bool = False) -> None:
        """Create the run's directory and its first segment; `syncs`: descriptors() is called now and then. Raises SpoolFull."""
        self._syncs = syncs
        self._unsynced: list[int] = []
        self.segment_bytes = segment_bytes
        self.host, self.worker = host, worker
        self.run = f"{host}-{worker}-{time.time_ns():x}-{os.getpid():x}"
        self.path = directory / self.run
        self.path.mkdir(mode=0o700, parents=True)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.seq = 0
        self.number = 0
        self._next: Segment | None = None
        self._segment = self._allocate(self.segment_bytes)

    def _allocate(self, size: int) -> Segment:
        self.number += 1
        header: dict[str, object] = {
            "run": self.run,
            "host": self.host,
            "worker": self.worker,
            "segment": self.number,
            "pid": os.getpid(),
            "created_ns": time.time_ns(),
        }
        try:
            return Segment(self.path / f"{self.number:08d}.seg", size, header)
        except SpoolFull:
            self.number -= 1
            raise

    def append(self, payload: bytes) -> None:
        """Write one frame. Raises SpoolFull where it does not fit and no segment can be allocated."""
        size = len(payload)
        needed = span(size)
        segment = self._segment
        offset = segment.offset
        if offset + needed + PREFIX.size > segment.size:
            segment = self._roll(needed)
            offset = segment.offset
        seq = self.seq
        start = offset + PREFIX.size
        mapped = segment.map
        mapped[start : start + size] = payload
        PREFIX.pack_into(mapped, offset, 0, checksum(payload, seq), seq)
        _SIZE.pack_into(mapped, offset, size)  # last: from here on a reader sees the frame
        segment.offset = offset + needed
        self.seq = seq + 1

    def _roll(self, needed: int) -> Segment:
        fresh, self._next = self._next, None
        if fresh is None or HEADER_SIZE + needed + PREFIX.size > fresh.size:
            if fresh is not None:  # too small for this frame, and its number is taken: it stays as an empty, sealed segment
                _SIZE.pack_into(fresh.map, fresh.offset, SEALED)
                fresh.close()
            fresh = self._allocate(max(self.segment_bytes, -(-(HEADER_SIZE + needed + PREFIX.size) // 4096) * 4096))
        old = self._segment
        self._segment = fresh
        _SIZE.pack_into(old.map, old.offset, SEALED)
        self._retired(old)
        return fresh

    def _retired(self, segment: Segment) -> None:
        if self._syncs:
            self._unsynced.append(os.dup(segment.fd))
        segment.close()

    def prepare(self) -> None:
        """Allocate the next segment ahead of need once this one is half full, so that no request waits for it."""
        if self._next is None and self._segment.offset * 2 > self._segment.size:
            self._next = self._allocate(self.segment_bytes)

    def descriptors(self) -> list[int]:
        """Duplicates of the descriptors that hold frames not synced yet, for sync(); the caller owns them."""
        found, self._unsynced = self._unsynced, []
        return [*found, os.dup(self._segment.fd)]

    def close(self) -> None:
        """Seal the run: no frame follows. The loader deletes it when all of it is in the log."""
        _SIZE.pack_into(self._segment.map, self._segment.offset, SEALED)
        self._segment.close()
        if self._next is not None:
            _SIZE.pack_into(self._next.map, self._next.offset, SEALED)
            self._next.close()
        for descriptor in self._unsynced:
            os.close(descriptor)
        os.close(self._lock)


def sync(descriptors: list[int]) -> None:
    """Bring segments to the disk, with what was stored into their mappings, and close the descriptors. Blocks: call it in a thread."""
    try:
        for descriptor in descriptors:
            os.fdatasync(descriptor)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


assert HEADER_SIZE % ALIGN == 0
