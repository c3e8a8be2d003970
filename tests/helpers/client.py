"""A client of raw sockets: sends exactly the bytes it is given, and takes answers apart by its own code."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from typing import Self

from tests.helpers.wire import Headers, Message, head


class Client:
    """One connection to 127.0.0.1:port; use it as a context manager. Every wait ends after `timeout` seconds in TimeoutError."""

    def __init__(self, port: int, *, timeout: float = 15.0, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> None:
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(timeout)
        try:
            plain.connect(("127.0.0.1", port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        except BaseException:
            plain.close()
            raise
        self.interim: list[Message] = []  # 1xx answers, in order
        self.arrivals: list[tuple[float, int]] = []  # (time.monotonic() in s, bytes) of each read
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes, *, piece: int | None = None, pause: float = 0.0) -> None:
        """Write bytes, whole or in pieces of `piece` with `pause` seconds between."""
        for at in range(0, len(data), piece or max(len(data), 1)):
            self.socket.sendall(data[at : at + (piece or len(data))])
            if pause:
                time.sleep(pause)

    def answer(self, method: str = "GET") -> Message:
        """The next answer that is no 1xx; incomplete (see `complete`) where the connection ended first."""
        while True:
            message = self._message(method)
            if message.head and message.status < 200 and message.status != 101:
                self.interim.append(message)
                continue
            return message

    def read(self, count: int = 65536) -> bytes:
        """Some bytes, b"" at the end of the connection."""
        if self._rest:
            data, self._rest = self._rest[:count], self._rest[count:]
            return data
        data = self.socket.recv(count)
        self.arrivals.append((time.monotonic(), len(data)))
        return data

    def ended(self) -> bool:
        """Whether the peer hangs up without another byte."""
        try:
            return self.read() == b""
        except ConnectionError:
            return True

    def reset(self) -> None:
        """Hang up with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _message(self, method: str) -> Message:
        message = Message(bodiless=method == "HEAD", is_answer=True)
        while not message.complete:
            try:
                data = self.read()
            except ConnectionError:
                return message
            if not data:
                message.end()
                return message
            left = message.feed(data)
            self._rest = left + self._rest
        return message


def request(method: str, target: str, headers: Headers | None = None, body: bytes = b"", *, host: str = "proxy.test") -> bytes:
    """A request as bytes: Host first, then the headers in order, a Content-Length where there is a body and no framing is given."""
    given = list(headers or [])
    named = {name.lower() for name, _ in given}
    if body and not named & {"content-length", "transfer-encoding"}:
        given.append(("Content-Length", str(len(body))))
    return head(f"{method} {target} HTTP/1.1", [("Host", host), *given]) + body


def fetch(port: int, method: str, target: str, headers: Headers | None = None, body: bytes = b"", *, timeout: float = 15.0) -> Message:
    """One request on a connection of its own, and its answer."""
    with Client(port, timeout=timeout) as client:
        client.send(request(method, target, headers, body))
        return client.answer(method)
