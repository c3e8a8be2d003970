"""Lines of JSON (NDJSON, JSON Lines) out of bytes in any pieces."""

from __future__ import annotations


class LineParser:
    """Feed it bytes; it gives complete lines without their ends, blank lines left out."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # pieces of the line that has not ended yet

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes and give the lines that are complete now."""
        if b"\n" not in piece:
            self._parts.append(piece)
            return []
        lines = (b"".join(self._parts) + piece).split(b"\n")
        self._parts = [lines.pop()]
        return [kept for line in lines if (kept := line.strip(b" \t\r"))]

    def finish(self) -> list[bytes]:
        """Give the last line, which needs no line end."""
        line = b"".join(self._parts).strip(b" \t\r")
        self._parts = []
        return [line] if line else []
