"""WebSocket sessions pass frame by frame, and each is one row."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.helpers.client import fetch
from tests.helpers.goldwash import Goldwash
from tests.helpers.upstream import Upstream, answer
from tests.helpers.waiting import eventually

USAGE = {
    "total_tokens": 60,
    "input_tokens": 40,
    "output_tokens": 20,
    "input_token_details": {"text_tokens": 40, "audio_tokens": 0, "cached_tokens": 8},
    "output_token_details": {"text_tokens": 20, "audio_tokens": 0},
}


def suppressed(connection: ServerConnection) -> Iterator[str | bytes]:
    """Its messages, up to whatever end."""
    with suppress(ConnectionClosed):
        yield from connection


def realtime(connection: ServerConnection) -> None:
    """Something like OpenAI's realtime API: a response with usage for each request, an echo for everything else."""
    connection.send(json.dumps({"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}}))
    number = 0
    for message in suppressed(connection):
        if isinstance(message, str) and '"response.create"' in message:
            number += 1
            item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "gold"}]}
            response = {"id": f"resp_{number}", "object": "realtime.response", "status": "completed", "output": [item], "usage": USAGE}
            connection.send(json.dumps({"type": "response.done", "response": response}))
        else:
            connection.send(message)


@pytest.fixture(scope="module")
def sockets() -> Iterator[Server]:
    with serve(realtime, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, sockets: Server, stage: Upstream) -> Iterator[Goldwash]:
    port = sockets.socket.getsockname()[1]
    upstreams = {"openai": {"url": f"http://127.0.0.1:{port}"}, "stage": {"url": stage.url}}
    with Goldwash(Path(tmp_path_factory.mktemp("live")), upstreams) as running:
        yield running


def url(live: Goldwash, path: str) -> str:
    return f"ws://127.0.0.1:{live.port}{path}"


def test_messages_pass(live: Goldwash) -> None:
    """Text, binary, large, fragmented and empty messages come back as they went, and the close code passes."""
    with connect(url(live, "/openai/echo?case=messages"), max_size=None, additional_headers={"Authorization": "Bearer sk"}) as socket:
        assert json.loads(socket.recv())["type"] == "session.created"
        for message in ["gold", b"\x00\xff" * 10, "grüße 金" * 1000, random.Random(5).randbytes(1_500_000), "", b""]:
            socket.send(message)
            assert socket.recv() == message
        socket.send(iter(["frag", "ment", "ed"]))
        assert socket.recv() == "fragmented"
        assert socket.ping().wait(5)
        socket.close(code=4001, reason="enough")
    row = live.row("query = 'case=messages'")
    assert (row["ending"], row["status"], row["provider"]) == ("complete", 101, "openai")
    assert row["request_bytes"] > 1_500_000
    assert row["response_bytes"] > 1_500_000
    assert row["duration_ms"] > 0


def test_turns_of_a_realtime_session(live: Goldwash) -> None:
    """Each response of a session is a turn with its own usage; the row sums them."""
    with connect(url(live, "/openai/v1/realtime?model=gpt-realtime")) as socket:
        socket.recv()
        for _ in range(3):
            socket.send(json.dumps({"type": "response.create"}))
            assert json.loads(socket.recv())["type"] == "response.done"
    row = live.row("path = '/v1/realtime'")
    assert (row["ending"], row["turns"], row["input_tokens"], row["output_tokens"], row["cache_read_tokens"]) == (
        "complete",
        3,
        120,
        60,
        24,
    )


def test_client_that_vanishes(live: Goldwash, sockets: Server) -> None:
    """A client that drops its session closes it at the upstream as well, and leaves one row."""
    with suppress(ConnectionClosed), connect(url(live, "/openai/echo?case=vanish"), close_timeout=0.1) as socket:
        socket.recv()
        socket.socket.shutdown(SHUT_RDWR)
    assert eventually(lambda: live.rows("query = 'case=vanish'"))
    assert live.row("query = 'case=vanish'")["ending"] in {"client_gone", "complete"}


def test_upstream_that_refuses(live: Goldwash, stage: Upstream) -> None:
    """An upstream that answers an upgrade with an ordinary answer is heard as it is."""
    stage.on("/no-upgrade", answer(401, [("Content-Type", "application/json")], b'{"error":"no key"}', reason="Unauthorized"))
    with pytest.raises(InvalidStatus) as caught:
        connect(url(live, "/stage/no-upgrade"))
    assert caught.value.response.status_code == 401
    assert caught.value.response.body == b'{"error":"no key"}'
    assert stage.to("/no-upgrade")[0].get("upgrade") == "websocket"
    assert live.row("path = '/no-upgrade'")["ending"] == "complete"


def test_unknown_upstream(live: Goldwash) -> None:
    """An upgrade to no upstream gets 404."""
    with pytest.raises(InvalidStatus) as caught:
        connect(url(live, "/nothing/v1/realtime"))
    assert caught.value.response.status_code == 404


def test_many_sessions_beside_other_traffic(live: Goldwash, stage: Upstream) -> None:
    """Fifty sessions at once each get their own messages, and plain requests go on beside them."""
    stage.on("/beside", answer(200, [], b"ok"))
    with ExitStack() as open_sockets:
        sessions = [open_sockets.enter_context(connect(url(live, f"/openai/echo?many={number}"))) for number in range(50)]
        for number, socket in enumerate(sessions):
            socket.recv()
            socket.send(f"own {number}")
        assert fetch(live.port, "GET", "/stage/beside").status == 200
        assert [socket.recv() for socket in sessions] == [f"own {number}" for number in range(50)]
    assert eventually(lambda: len(live.rows("query LIKE 'many=%'")) == 50)
    assert {row["ending"] for row in live.rows("query LIKE 'many=%'")} == {"complete"}
