"""Ten thousand clients that say nothing, and hundreds that say it very slowly, while one wants an answer."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from tests.faults.account import account
from tests.faults.traffic import Crowd, Stage
from tests.helpers.client import Client, fetch
from tests.helpers.goldwash import Goldwash, memory_of
from tests.helpers.waiting import eventually

IDLE = 10_000
SLOW = 300
MOST_BYTES = 12_000  # of memory for an idle connection


@pytest.fixture
def descriptors() -> Iterator[int]:
    """As many descriptors as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_idle_connections(install, stage_of_faults: Stage, report, descriptors: int) -> None:
    """10,000 connections without a request cost some kilobytes each, none is dropped, and others are served as before."""
    count = min(IDLE, descriptors - 500)
    goldwash: Goldwash = install()
    goldwash.start()
    (worker,) = goldwash.pids("worker")
    fetch(goldwash.port, "GET", "/openai/v1/x?kind=chat")
    before = memory_of(worker)
    idle: list[socket.socket] = []
    try:
        for number in range(count):
            idle.append(socket.create_connection(("127.0.0.1", goldwash.port), 10))
            if number % 500 == 0:
                fetch(goldwash.port, "GET", "/openai/v1/x?kind=chat")
        assert eventually(lambda: f"goldwash_client_connections {count}" in goldwash.metrics(), within=20), goldwash.metrics()
        each = (memory_of(worker) - before) / count
        with Crowd(stage_of_faults, goldwash.port, 4, {"chat": 3, "stream": 1}) as crowd:
            time.sleep(2)
        assert crowd.errors() == []
        slowest = max(request.seconds for request in crowd.requests if request.kind == "chat")
        assert slowest < 2
        with Client(goldwash.port) as spare:  # one of the idle ones wakes up
            spare.socket.close()
            spare.socket = idle.pop()
            spare.send(b"GET /openai/v1/x?kind=chat HTTP/1.1\r\nHost: x\r\n\r\n")
            assert spare.answer().status == 200
    finally:
        for one in idle:
            one.close()
    assert each < MOST_BYTES
    assert eventually(lambda: "goldwash_client_connections 0" in goldwash.metrics(), within=20)
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.verified["unaccounted"]) == ([], 0)
    report(found.line(f"{count:,} idle connections", 1, 0, f"{each / 1000:.1f} KB each; slowest chat beside them {slowest * 1000:.0f} ms"))


def test_slow_loris(install, stage_of_faults: Stage, report) -> None:
    """Clients that send a head byte by byte are answered 408 in their time and closed; others do not notice."""
    goldwash: Goldwash = install(proxy={"client_head_timeout": 2.0})
    goldwash.start()
    head = b"POST /openai/v1/x HTTP/1.1\r\nHost: x\r\nX-Slow: "
    slow = [Client(goldwash.port, timeout=10) for _ in range(SLOW)]
    crowd = Crowd(stage_of_faults, goldwash.port, 4, {"chat": 3, "stream": 1})
    began = time.monotonic()
    with crowd:
        at = 0
        while time.monotonic() - began < 3.5:
            for client in slow:
                with contextlib.suppress(OSError):
                    client.socket.sendall(head[at : at + 1] or b"a")
            at += 1
            time.sleep(0.1)
        statuses = [client.answer("POST") for client in slow]
    assert {answer.status for answer in statuses if answer.head} == {408}
    assert sum(bool(answer.head) for answer in statuses) > SLOW * 0.9
    for client in slow:
        client.socket.close()
    assert crowd.errors() == []
    found = account(goldwash, crowd.requests)
    assert (found.missing, found.verified["unaccounted"]) == ([], 0)
    assert sum(found.endings.values()) == len(crowd.requests), "a head that never came whole was not accepted"
    report(found.line(f"{SLOW} slow-loris clients", 1, 0, "408 after client_head_timeout"))
