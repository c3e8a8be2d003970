"""Traffic for the faults: a provider and a crowd of clients on one loop of their own, who remember each request as they saw it end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

import uvloop

from tests.helpers.waiting import eventually

T = TypeVar("T")
TARGET: Final = "/openai/v1/chat/completions"
BROKEN_BY_DESIGN: Final = frozenset({"cut", "gone"})
"""Kinds that never end whole: the provider resets, or the client hangs up."""
_CHAT: Final = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Panning for gold."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
}  # fmt: skip
_DELTA: Final = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
_NOISE: Final = random.Random(1).randbytes(1_000_000).hex()
_ACCEPT: Final = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"


class Stage:
    """An event loop in a thread of its own, with a provider on it; use it as a context manager."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stage", daemon=True)
        self.port = 0
        self.served: Counter[str] = Counter()  # requests that came whole, by kind
        self.numbers: Counter[str] = Counter()  # the same by number, for those that carry one
        self.remembers = True  # numbers
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """Where the provider listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self.call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run on the loop, and wait."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096, limit=1 << 20)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = headers(head)
                if size := int(fields.get("content-length", "0")):
                    await reader.readexactly(size)
                kind = head.partition(b"kind=")[2].partition(b" ")[0].decode() or "chat"
                self.served[kind] += 1
                if self.remembers and (number := fields.get("x-number")):
                    self.numbers[number] += 1
                if not await self._answer(kind, reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def _answer(self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        if kind == "websocket":
            writer.write(_ACCEPT)
            while (frame := await read_frame(reader)) is not None:
                writer.write(bytes((0x81, len(frame))) + frame)
            return False
        if kind in ("chat", "big", "curt"):
            body = json.dumps(_CHAT).encode()
            if kind == "big":
                body = body[:-1] + b',"padding":"' + noise(sum(self.served.values()), 300_000).encode() + b'"}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
            return kind != "curt"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        pieces, pause = {"stream": (8, 0.005), "slow": (12, 0.3), "cut": (3, 0.005), "gone": (200, 0.02)}[kind]
        for number in range(pieces):
            _chunk(writer, json.dumps({**_DELTA, "choices": [{"index": 0, "delta": {"content": f"{number} "}}]}))
            await writer.drain()
            await asyncio.sleep(pause)
        if kind == "cut":
            writer.write(b"40\r\nhalf a chunk")
            await asyncio.sleep(0.005)
            writer.transport.abort()
            return False
        _chunk(writer, json.dumps({**_DELTA, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        _chunk(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def noise(number: int, size: int) -> str:
    """Text that does not compress, another for each number."""
    start = number * 7919 % (len(_NOISE) - size)
    return _NOISE[start : start + size]


def _chunk(writer: asyncio.StreamWriter, text: str) -> None:
    event = f"data: {text}\n\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(event), event))


def headers(head: bytes) -> dict[str, str]:
    """Header fields of a head, names lower case."""
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The payload of one short WebSocket text frame; None for a Close."""
    first, size = await reader.readexactly(2)
    mask = await reader.readexactly(4) if size & 0x80 else bytes(4)
    payload = await reader.readexactly(size & 0x7F)
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)) if first & 0x0F == 1 else None


@dataclass(slots=True)
class Request:
    """One request as its client saw it."""

    number: int
    kind: str
    status: int = 0
    exchange_id: str = ""
    whole: bool = False
    request_sha256: str = ""
    response_sha256: str = ""
    seconds: float = 0.0
    at: float = 0.0  # time.monotonic() of its start


