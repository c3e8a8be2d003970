"""A real HTTP/1.1 server on a real socket that does what a script says, down to the byte, and keeps what it received.

An answer is a list of steps: bytes are written as they stand, the other steps wait, hang up or fall silent. So a test
can cut chunks anywhere, reset in the middle, or answer what no server library would let it answer.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from tests.helpers.wire import Headers, Message, chunked, cut, head


@dataclass(frozen=True)
class Wait:
    """Let time pass before the next step."""

    seconds: float


class Do(Enum):
    """Steps that carry no bytes."""

    RESET = "reset"  # RST, whatever is in flight
    CLOSE = "close"  # FIN after what was written
    STALL = "stall"  # nothing more until the peer hangs up


TLS_HELLO = b"\x16"
Step = bytes | Wait | threading.Event | Do
"""An Event waits until the test sets it."""


@dataclass(frozen=True)
class Answer:
    """What the upstream does with one request."""

    steps: Iterable[Step]
    at_head: bool = False  # begin when the head has come, before the body
    read_body_after: threading.Event | None = None  # leave the body in the socket until then

    def then(self, *more: Step) -> Answer:
        """The same, and more after it."""
        return Answer([*self.steps, *more], self.at_head, self.read_body_after)


Responder = Callable[[Message], Answer]


def answer(
    status: int = 200,
    headers: Headers | None = None,
    body: bytes | list[bytes] = b"",
    *,
    framing: str = "length",
    reason: str = "OK",
    delay: float = 0.0,
    trailers: Headers | None = None,
    piece: int | None = None,
) -> Answer:
    """An ordinary answer: `framing` is length, chunked, close (ends with the connection) or none; `delay` s before each piece of the body.

    body: the bytes, or the pieces they are to be written in (one chunk each where chunked); `piece` cuts them by size instead.
    """
    pieces = [body] if isinstance(body, bytes) else body
    if piece:
        pieces = cut(b"".join(pieces), piece)
    named = {name.lower() for name, _ in headers or []}
    framed = list(headers or [])
    if framing == "length" and "content-length" not in named:
        framed.append(("Content-Length", str(sum(map(len, pieces)))))
    if framing == "chunked":
        framed.append(("Transfer-Encoding", "chunked"))
    if framing == "close":
        framed.append(("Connection", "close"))
    steps: list[Step] = [head(f"HTTP/1.1 {status} {reason}", framed)]
    for part in filter(None, pieces):
        steps += [Wait(delay)] if delay else []
        steps.append(chunked([part])[: -len(b"0\r\n\r\n")] if framing == "chunked" else part)
    if framing == "chunked":
        steps.append(chunked([], trailers))
    if not delay and not piece and len(pieces) == 1:
        steps = [b"".join(step for step in steps if isinstance(step, bytes))]
    return Answer([*steps, Do.CLOSE] if framing == "close" else steps)


def unfinished(pieces: list[bytes], headers: Headers | None = None) -> Answer:
    """A chunked answer that begins and then falls silent until the peer hangs up."""
    begun = b"".join(chunked([piece])[: -len(b"0\r\n\r\n")] for piece in pieces)
    return Answer([head("HTTP/1.1 200 OK", [*(headers or []), ("Transfer-Encoding", "chunked")]) + begun, Do.STALL])


@dataclass(eq=False)
class Connection:
    """One accepted connection and all that came over it."""

    received: bytearray = field(default_factory=bytearray)
    requests: list[Message] = field(default_factory=list)  # whole ones
    begun: list[Message] = field(default_factory=list)  # those whose head has come
    peer_gone: threading.Event = field(default_factory=threading.Event)
    resumed: bool | None = None  # the TLS session of an earlier connection; None without TLS
    fault: str | None = None  # why what came is no HTTP/1.1


class Upstream:
    """A server in a thread of its own; use it as a context manager.

    respond: what to do with each request; `on` takes precedence, by path. tls: serve HTTPS with this context.
    """

    def __init__(self, respond: Responder | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self._whole = 0
        self.connections: list[Connection] = []
        self._routes: dict[str, Answer | Responder] = {}
        self._respond = respond or _unknown
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Message]:
        """Whole requests of all connections, in the order in which they came."""
        return sorted((request for connection in self.connections for request in connection.requests), key=lambda request: request.number)

    @property
    def begun(self) -> list[Message]:
        """Requests whose head has come, whole or not."""
        return [request for connection in self.connections for request in connection.begun]

    def on(self, path: str, does: Answer | Responder) -> None:
        """Answer requests to `path` (without the query) so."""
        self._routes[path] = does

    def to(self, path: str) -> list[Message]:
        """The whole requests that came for `path`, without the query."""
        return [request for request in self.requests if request.path == path]

    def connection_of(self, path: str) -> Connection:
        """The connection over which the first request for `path` came."""
        return next(one for one in self.connections if any(request.path == path for request in one.begun))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._up.wait(10)  # a test may be over before the thread has begun
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._socket, ssl=self._tls, limit=1 << 20))
        self._up.set()
        self._loop.run_forever()
        server.close()
        for task in [*self._tasks, *asyncio.all_tasks(self._loop)]:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(self._loop), return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = writer.get_extra_info("ssl_object")
        connection = Connection(resumed=secure.session_reused if secure else None)
        self.connections.append(connection)
        arrived: asyncio.Queue[tuple[Message, Answer] | None] = asyncio.Queue()
        reading = asyncio.ensure_future(self._read(reader, writer, connection, arrived))
        try:
            while (got := await arrived.get()) is not None:
                request, does = got
                if not await _play(does.steps, writer, connection) or (request.get("connection") or "").lower() == "close":
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if not writer.transport.is_closing():
                writer.close()
            await _settled(reading, connection)

    async def _read(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: Connection,
        arrived: asyncio.Queue[tuple[Message, Answer] | None],
    ) -> None:
        message, rest = Message(), b""
        does: Answer | None = None
        try:
            while True:
                data = rest or await reader.read(1 << 18)
                if not data:
                    break
                if not rest:
                    connection.received += data
                if connection.received[:1] == TLS_HELLO:
                    raise ValueError("TLS where none is spoken")
                rest = message.feed(data)
                if message.head and message not in connection.begun:
                    connection.begun.append(message)
                    does = self._at_head(message)
                    if does and does.at_head:
                        arrived.put_nowait((message, does))
                    elif (message.get("expect") or "").lower() == "100-continue":
                        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    if does and does.read_body_after and not message.complete:
                        await _passed(does.read_body_after)
                if message.complete:
                    self._whole += 1
                    message.number = self._whole
                    connection.requests.append(message)
                    if not (does and does.at_head):
                        arrived.put_nowait((message, does or self._at_end(message)))
                    message, does = Message(), None
        except ValueError as error:
            connection.fault = str(error)
            arrived.put_nowait((message, answer(400, reason="Bad Request", framing="close")))
        except ConnectionError:
            pass
        finally:
            connection.peer_gone.set()
            arrived.put_nowait(None)

    def _at_head(self, message: Message) -> Answer | None:
        """A script that is fixed is known with the head; what a responder says needs the body."""
        does = self._routes.get(message.path)
        return does if isinstance(does, Answer) else None

    def _at_end(self, message: Message) -> Answer:
        respond = self._routes.get(message.path, self._respond)
        assert not isinstance(respond, Answer)
        return respond(message)


async def _play(steps: Iterable[Step], writer: asyncio.StreamWriter, connection: Connection) -> bool:
    """Do the steps; False when the connection is at its end."""
    for step in steps:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, threading.Event):
            await _passed(step)
        elif step is Do.RESET:
            _reset(writer)
            return False
        elif step is Do.CLOSE:
            writer.close()
            return False
        else:
            await _passed(connection.peer_gone)
            return False
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    plain = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _passed(event: threading.Event) -> None:
    while not event.is_set():  # noqa: ASYNC110 - the test sets it from another thread
        await asyncio.sleep(0.005)


async def _settled(reading: asyncio.Task[None], connection: Connection) -> None:
    """A peer that keeps its side open must not keep the thread: its reading ends with ours."""
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    connection.peer_gone.set()


def _unknown(request: Message) -> Answer:
    return answer(599, [("Content-Type", "text/plain")], f"no script for {request.start_line}".encode(), reason="No Script")
