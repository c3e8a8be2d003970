"""HTTP/1.1 messages taken apart byte by byte, by other code than the proxy's own, so that a test is a second opinion."""

from __future__ import annotations

from dataclasses import dataclass, field

Headers = list[tuple[str, str]]


@dataclass(eq=False)
class Message:
    """One request or answer as it came over a socket; feed it until it is `complete`.

    Names and values are kept as they came (latin-1), in order, with duplicates. Nothing is repaired: bytes that are no
    HTTP/1.1 raise ValueError.
    """

    bodiless: bool = False  # an answer to HEAD, which has headers of a body and none
    is_answer: bool = False  # an answer may end with its connection; a request never does
    head: bytes = b""  # start line and headers with the blank line
    start_line: str = ""
    headers: Headers = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)  # transfer coding taken off
    chunks: list[int] = field(default_factory=list)  # sizes as they were framed, where the body is chunked
    trailers: Headers = field(default_factory=list)
    complete: bool = False
    number: int = 0  # of a request at its upstream, in the order in which they were whole
    _buffer: bytearray = field(default_factory=bytearray)
    _left: int | None = None  # bytes of body or chunk still to come; None: not known yet
    _state: str = "head"

    @property
    def method(self) -> str:
        """The request's method."""
        return self.start_line.split(" ", 1)[0]

    @property
    def target(self) -> str:
        """The request's target as it came."""
        return self.start_line.split(" ")[1]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands behind the first '?', '' where nothing does."""
        return self.target.partition("?")[2]

    @property
    def status(self) -> int:
        """The answer's status."""
        return int(self.start_line.split(" ")[1])

    @property
    def reason(self) -> str:
        """The answer's reason phrase."""
        return self.start_line.partition(" ")[2].partition(" ")[2]

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The first value of a header."""
        return next(iter(self.all(name)), None)

    def feed(self, data: bytes) -> bytes:
        """Take bytes; returns those that lie behind the message's end."""
        self._buffer += data
        while not self.complete and getattr(self, f"_{self._state}")():
            pass
        if not self.complete:
            return b""
        rest, self._buffer = bytes(self._buffer), bytearray()
        return rest

    def end(self) -> None:
        """The connection ended: which completes an answer without a length, and nothing else."""
        if self._state == "until_close":
            self.complete = True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self.head = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        start, *lines = self.head[:-4].decode("latin-1").split("\r\n")
        self.start_line, self.headers = start, [_header(line) for line in lines]
        self._state = self._framing()
        return True

    def _framing(self) -> str:
        coding, length = self.get("transfer-encoding"), self.get("content-length")
        without = self.is_answer and (self.bodiless or self.status in {204, 304} or self.status < 200)
        if without:
            self.complete = True
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise ValueError(f"framing that no client should send: {coding!r}, {length!r}")
            return "chunk_size"
        elif length is not None:
            self._left = int(length)
            self.complete = self._left == 0
        elif self.is_answer:
            return "until_close"
        else:
            self.complete = True
        return "fixed"

    def _fixed(self) -> bool:
        assert self._left is not None
        piece = self._buffer[: self._left]
        del self._buffer[: self._left]
        self.body += piece
        self._left -= len(piece)
        self.complete = self._left == 0
        return False

    def _until_close(self) -> bool:
        self.body += self._buffer
        self._buffer.clear()
        return False

    def _line(self) -> str | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        line = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 2]
        return line

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        self._left = int(line.partition(";")[0], 16)
        if self._left:
            self.chunks.append(self._left)
        self._state = "chunk" if self._left else "trailer"
        return True

    def _chunk(self) -> bool:
        assert self._left is not None
        piece = self._buffer[: self._left]
        del self._buffer[: self._left]
        self.body += piece
        self._left -= len(piece)
        if self._left or len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise ValueError("a chunk is not followed by CRLF")
        del self._buffer[:2]
        self._state = "chunk_size"
        return True

    def _trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line:
            self.trailers.append(_header(line))
        else:
            self.complete = True
        return True


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise ValueError(f"no header: {line!r}")
    return name, value.strip(" \t")


def chunked(pieces: list[bytes], trailers: Headers | None = None) -> bytes:
    """A body in the chunked transfer coding, one chunk a piece."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in trailers or [])
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n" + lines.encode("latin-1") + b"\r\n"


def head(start_line: str, headers: Headers) -> bytes:
    """A start line and headers as bytes, in the order given."""
    return "".join([f"{start_line}\r\n", *(f"{name}: {value}\r\n" for name, value in headers), "\r\n"]).encode("latin-1")


def cut(data: bytes, size: int) -> list[bytes]:
    """The same bytes in pieces of `size`."""
    return [data[at : at + size] for at in range(0, len(data), size)]
