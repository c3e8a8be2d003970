"""Appends frames to a run's segments: preallocated, memory-mapped, no system call a frame but for large ones.

What is appended is in the page cache at once and outlives the process; sync() makes it outlive the machine. A full disk
shows when a segment is allocated, never as a fault in the middle of a frame.

One segment is held in reserve, for frames that must be written when no other room is left (`last_room`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import stat
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from proxy.spool.bound import Bound, SpoolFull
from proxy.spool.frames import ALIGN, HEADER_SIZE, MAGIC, PREFIX, SEALED, checksum, span

LAST_SEGMENT: Final = 1 << 20
"""Bytes of a segment for frames without bodies, where there is no room for a whole one."""
_PAGE: Final = 4096
_SIZE: Final = struct.Struct("<I")
_LARGE: Final = 16_384
"""Bytes from which system calls cost less than the faults on the pages that a store fills."""
_FRESH: Final = 262_144
"""Bytes of a segment that get their pages at once, by a system call: half the cost of as many faults, one at a time."""
_ZEROS: Final = bytes(_FRESH)
_MOST_PIECES: Final = 512
"""Of one system call (IOV_MAX is 1,024)."""


class Segment:
    """One preallocated mapped file. It has no name that a reader looks at before its turn comes: see begin."""

    def __init__(self, path: Path, size: int) -> None:
        """Allocate `size` bytes under a provisional name. Raises SpoolFull."""
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(self.fd, 0, size)
                self.map = mmap.mmap(self.fd, size)
            except OSError:
                os.close(self.fd)
                path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise SpoolFull(error.errno, f"no room for a segment of {size >> 20} MB in {path.parent}: {error.strerror}") from error
        self.path = path
        self.size = size
        self.offset = HEADER_SIZE
        self.paged = 0  # bytes from the start that have their pages, at least
        self.page()

    def begin(self, path: Path, header: dict[str, object]) -> None:
        """Write the header and take the name: from here on readers see it. Raises OSError."""
        text = json.dumps(header).encode()
        if len(text) + 12 > HEADER_SIZE:
            raise ValueError(f"segment header of {len(text)} bytes is over {HEADER_SIZE - 12}: shorten the host name")
        self.map[: 12 + len(text)] = MAGIC + _SIZE.pack(len(text)) + text
        self.path.rename(path)
        self.path = path

    def page(self) -> None:
        """Give the next bytes their pages. It may fail where a store would not: nothing depends on it."""
        with contextlib.suppress(OSError):
            os.pwrite(self.fd, _ZEROS[: self.size - self.paged], self.paged)
        self.paged += _FRESH

    def write(self, offset: int, frame: Sequence[bytes], size: int) -> None:
        """Put a frame there, its `size` last, by system calls: cheaper for a large one than the faults on the pages that it fills.

        The mapping shows it at once. Raises SpoolFull where the disk does not take it: file systems that copy on write may lack room
        although it was allocated.
        """
        if len(frame) > _MOST_PIECES:
            frame = (b"".join(frame),)
        try:
            done, whole = os.pwritev(self.fd, frame, offset), PREFIX.size + size
            while done < whole:  # a signal, or a limit of the kernel's
                done += os.pwrite(self.fd, b"".join(frame)[done:], offset + done)
            os.pwrite(self.fd, _SIZE.pack(size), offset)
            self.paged = max(self.paged, offset + whole)
        except OSError as error:
            self.size = self.offset  # what was written of it must not be taken for what follows: the segment ends here
            raise SpoolFull(error.errno, f"a frame of {size} bytes could not be written to {self.path}: {error.strerror}") from error

    def seal(self) -> None:
        """Say that no frame follows here."""
        _SIZE.pack_into(self.map, self.offset, SEALED)

    def close(self) -> None:
        """Let go of mapping and descriptor; the file stays for the loader."""
        self.map.close()
        os.close(self.fd)

    def discard(self) -> None:
        """Give back what was never begun."""
        self.close()
        self.path.unlink(missing_ok=True)


class Spool:
    """The writing side of one run. One process, one thread.

    A disk that is full stops nothing: the run is then made as soon as there is room, by prepare() or append().
    """

    def __init__(
        self, directory: Path, host: str, worker: str, segment_bytes: int, *, syncs: bool = False, bound: Bound | None = None
    ) -> None:
        """segment_bytes: of a segment, and of the reserve. syncs: descriptors() is called now and then. bound: of all runs together."""
        self.segment_bytes = segment_bytes
        self.host, self.worker = host, worker
        self.run = f"{host}-{worker}-{time.time_ns():x}-{os.getpid():x}"
        self.path = directory / self.run
        self.seq = 0
        self.number = 0
        self._syncs, self._bound = syncs, bound
        self._unsynced: list[int] = []
        self._directory_unsynced = False
        self._lock = -1
        self._segment: Segment | None = None
        self._next: Segment | None = None
        self._reserve: Segment | None = None
        with contextlib.suppress(SpoolFull):
            self._segment = self._begin(self._allocate("next", segment_bytes))

    def append(self, payload: bytes, pieces: Sequence[bytes] = (), *, last_room: bool = False) -> None:
        """Write one frame; `last_room`: the reserve may be used for it. Raises SpoolFull where there is no room.

        `pieces` are the rest of the payload where it is large: they are copied once, to where they stay.
        """
        size = len(payload)
        for piece in pieces:
            size += len(piece)
        if pieces and size < _LARGE:
            payload, pieces = b"".join((payload, *pieces)), ()
        needed = span(size)
        segment = self._segment
        if segment is None or segment.offset + needed + PREFIX.size > segment.size:
            segment = self._roll(needed, last_room=last_room)
        offset = segment.offset
        seq = self.seq
        crc = checksum(payload, seq)
        if pieces:
            for piece in pieces:
                crc = checksum(piece, crc)  # CRC-32 goes on from what came before
            segment.write(offset, (PREFIX.pack(0, crc, seq), payload, *pieces), size)
        else:
            start = offset + PREFIX.size
            while segment.paged < start + size:
                segment.page()
            mapped = segment.map
            mapped[start : start + size] = payload
            PREFIX.pack_into(mapped, offset, 0, crc, seq)
            _SIZE.pack_into(mapped, offset, size)  # last: from here on a reader sees the frame
        segment.offset = offset + needed
        self.seq = seq + 1

    def prepare(self, *, ahead: bool = False) -> None:
        """Allocate the reserve and, once this segment is half full (`ahead`: in any case), the next, so that no request waits for it.

        Raises SpoolFull.
        """
        if self._segment is None:
            self._segment = self._begin(self._allocate("next", self.segment_bytes))
        if self._reserve is None:
            self._reserve = self._allocate("reserve", self.segment_bytes)
        if self._next is None and (ahead or self._segment.offset * 2 > self._segment.size):
            self._next = self._allocate("next", self.segment_bytes)

    def descriptors(self) -> list[int]:
        """Duplicates of the descriptors that hold frames not synced yet, for sync(); the caller owns them."""
        found, self._unsynced = self._unsynced, []
        if self._segment is not None:
            found.append(os.dup(self._segment.fd))
        if self._directory_unsynced:  # a name that is not on the disk takes its file with it
            self._directory_unsynced = False
            found.append(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))
        return found

    def close(self) -> None:
        """Seal the run: no frame follows. The loader deletes it when all of it is in the log."""
        if self._segment is not None:
            self._segment.seal()
            self._segment.close()
        for unused in (self._next, self._reserve):
            if unused is not None:
                unused.discard()
        self._segment = self._next = self._reserve = None
        for descriptor in self._unsynced:
            os.close(descriptor)
        self._unsynced = []
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _roll(self, needed: int, *, last_room: bool) -> Segment:
        wanted = -(-(HEADER_SIZE + needed + PREFIX.size) // _PAGE) * _PAGE
        try:
            if self._next is not None and wanted <= self._next.size:
                fresh, self._next = self._next, None
            else:
                fresh = self._allocate("large" if self._next else "next", max(self.segment_bytes, wanted))
        except SpoolFull:
            if not last_room:
                raise
            if self._reserve is not None and wanted <= self._reserve.size:
                fresh, self._reserve = self._reserve, None
            else:
                fresh = self._allocate("last", max(LAST_SEGMENT, wanted), last_room=True)
        old, self._segment = self._segment, self._begin(fresh)
        if old is not None:
            old.seal()
            if self._syncs:
                self._unsynced.append(os.dup(old.fd))
            old.close()
        return self._segment

    def _allocate(self, name: str, size: int, *, last_room: bool = False) -> Segment:
        if self._lock < 0:
            self._make()
        if self._bound is not None and not self._bound.allows(size, last_room=last_room):
            limit = self._bound.bytes / 1e9
            raise SpoolFull(errno.EDQUOT, f"the spool in {self.path.parent} has reached [spool] max_gb = {limit:g}")
        return Segment(self.path / f"{name}.new", size)

    def _make(self) -> None:
        """The run's directory, and the lock that says that its writer lives."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SpoolFull(error.errno, f"no room for a run in {self.path.parent}: {error.strerror}") from error
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._lock = lock
        if self._syncs:
            above = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            sync([above])

    def _begin(self, segment: Segment) -> Segment:
        header: dict[str, object] = {
            "run": self.run,
            "host": self.host,
            "worker": self.worker,
            "segment": self.number + 1,
            "pid": os.getpid(),
            "created_ns": time.time_ns(),
        }
        try:
            segment.begin(self.path / f"{self.number + 1:08d}.seg", header)
        except OSError as error:
            segment.discard()
            raise SpoolFull(error.errno, f"no segment can be named in {self.path}: {error.strerror}") from error
        self.number += 1
        self._directory_unsynced = self._syncs
        return segment


def sync(descriptors: list[int]) -> None:
    """Bring segments and directories to the disk, and close the descriptors. Blocks: call it in a thread. Raises OSError.

    Stores into a mapping are dirty pages of its file, so fdatasync takes them along.
    """
    try:
        for descriptor in descriptors:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                os.fsync(descriptor)
            else:
                os.fdatasync(descriptor)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


assert HEADER_SIZE % ALIGN == 0
