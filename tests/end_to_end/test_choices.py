"""What an operator may choose about clients: time-outs, what a client that vanishes leaves behind, and the header of our own."""

from __future__ import annotations

import threading
import time

from tests.helpers.certificates import Authority
from tests.helpers.client import Client, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.rows import Mark
from tests.helpers.upstream import Answer, Do, Upstream, answer
from tests.helpers.waiting import eventually
from tests.helpers.wire import head


def test_slow_head(goldwash_tls: Goldwash, authority: Authority) -> None:
    """A client that dribbles its head is answered 408 after client_head_timeout, however steadily it dribbles."""
    began = time.monotonic()
    with Client(goldwash_tls.port, tls=authority.client(), timeout=0.1) as client:
        client.send(b"GET /stage/slow HTTP/1.1\r\nHost: x\r\n")
        while time.monotonic() - began < 10:
            try:
                client.send(b"X: y\r\n")
                got = client.answer()
                break
            except TimeoutError:
                continue
        assert got.status == 408
    assert 0.9 < time.monotonic() - began < 5


def test_answers_are_finished_for_clients_that_left(goldwash_tls: Goldwash, stage: Upstream, authority: Authority) -> None:
    """With on_client_gone = "finish" the answer is taken to its end, so that what it cost is known."""
    stage.on("/finished", answer(200, [], [b"gold"] * 10, framing="chunked", delay=0.05))
    mark = Mark(goldwash_tls)
    with Client(goldwash_tls.port, tls=authority.client()) as client:
        client.send(request("GET", "/stage/finished"))
        while b"gold" not in client.read():
            pass
    assert eventually(mark.rows)
    mark.row({"ending": "client_gone", "status": 200, "response_bytes": 40})
    assert not stage.connection_of("/finished").peer_gone.is_set()


def test_no_session_begins_for_a_client_that_left(goldwash_tls: Goldwash, stage: Upstream, authority: Authority) -> None:
    """With on_client_gone = "finish", too: a session has no end of its own, so one that opens for nobody is closed at once."""
    left = threading.Event()
    switched = head("HTTP/1.1 101 Switching Protocols", [("Connection", "Upgrade"), ("Upgrade", "websocket")])
    stage.on("/left-before", Answer([left, switched + b"\x81\x02hi", Do.STALL]))
    mark = Mark(goldwash_tls)
    asked = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ]
    with Client(goldwash_tls.port, tls=authority.client()) as client:
        client.send(request("GET", "/stage/left-before", asked))
        assert eventually(lambda: stage.to("/left-before"))
    time.sleep(0.2)  # the worker sees that it has gone
    left.set()
    assert eventually(stage.connection_of("/left-before").peer_gone.is_set)
    mark.row({"ending": "client_gone", "status": 101})


def test_no_header_of_our_own(goldwash_tls: Goldwash, stage: Upstream, authority: Authority) -> None:
    """With goldwash_id_header = false an answer has only the provider's headers."""
    stage.on("/plain-headers", answer(200, [("X-One", "1")], b"ok"))
    with Client(goldwash_tls.port, tls=authority.client()) as client:
        client.send(request("GET", "/stage/plain-headers"))
        assert [name.lower() for name, _ in client.answer().headers] == ["x-one", "content-length"]
