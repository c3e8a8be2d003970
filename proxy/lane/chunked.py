"""Takes the chunked transfer coding off (RFC 9112, 7.1), strictly: what is not exactly right is refused, never guessed.

Lenient chunk parsing is how requests are smuggled past a proxy, so: hexadecimal digits only, CRLF only, no white space before
the size, extensions without control characters and never passed on.
"""

from __future__ import annotations

import re
from typing import Final

# Sizes beyond 16 digits overflow everybody else's parser; a line or trailer section beyond these is an attack, not a message.
MAX_SIZE_LINE: Final = 4096
MAX_TRAILERS: Final = 16384
_HEX: Final = b"0123456789abcdefABCDEF"
_CONTROL: Final = bytes(c for c in range(32) if c != 9) + b"\x7f"

_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class ChunkError(ValueError):
    """The bytes are no valid chunked body."""


class ChunkedDecoder:
    """Bytes in any pieces in, pieces of the body out.

    `done` tells that the last chunk and the trailer section have been seen; `trailers` then holds that section's lines as sent.
    """

    __slots__ = ("_held", "_left", "_state", "done", "trailers")

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0
        self._held = b""
        self.done = False
        self.trailers = b""

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Decode `data`. Returns the body's pieces and how many bytes of `data` belong to this body.

        Raises ChunkError; the decoder is of no use after that.
        """
        pieces: list[bytes] = []
        held = len(self._held)
        if held:
            data = self._held + data
            self._held = b""
        position, size = 0, len(data)
        state, left = self._state, self._left
        while position < size:
            if state == _DATA:
                end = position + left
                if end > size:
                    pieces.append(data[position:] if position else data)
                    left = end - size
                    position = size
                    break
                pieces.append(data[position:end])
                position = end
                state = _DATA_END
            elif state == _DATA_END:
                if size - position < 2:
                    if data[position] != 13:
                        raise ChunkError("a chunk is longer than its size says")
                    self._held = data[position:]
                    position = size
                    break
                if data[position : position + 2] != b"\r\n":
                    raise ChunkError("a chunk does not end where its size says")
                position += 2
                state = _SIZE
            elif state == _SIZE:
                end = data.find(b"\r\n", position)
                if end < 0:
                    self._hold(data, position, MAX_SIZE_LINE, "chunk size line")
                    position = size
                    break
                left = _chunk_size(data[position:end])
                position = end + 2
                state = _DATA if left else _TRAILERS
            elif state == _TRAILERS:
                if data.startswith(b"\r\n", position):
                    position += 2
                else:
                    end = data.find(b"\r\n\r\n", position)
                    if end < 0:
                        self._hold(data, position, MAX_TRAILERS, "trailer section")
                        position = size
                        break
                    self.trailers = data[position : end + 2]
                    if len(self.trailers) > MAX_TRAILERS:
                        raise ChunkError(f"a trailer section is longer than {MAX_TRAILERS} bytes")
                    for line in self.trailers[:-2].split(b"\r\n"):
                        _check_trailer(line)
                    position = end + 4
                state = _DONE
                self.done = True
                break
            else:
                break
        self._state, self._left = state, left
        return pieces, position - held

    def _hold(self, data: bytes, position: int, limit: int, what: str) -> None:
        if len(data) - position > limit:
            raise ChunkError(f"a {what} is longer than {limit} bytes")
        rest = data[position:]
        if b"\n" in rest.replace(b"\r\n", b""):
            raise ChunkError(f"a {what} holds a bare line feed")
        self._held = rest


_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[^\x00-\x08\x0a-\x1f\x7f]*")
_NEVER_LATE: Final = frozenset((b"content-length", b"transfer-encoding", b"host", b"connection", b"upgrade", b"te", b"trailer", b"expect"))


def _check_trailer(line: bytes) -> None:
    """A trailer is a header like any other, and none that says how to read the message (RFC 9110, 6.5.1). Raises ChunkError."""
    found = _FIELD.fullmatch(line)
    if found is None:
        raise ChunkError(f"{line[:40]!r} is no trailer")
    if found[1].lower() in _NEVER_LATE:
        raise ChunkError(f"{line[:40]!r} cannot stand in a trailer")


def _chunk_size(line: bytes) -> int:
    if len(line) > MAX_SIZE_LINE:
        raise ChunkError(f"a chunk size line is longer than {MAX_SIZE_LINE} bytes")
    digits, semicolon, extension = line.partition(b";")
    if semicolon:
        digits = digits.rstrip(b" \t")  # BWS before an extension (RFC 9112, 7.1.1)
        if len(extension) != len(extension.translate(None, _CONTROL)):
            raise ChunkError("a chunk extension holds control characters")
    if not digits or len(digits) > 15 or digits.translate(None, _HEX):
        raise ChunkError(f"{line[:40]!r} is no chunk size")
    return int(digits, 16)
