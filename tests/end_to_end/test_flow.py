"""Pieces pass when they come, and nobody who is slow makes the worker's memory grow."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.helpers.client import Client, request
from tests.helpers.goldwash import Goldwash, memory_of
from tests.helpers.rows import Mark
from tests.helpers.upstream import Answer, Do, Step, Upstream, Wait, answer
from tests.helpers.waiting import eventually
from tests.helpers.wire import head

MB = 1_000_000
ALLOWED = 60 * MB
"""Kernel buffers, the copy that is kept up to `body_cap_mb` (spooled on the way), and some air; far under what is sent."""


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
def test_slow_stream_passes_as_it_comes(goldwash: Goldwash, stage: Upstream, framing: str) -> None:
    """Each piece of a slow answer reaches the client before the next one is sent."""
    gates = [threading.Event() for _ in range(4)]
    pieces = [f"data: {number}\n\n".encode() for number in range(4)]
    plain = answer(200, [("Content-Type", "text/event-stream")], pieces, framing=framing)
    steps: list[Step] = []
    for step in plain.steps:
        gate = next((gates[at] for at, piece in enumerate(pieces) if isinstance(step, bytes) and piece in step), None)
        steps += [gate, step] if gate else [step]
    stage.on(f"/slow-{framing}", Answer(steps))
    with Client(goldwash.port, timeout=5) as client:
        client.send(request("GET", f"/stage/slow-{framing}"))
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += client.read()
        for gate, piece in zip(gates, pieces, strict=True):
            assert piece not in seen
            gate.set()
            while piece not in seen:
                seen += client.read()


def test_first_byte_is_not_delayed(goldwash: Goldwash, stage: Upstream) -> None:
    """The gap between pieces at the client is the gap at the upstream."""
    stage.on("/gaps", answer(200, [], [b"a", b"b", b"c", b"d"], framing="chunked", delay=0.1))
    with Client(goldwash.port) as client:
        client.send(request("GET", "/stage/gaps"))
        client.answer()
        times = [at for at, _ in client.arrivals]
    assert times[-1] - times[0] > 0.25


def flood(size: int) -> Iterator[Step]:
    """An endless-looking answer, made as it is sent."""
    yield head("HTTP/1.1 200 OK", [("Content-Length", str(size))])
    piece = bytes(MB)
    for _ in range(size // MB):
        yield piece


def peak_of(pid: int, until: threading.Event, found: list[int]) -> None:
    while not until.wait(0.05):
        found.append(memory_of(pid))


@contextlib.contextmanager
def no_more_memory(goldwash: Goldwash) -> Iterator[None]:
    """The worker's memory stays where it was, but for what is ALLOWED, while the block lasts."""
    (worker,) = goldwash.pids("worker")
    before = memory_of(worker)
    done, seen = threading.Event(), [before]
    watcher = threading.Thread(target=peak_of, args=(worker, done, seen))
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert max(seen) - before < ALLOWED


def test_client_that_does_not_read(goldwash: Goldwash, stage: Upstream) -> None:
    """200 MB for a client that reads nothing stay at the upstream, and arrive whole once it reads."""
    size = 200 * MB
    stage.on("/flood", lambda _: Answer(flood(size)))
    with no_more_memory(goldwash), Client(goldwash.port, timeout=60, receive_buffer=65536) as client:
        client.send(request("GET", "/stage/flood"))
        time.sleep(1.5)
        got = client.answer()
        assert len(got.body) == size


def test_upstream_that_does_not_read(goldwash: Goldwash, stage: Upstream) -> None:
    """An upload to an upstream that does not read stays at the client, and arrives whole once it does."""
    (worker,) = goldwash.pids("worker")
    before = memory_of(worker)
    gate = threading.Event()
    stage.on("/sluggish", Answer(answer(200, [], b"taken").steps, read_body_after=gate))
    size, sent, seen = 100 * MB, [0], [before]
    with Client(goldwash.port, timeout=60) as client:

        def upload() -> None:
            client.send(request("POST", "/stage/sluggish", [("Content-Length", str(size))]))
            for _ in range(100):
                client.send(bytes(MB))
                sent[0] += 1

        thread = threading.Thread(target=upload)
        thread.start()
        time.sleep(1.5)
        held_back = sent[0]
        seen.append(memory_of(worker))
        gate.set()
        thread.join(60)
        assert client.answer("POST").status == 200
    assert held_back < 60
    assert max(seen) - before < ALLOWED
    assert len(stage.to("/sluggish")[0].body) == size


