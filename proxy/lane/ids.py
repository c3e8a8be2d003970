"""Makes exchange ids: UUIDv7 (RFC 9562, 5.7), the kernel's randomness taken in bulk and no number larger than a machine word."""

from __future__ import annotations

import os
from binascii import unhexlify
from typing import Final

_TAKEN: Final = 4000
"""Bytes of randomness taken at once; an id needs ten."""
_DIGITS: Final = 20  # of an id's randomness, in hex; two bits of each 80 stay unused
_VARIANT: Final = bytes.maketrans(b"0123456789abcdef", b"89ab89ab89ab89ab")


class Ids:
    """A source of ids for one thread."""

    __slots__ = ("_at", "_head", "_hex", "_ms", "_variants")

    def __init__(self) -> None:
        self._ms = -1
        self._head = b""  # the time of the ids of this millisecond, in hex
        self._hex = b""
        self._variants = b""
        self._at = 0

    def new(self, now_ns: int) -> tuple[bytes, bytes]:
        """An id of this Unix time in nanoseconds: its 16 bytes, and its text."""
        ms = now_ns // 1_000_000
        if ms != self._ms:
            self._ms = ms
            self._head = b"%012x" % ms
        at = self._at
        if at == len(self._hex):
            self._hex = os.urandom(_TAKEN).hex().encode()
            self._variants = self._hex.translate(_VARIANT)
            at = 0
        self._at = at + _DIGITS
        head, digits = self._head, self._hex
        third = b"7" + digits[at : at + 3]
        fourth = self._variants[at + 3 : at + 4] + digits[at + 4 : at + 7]
        last = digits[at + 7 : at + 19]
        text = b"-".join((head[:8], head[8:], third, fourth, last))
        return unhexlify(b"".join((head, third, fourth, last))), text
