"""Server-sent events out of bytes in any pieces, as the WHATWG HTML standard, section 9.2.6, defines them.

Differences, both on purpose: an event whose blank line never came is still given at the end (providers close right after
`data: [DONE]`), and `data` stays bytes, since JSON is parsed from bytes anyway.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_LINE = 64 * 1024 * 1024  # bytes; a body is capped before it comes here, this only guards a caller without a cap


class SseEvent(NamedTuple):
    """One event: its name (None where the stream gave none) and its data, lines joined by LF."""

    name: str | None
    data: bytes


class SseParser:
    """Feed it bytes; it gives complete events. `last_event_id` and `retry_ms` are what the stream set last."""

    def __init__(self) -> None:
        self.last_event_id: str | None = None
        self.retry_ms: int | None = None
        self._tail = b""  # bytes of the line that has not ended yet
        self._after_cr = False  # the last line ended in CR: an LF that comes next belongs to it
        self._started = False  # the place of a BOM is past
        self._name: str | None = None
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Take the next bytes and give the events that are complete now."""
        if not piece:
            return []
        buffer = self._tail + piece if self._tail else piece
        if not self._started:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._tail = buffer
                return []
            self._started = True
            if buffer.startswith(b"\xef\xbb\xbf"):
                buffer = buffer[3:]
        if self._after_cr and buffer:
            self._after_cr = False
            if buffer[0] == 10:
                buffer = buffer[1:]
        if b"\r" in buffer:
            if buffer.endswith(b"\r"):
                self._after_cr = True
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = buffer.split(b"\n")
        self._tail = lines.pop()
        if len(self._tail) > MAX_LINE:
            self._tail = b""
        return self._take(lines)

    def finish(self) -> list[SseEvent]:
        """Give what stood unfinished when the bytes ended."""
        lines = [self._tail, b""] if self._tail else [b""]
        self._tail = b""
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        name, data = self._name, self._data
        for line in lines:
            if line.startswith(b"data: "):
                data.append(line[6:])
            elif not line:
                if data:
                    events.append(SseEvent(name, data[0] if len(data) == 1 else b"\n".join(data)))
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