def test_many_streams_at_once(goldwash: Goldwash, stage: Upstream) -> None:
    """Two hundred slow streams run at once, each whole and each logged once."""
    stage.on("/many", lambda got: answer(200, [], [got.query.encode()] * 10, framing="chunked", delay=0.05))
    mark = Mark(goldwash)
    clients = [Client(goldwash.port, timeout=30) for _ in range(200)]
    began = time.monotonic()
    for number, client in enumerate(clients):
        client.send(request("GET", f"/stage/many?n{number}"))
    bodies = [bytes(client.answer().body) for client in clients]
    took = time.monotonic() - began
    for client in clients:
        client.socket.close()
    assert bodies == [f"n{number}".encode() * 10 for number in range(200)]
    assert took < 10
    rows = mark.rows("stage")
    assert (len(rows), {row["ending"] for row in rows}) == (200, {"complete"})


def test_more_requests_than_connections(goldwash: Goldwash, stage: Upstream) -> None:
    """Requests beyond an upstream's limit of connections wait their turn, and one connection at a time is used."""
    running, most = [0], [0]

    def respond(_: object) -> Answer:
        running[0] += 1
        most[0] = max(most[0], running[0])

        def steps() -> Iterator[Step]:
            yield Wait(0.05)
            running[0] -= 1
            yield head("HTTP/1.1 200 OK", [("Content-Length", "2")]) + b"ok"

        return Answer(steps())

    stage.on("/turns", respond)
    clients = [Client(goldwash.port) for _ in range(8)]
    for client in clients:
        client.send(request("GET", "/narrow/turns"))
    assert [bytes(client.answer().body) for client in clients] == [b"ok"] * 8
    for client in clients:
        client.socket.close()
    assert most == [1]


def test_client_gone_frees_a_connection_that_others_wait_for(goldwash: Goldwash, stage: Upstream) -> None:
    """When a client vanishes, whoever waited for the connection gets its turn."""
    stage.on("/hog", Answer([Do.STALL]))
    stage.on("/next", answer(200, [], b"ok"))
    hog = Client(goldwash.port)
    hog.send(request("GET", "/narrow/hog"))
    assert eventually(lambda: stage.to("/hog"))
    with Client(goldwash.port) as client:
        client.send(request("GET", "/narrow/next"))
        hog.reset()
        assert bytes(client.answer().body) == b"ok"


def test_a_connection_that_served_a_slow_client_serves_the_next(goldwash: Goldwash, stage: Upstream) -> None:
    """Reading from the upstream was stopped for want of room at the client just when the answer ended: it goes on for the next request."""
    stage.on("/short", answer(200, [], b"here"))
    for round_ in range(30):
        size = 4 * MB + round_ * 20_000
        stage.on("/long", answer(200, [], bytes(size)))
        with Client(goldwash.port, timeout=20, receive_buffer=4096) as slow:
            slow.send(request("GET", "/stage/long", []))
            time.sleep(0.05)
            assert len(slow.answer("GET").body) == size
        with Client(goldwash.port, timeout=10) as client:
            client.send(request("GET", "/stage/short", []))
            assert client.answer("GET").body == b"here"


def test_requests_in_a_row_of_a_client_that_does_not_read(goldwash: Goldwash, stage: Upstream) -> None:
    """Answers asked for in a row, of which none is read, stay at the upstream, and arrive whole once the client reads."""
    size, times = 16 * MB, 16
    stage.on("/row", lambda _: Answer(flood(size)))
    with no_more_memory(goldwash), Client(goldwash.port, timeout=60, receive_buffer=65536) as client:
        client.send(request("GET", "/stage/row") * times)
        time.sleep(1.5)
        assert [len(client.answer().body) for _ in range(times)] == [size] * times
