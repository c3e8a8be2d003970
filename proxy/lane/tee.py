"""Keeps a copy of one direction of one exchange until it is spooled, and hashes what the spool will not hold whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from proxy.spool.frames import NO_HASH


class Tee:
    """The copy of one body on its way to the spool.

    Whoever reads the spool can hash a body that lies there whole, so hashing is left to him wherever that is certain: a body
    whose declared length fits under the cap, or one that ended before anything of it had to be spooled early. `total` counts
    all bytes; `pending` are kept bytes that no frame holds yet (`size` of them).
    """

    __slots__ = ("_hash", "_hashed", "_room", "_whole", "pending", "size", "total", "truncated")

    def __init__(self, cap: int, *, keep: bool, whole: bool) -> None:
        """`cap`: bytes kept at most; `keep` False: only count and hash; `whole`: sure to fit under the cap."""
        self._room = cap if keep else 0
        self._whole = whole and keep
        self._hash: Any = None if keep else hashlib.sha256()
        self._hashed = False  # what is pending went into the hash already
        self.pending: list[bytes] = []
        self.size = 0
        self.total = 0
        self.truncated = False

    def add(self, piece: bytes) -> None:
        """Take bytes that just passed."""
        size = len(piece)
        self.total += size
        if size <= self._room:
            self._room -= size
            self.pending.append(piece)
            self.size += size
            return
        if not self._hashed:
            if self._hash is None:
                self._hash = hashlib.sha256()
            for held in self.pending:
                self._hash.update(held)
            self._hashed = True
        self._hash.update(piece)
        self.truncated = True
        if self._room:
            self.pending.append(piece[: self._room])
            self.size += self._room
            self._room = 0

    def cut(self, lost: Sequence[bytes]) -> None:
        """Keep nothing from here on: `lost`, taken last, is not in the spool, and a body that ends is better than one with a hole."""
        self._room = 0
        self.truncated = True
        if self._hash is None:  # it was left to the reader, who cannot have it any more
            whole = b"".join(lost)
            self._hash = hashlib.sha256(whole) if len(whole) == self.total - self.size else _Unknown()

    def take(self) -> list[bytes]:
        """The pending bytes as they came, for a frame before the end."""
        pieces, self.pending = self.pending, []
        self.size = 0
        if not self._whole and not self._hashed:
            if self._hash is None:
                self._hash = hashlib.sha256()
            for piece in pieces:
                self._hash.update(piece)
        return pieces

    def finish(self) -> tuple[bytes, bytes]:
        """The bytes no frame holds yet, and the SHA-256 of all that passed (NO_HASH: all of it is in the spool)."""
        pending = self.pending
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        if self._hash is None:
            return data, NO_HASH
        if not self._hashed:
            self._hash.update(data)
        digest: bytes = self._hash.digest()
        return data, digest


class _Unknown:
    """Stands for a hash that nobody can make any more."""

    def update(self, data: bytes) -> None:
        """Nothing follows from it."""

    def digest(self) -> bytes:
        """None."""
        return NO_HASH