@dataclass
class Crowd:
    """`clients` connections that send one request after another; `mix` says how often each kind comes.

    pause: seconds between two requests of one client. keep: called with each request when it has ended, instead of remembering it.
    """

    stage: Stage
    port: int
    clients: int = 8
    mix: Mapping[str, int] = field(default_factory=lambda: {"chat": 6, "stream": 3, "big": 1})
    pause: float = 0.0
    seed: int = 1
    keep: Callable[[Request], None] | None = None
    requests: list[Request] = field(default_factory=list)
    refused: int = 0  # connections that could not be made

    def __post_init__(self) -> None:
        self._count = 0
        self._random = random.Random(self.seed)
        self._going = False
        self._tasks: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Send until stop()."""
        self._going = True
        self.stage.call(self._start())

    def stop(self) -> None:
        """Let what is under way end."""
        self._going = False
        if self._tasks:
            self.stage.call(self._stop())
        self._tasks = []

    def errors(self) -> list[Request]:
        """Requests that did not end as they should have."""
        return [request for request in self.requests if not request.whole and request.kind not in BROKEN_BY_DESIGN]

    async def _start(self) -> None:
        self._tasks = [asyncio.get_running_loop().create_task(self._send()) for _ in range(self.clients)]

    async def _stop(self) -> None:
        await asyncio.wait(self._tasks, timeout=60)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self) -> None:
        kinds, weights = list(self.mix), list(self.mix.values())
        while self._going:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.02)
                continue
            again = True
            while self._going and again:
                self._count += 1
                request = Request(self._count, self._random.choices(kinds, weights)[0], at=time.monotonic())
                again = False
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                    async with asyncio.timeout(60):
                        again = await converse(request, reader, writer)
                request.seconds = time.monotonic() - request.at
                (self.keep or self.requests.append)(request)
                if self.pause:
                    await asyncio.sleep(self._random.uniform(0, 2 * self.pause))
            writer.close()


def more(crowd: Crowd, count: int, within: float = 30.0) -> None:
    """Wait until so many requests more have ended."""
    wanted = len(crowd.requests) + count
    assert eventually(lambda: len(crowd.requests) >= wanted, within), (
        f"{len(crowd.requests)} of {wanted} requests ended within {within:g} s"
    )


async def converse(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send one request and read its answer; whether the connection can be used again."""
    kind = request.kind
    target = f"{TARGET}?kind={kind}"
    if kind == "websocket":
        return await _session(request, reader, writer)
    content = noise(request.number, 200_000) if kind == "big" else "g" * (40 + request.number % 400)
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], "stream": kind not in ("chat", "big", "curt")}
    body = json.dumps(asked).encode()
    request.request_sha256 = hashlib.sha256(body).hexdigest()
    head = f"POST {target} HTTP/1.1\r\nHost: faults\r\nContent-Type: application/json\r\nX-Number: {request.number}\r\n"
    writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    raw = await reader.readuntil(b"\r\n\r\n")
    fields = headers(raw)
    request.status, request.exchange_id = int(raw[9:12]), fields.get("goldwash-id", "")
    hashed = hashlib.sha256()
    if kind == "gone":
        await reader.readuntil(b"\n\n")
        writer.transport.abort()
        return False
    if "content-length" in fields:
        hashed.update(await reader.readexactly(int(fields["content-length"])))
    else:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            hashed.update(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
    request.response_sha256 = hashed.hexdigest()
    request.whole = request.status == 200
    return fields.get("connection", "").lower() != "close"


async def _session(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGVhIHNob3AgYXQgdGhlIHM=\r\n"
    writer.write(f"GET /openai/v1/realtime?kind=websocket HTTP/1.1\r\nHost: faults\r\n{lines}\r\n".encode())
    raw = await reader.readuntil(b"\r\n\r\n")
    request.status, request.exchange_id = int(raw[9:12]), headers(raw).get("goldwash-id", "")
    mask = struct.pack("<I", request.number)
    for number in range(5):
        text = f'{{"type":"said","n":{number}}}'.encode()
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))
        writer.write(bytes((0x81, 0x80 | len(text))) + mask + masked)
        if await read_frame(reader) != text:
            return False
        await asyncio.sleep(0.01)
    writer.write(b"\x88\x80" + mask)
    request.whole = True
    return False
