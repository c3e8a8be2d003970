"""Clients that hang up before, during and after: one row each, and the upstream is not kept busy for nobody."""

from __future__ import annotations

import json
import time

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import OPENAI
from tests.helpers.rows import Mark
from tests.helpers.upstream import Answer, Do, Upstream, answer, unfinished
from tests.helpers.waiting import eventually


@pytest.fixture(params=["reset", "close"])
def leave(request: pytest.FixtureRequest) -> str:
    """How the client leaves: with RST, or with FIN."""
    return str(request.param)


def hang_up(client: Client, how: str) -> None:
    if how == "reset":
        client.reset()
    else:
        client.socket.close()


def test_before_the_head_is_whole(goldwash: Goldwash, stage: Upstream, leave: str) -> None:
    """Half a head is no request: nothing is forwarded and nothing is logged."""
    mark, before = Mark(goldwash), len(stage.begun)
    client = Client(goldwash.port)
    client.send(b"POST /stage/half HTTP/1.1\r\nHost: x\r\nContent-Le")
    time.sleep(0.05)
    hang_up(client, leave)
    assert fetch(goldwash.port, "GET", "/unknown").status == 404
    assert mark.rows() == []
    assert len(stage.begun) == before


def test_within_the_request(goldwash: Goldwash, stage: Upstream, leave: str) -> None:
    """A request that breaks off is client_gone with what had arrived; the upstream sees it break off too."""
    path = f"/half-sent-{leave}"
    stage.on(path, answer(200, [], b"ok"))
    mark = Mark(goldwash)
    client = Client(goldwash.port)
    client.send(request("POST", f"/stage{path}", [("Content-Length", "1000")]) + b"x" * 400)
    assert eventually(lambda: [got for got in stage.begun if got.path == path])
    hang_up(client, leave)
    assert eventually(stage.connection_of(path).peer_gone.is_set)
    assert eventually(mark.rows)
    mark.row({"ending": "client_gone", "request_bytes": 400})
    assert stage.to(path) == []


def test_while_waiting(goldwash: Goldwash, stage: Upstream, leave: str) -> None:
    """A client that leaves before the first byte: the upstream is hung up on, the row is client_gone without a status."""
    path = f"/waiting-{leave}"
    stage.on(path, Answer([Do.STALL]))
    mark = Mark(goldwash)
    client = Client(goldwash.port)
    client.send(request("POST", f"/stage{path}", [], b"{}"))
    assert eventually(lambda: stage.to(path))
    hang_up(client, leave)
    assert eventually(stage.connection_of(path).peer_gone.is_set)
    assert eventually(mark.rows)
    mark.row({"ending": "client_gone", "status": None, "response_bytes": 0, "request_bytes": 2})


def test_within_a_stream(goldwash: Goldwash, providers: dict[str, Upstream], leave: str) -> None:
    """A client that leaves a stream: what had passed is kept and read."""
    recording = OPENAI["chat_stream"]
    path = f"/left-{leave}{recording.path}"
    providers["openai"].on(path, unfinished(recording.pieces[:3], [("Content-Type", recording.content_type)]))
    mark = Mark(goldwash)
    body = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": []}).encode()
    client = Client(goldwash.port)
    client.send(request("POST", f"/openai{path}", [("Content-Type", "application/json")], body))
    seen = b""
    while recording.pieces[2] not in seen:
        seen += client.read()
    hang_up(client, leave)
    assert eventually(providers["openai"].connection_of(path).peer_gone.is_set)
    assert eventually(mark.rows)
    row = mark.row({"ending": "client_gone", "status": 200, "output_text": "Gold is found where the river"})
    assert row["response_bytes"] == sum(map(len, recording.pieces[:3]))


def test_after_the_answer(goldwash: Goldwash, stage: Upstream, leave: str) -> None:
    """A client that leaves after its answer changes nothing."""
    stage.on("/done", answer(200, [], b"ok"))
    mark = Mark(goldwash)
    client = Client(goldwash.port)
    client.send(request("GET", "/stage/done"))
    client.answer()
    hang_up(client, leave)
    mark.row({"ending": "complete"})


def test_with_requests_pipelined(goldwash: Goldwash, stage: Upstream, leave: str) -> None:
    """Of pipelined requests only those that were begun have a row."""
    path = f"/piped-{leave}"
    stage.on(path, Answer([Do.STALL]))
    mark = Mark(goldwash)
    client = Client(goldwash.port)
    client.send(request("GET", f"/stage{path}") * 3)
    assert eventually(lambda: stage.to(path))
    hang_up(client, leave)
    assert eventually(mark.rows)
    mark.row({"ending": "client_gone"})


def test_many_at_once(goldwash: Goldwash, stage: Upstream) -> None:
    """A hundred clients that leave at odd moments are a hundred rows, all accounted for."""
    stage.on("/crowd", lambda _: answer(200, [], [b"x" * 100] * 20, framing="chunked", delay=0.01))
    mark = Mark(goldwash)
    clients = [Client(goldwash.port) for _ in range(100)]
    for client in clients:
        client.send(request("GET", "/stage/crowd"))
    for number, client in enumerate(clients):
        time.sleep(0.003)
        hang_up(client, "reset" if number % 2 else "close")
    assert eventually(lambda: len(mark.rows()) == 100)
    assert {row["ending"] for row in mark.rows()} <= {"client_gone", "complete"}
