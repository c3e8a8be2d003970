"""A corporate proxy in small: takes CONNECT, asks for a password where told to, and relays bytes to where its own names lead."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Self


class EgressProxy:
    """Listens on a free port; use it as a context manager.

    names: host -> port of 127.0.0.1 that it leads to; other hosts get 502. login: (user, password) that it asks for.
    """

    def __init__(self, names: Mapping[str, int], login: tuple[str, str] | None = None) -> None:
        self.asked: list[str] = []  # start lines
        self._names = names
        self._login = login
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with closing(peer), suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = peer.recv(65536)
                if not piece:
                    return
                head += piece
            start, *lines = head.decode("latin-1").split("\r\n")
            self.asked.append(start)
            if self._login:
                expected = base64.b64encode(":".join(self._login).encode()).decode()
                if f"proxy-authorization: basic {expected}".lower() not in [line.lower() for line in lines]:
                    peer.sendall(b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="river"\r\n\r\n')
                    return
            method, target, _ = start.split(" ")
            host, _, _port = target.rpartition(":")
            if method != "CONNECT" or host not in self._names:
                peer.sendall(b"HTTP/1.1 502 Unknown Host\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._names[host])) as beyond:
                peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_relay, args=(beyond, peer), daemon=True)
                back.start()
                _relay(peer, beyond)
                back.join(5)


def _relay(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
