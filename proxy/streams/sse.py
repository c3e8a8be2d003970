"""Server-sent events out of bytes in any pieces, as the WHATWG HTML standard, section 9.2.6, defines them.

Differences, both on purpose: an event whose blank line never came is still given at the end (providers close right after
`data: [DONE]`), and `data` stays bytes, since JSON is parsed from bytes anyway.
"""

from __future__ import annotations

from typing import Final

_BOM: Final = b"\xef\xbb\xbf"


SseEvent = tuple[str | None, bytes]
"""One event: its name (None where the stream gave none) and its data, lines joined by LF."""


class SseParser:
    """Feed it bytes; it gives complete events. `last_event_id` and `retry_ms` are what the stream set last."""

    def __init__(self) -> None:
        self.last_event_id: str | None = None
        self.retry_ms: int | None = None
        self._tail: list[bytes] = []  # pieces of the line that has not ended yet
        self._after_cr = False  # the last line ended in CR: an LF that comes next belongs to it
        self._started = False  # the place of a BOM is past
        self._name: str | None = None
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Take the next bytes and give the events that are complete now."""
        if not self._started:
            piece = b"".join(self._tail) + piece
            self._tail = []
            if len(piece) < 3 and _BOM.startswith(piece):
                self._tail.append(piece)
                return []
            self._started = True
            piece = piece.removeprefix(_BOM)
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        elif b"\n" not in piece:
            self._tail.append(piece)
            return []
        if self._tail:
            piece = b"".join(self._tail) + piece
        lines = piece.split(b"\n")
        self._tail = [lines.pop()]
        return self._take(lines)

    def finish(self) -> list[SseEvent]:
        """Give what stood unfinished when the bytes ended."""
        lines = [b"".join(self._tail), b""] if any(self._tail) else [b""]
        self._tail = []
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        name, data = self._name, self._data
        for line in lines:
            if line.startswith(b"data: "):
                data.append(line[6:])
            elif not line:
                if data:
                    events.append((name, data[0] if len(data) == 1 else b"\n".join(data)))
                    data = []
                name = None
            elif line.startswith(b"event:"):
                name = _value(line, 6).decode("utf-8", "replace") or None
            elif line.startswith(b"data:"):
                data.append(line[5:])
            elif line == b"data":
                data.append(b"")
            elif line == b"event":
                name = None
            elif line.startswith(b"id:"):
                if b"\0" not in line:
                    self.last_event_id = _value(line, 3).decode("utf-8", "replace")
            elif line.startswith(b"retry:"):
                digits = _value(line, 6)
                if digits.isdigit() and len(digits) < 16:
                    self.retry_ms = int(digits)
        self._name, self._data = name, data
        return events


def _value(line: bytes, start: int) -> bytes:
    return line[start + 1 :] if line[start : start + 1] == b" " else line[start:]
