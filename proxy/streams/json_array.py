"""The elements of one top-level JSON array, each as soon as it is complete: how Gemini streams without `alt=sse`."""

from __future__ import annotations

import re

_MARK = re.compile(rb'["\[\]{},]')
_IN_STRING = re.compile(rb'["\\]')


class ArrayParser:
    """Feed it bytes; it gives the bytes of each complete element. `closed` tells whether the array's own `]` came."""

    def __init__(self) -> None:
        self.closed = False
        self._buffer = bytearray()  # from the start of the element that is not complete yet
        self._at = 0  # scanned so far
        self._depth = 0
        self._in_string = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes and give the elements that are complete now."""
        if self.closed:
            return []
        self._buffer += piece
        elements: list[bytes] = []
        buffer, at, start = self._buffer, self._at, 0
        while not self.closed:
            found = (_IN_STRING if self._in_string else _MARK).search(buffer, at)
            if found is None:
                at = len(buffer)
                break
            at = found.end()
            mark = buffer[at - 1]
            if mark == 0x5C:  # a backslash: what follows it is no mark
                if at == len(buffer):
                    at -= 1
                    break
                at += 1
            elif mark == 0x22:
                self._in_string = not self._in_string
            elif mark in b"[{":
                self._depth += 1
                if self._depth == 1:
                    start = at
            elif mark in b"]}":
                self._depth -= 1
                if self._depth <= 0:
                    self._keep(elements, buffer[start : at - 1])
                    self.closed, start = True, at
            elif self._depth == 1:
                self._keep(elements, buffer[start : at - 1])
                start = at
        del buffer[:start]
        self._at = at - start
        return elements

    @staticmethod
    def _keep(elements: list[bytes], raw: bytearray) -> None:
        element = bytes(raw).strip(b" \t\r\n")
        if element:
            elements.append(element)
