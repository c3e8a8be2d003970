"""Steady traffic from many clients at once, each request numbered, so that afterwards every one of them can be asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Self

from tests.helpers.client import Client, request
from tests.helpers.wire import Message

FEATURE = "load"


@dataclass
class Outcome:
    """What the clients saw: numbers of their requests by how they ended for them."""

    whole: set[int] = field(default_factory=set)  # answered to the end
    broken: set[int] = field(default_factory=set)  # sent, and cut off or reset before the end of the answer
    refused: set[int] = field(default_factory=set)  # no connection could be made: never sent


class Load:
    """`clients` threads that send one request after another to `target` until told to stop; use it as a context manager.

    Each request carries its number as `goldwash-property-number`.
    """

    def __init__(self, port: int, target: str, clients: int = 8, per_connection: int = 20) -> None:
        self.outcome = Outcome()
        self._port, self._target, self._per_connection = port, target, per_connection
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Outcome:
        """Let what is under way end; returns how all ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        return self.outcome

    def _number(self) -> int:
        with self._lock:
            self._next += 1
            return self._next

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with Client(self._port, timeout=20) as client:
                    self._converse(client)
            except OSError:
                self._stop.wait(0.02)

    def _converse(self, client: Client) -> None:
        for _ in range(self._per_connection):
            if self._stop.is_set():
                return
            number = self._number()
            headers = [("goldwash-feature", FEATURE), ("goldwash-property-number", str(number))]
            got = Message()
            try:
                client.send(request("POST", self._target, headers, b"x" * (number % 700)))
                got = client.answer("POST")
            except OSError:
                pass
            ended = self.outcome.whole if got.complete and got.status == 200 else self.outcome.broken
            ended.add(number)
            if ended is self.outcome.broken or ("connection", "close") in [(name.lower(), value.lower()) for name, value in got.headers]:
                return
