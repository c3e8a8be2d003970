"""Content codings (gzip, deflate, br, zstd) undone piece by piece, with a cap so that a bomb cannot eat memory.

A truncated or broken body gives what could be decoded before the break; `broken` says why the rest is missing. Where a piece turns out
to be broken, it is decoded again byte by byte, so that the result is the same whatever the pieces were.
"""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

MAX_DECODED = 64 * 1024 * 1024  # bytes; twice the largest body that is kept by default
_ZSTD_SLICE = 256  # 4 coded bytes can stand for a block of 128 KiB, and decompressobj takes no limit: a slice gives 8 MiB at most
_ZSTD_WINDOW = 128 * 1024 * 1024  # RFC 9659 allows 8 MB; encoders at their highest level use up to 128 MB


class CodingError(ValueError):
    """The bytes are not of the coding, which it names; what the library says depends on the pieces, and is left out."""


class _Coding(Protocol):
    ended: bool  # the coding's own end was seen

    def decode(self, piece: bytes, limit: int) -> bytes:
        """Take coded bytes and give decoded ones: at most `limit` and one library step more; raises CodingError."""


class _Zlib:
    """gzip (members after each other too) and deflate (in its zlib wrapper, or raw as old servers send it)."""

    def __init__(self, gzip: bool) -> None:
        self.ended = False
        self._gzip = gzip
        self._over = False  # what comes now is no member any more
        self._object: Any = zlib.decompressobj(31) if gzip else None
        self._start = b""

    def decode(self, piece: bytes, limit: int) -> bytes:
        if self._object is None:
            self._start += piece
            if len(self._start) < 2:
                return b""
            wrapped = self._start[0] & 15 == 8 and int.from_bytes(self._start[:2], "big") % 31 == 0
            self._object, piece = zlib.decompressobj(15 if wrapped else -15), self._start
        out: list[bytes] = []
        while piece and limit > 0 and not self._over:
            if self.ended:
                if not self._gzip or piece[0] != 0x1F:
                    self._over = True
                    break
                self._object, self.ended = zlib.decompressobj(31), False
            try:
                got = self._object.decompress(piece, limit)
            except zlib.error as error:
                raise CodingError("gzip" if self._gzip else "deflate") from error
            out.append(got)
            limit -= len(got)
            self.ended = self._object.eof
            piece = self._object.unused_data if self.ended else self._object.unconsumed_tail
        return b"".join(out)


class _Brotli:
    def __init__(self) -> None:
        self.ended = False
        self._object = brotli.Decompressor()

    def decode(self, piece: bytes, limit: int) -> bytes:
        if self.ended and piece:
            raise CodingError("br")
        out: list[bytes] = []
        try:
            while limit > 0:
                got = self._object.process(piece, output_buffer_limit=limit)
                out.append(got)
                limit -= len(got)
                piece = b""
                if self._object.is_finished() or self._object.can_accept_more_data():
                    break
        except brotli.error as error:
            raise CodingError("br") from error
        self.ended = bool(self._object.is_finished())
        return b"".join(out)


class _Zstd:
    def __init__(self) -> None:
        self.ended = False
        self._object: Any = self._frame()

    @staticmethod
    def _frame() -> Any:
        return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def decode(self, piece: bytes, limit: int) -> bytes:
        out: list[bytes] = []
        at = 0
        try:
            while at < len(piece) and limit > 0:
                if self.ended:
                    self._object, self.ended = self._frame(), False
                part = piece[at : at + _ZSTD_SLICE]
                got = self._object.decompress(part)
                self.ended = self._object.eof
                out.append(got)
                limit -= len(got)
                at += len(part) - (len(self._object.unused_data) if self.ended else 0)
        except zstandard.ZstdError as error:
            raise CodingError("zstd") from error
        return b"".join(out)


_CODINGS: dict[str, Any] = {
    "gzip": lambda: _Zlib(gzip=True),
    "x-gzip": lambda: _Zlib(gzip=True),
    "deflate": lambda: _Zlib(gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}


def _undo(codings: list[_Coding], piece: bytes, limit: int) -> bytes:
    for coding in codings:
        piece = coding.decode(piece, limit)
    return piece


class Decoder:
    """Undo the codings a Content-Encoding header names; `broken` says why not all could be undone."""

    def __init__(self, content_encoding: str, max_decoded: int = MAX_DECODED) -> None:
        self.broken: str | None = None
        self._names = [name for part in reversed(content_encoding.lower().split(",")) if (name := part.strip()) not in ("", "identity")]
        self._max = max_decoded
        self._given = 0  # decoded bytes handed out
        self._coded = bytearray()  # what was decoded without error, kept to start again from where a piece breaks
        unknown = [name for name in self._names if name not in _CODINGS]
        if unknown:
            self.broken = f"content-encoding {unknown[0][:40]!r} is not known"
        elif len(self._names) > 3:
            self.broken = "content-encoding: more than three codings on one body"
        else:
            self._codings = self._fresh()

    def feed(self, piece: bytes) -> bytes:
        """Take coded bytes, give decoded ones."""
        if self.broken or not piece:
            return b""
        try:
            out = _undo(self._codings, piece, self._max + 1 - self._given)
        except CodingError:
            out = self._until_break(piece)
        self._coded += piece
        if self._given + len(out) > self._max:
            self.broken = f"content-encoding: the decoded body is larger than {self._max} bytes"
            out = out[: self._max - self._given]
        self._given += len(out)
        return out

    def finish(self) -> None:
        """Note a body that stopped before its coding's end."""
        if not self.broken and self._coded and not all(coding.ended for coding in self._codings):
            self.broken = "content-encoding: the body stops before its end"

    def _fresh(self) -> list[_Coding]:
        return [_CODINGS[name]() for name in self._names]

    def _until_break(self, piece: bytes) -> bytes:
        """Decode all again, in ever smaller steps, up to the byte that breaks; give what this piece adds, and note what broke."""
        body = bytes(self._coded) + piece
        good, out = 0, bytearray()
        for step in (65536, 512, 1):
            codings, out = self._fresh(), bytearray()
            at = 0
            try:
                while at < len(body) and len(out) <= self._max:
                    size = good - at if at < good else step
                    out += _undo(codings, body[at : at + size], self._max + 1 - len(out))
                    at += size
            except CodingError as error:
                good = at
                self.broken = f"content-encoding: the body is not whole {error}"  # of several codings, the one a single byte broke
        return bytes(out[self._given :])
