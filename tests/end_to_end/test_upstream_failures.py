"""Whatever an upstream does wrong, the client hears which upstream and why, and the log holds exactly one row that says so."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import ANTHROPIC, OPENAI
from tests.helpers.rows import Mark
from tests.helpers.upstream import Answer, Do, Upstream, Wait, answer
from tests.helpers.waiting import eventually
from tests.helpers.wire import Message, chunked


def said(got: Message) -> str:
    """The message of an error that is Goldwash's own."""
    assert got.get("content-type") == "application/json", bytes(got.body)
    error: dict[str, Any] = json.loads(bytes(got.body))["error"]
    return str(error["message"])


UNREACHABLE = [
    ("refusing", 502, "refused"),
    ("nowhere", 502, "nowhere.invalid"),
    ("untrusted", 502, "certificate"),
    ("misnamed", 502, "certificate"),
    ("not-https", 502, "TLS"),
]


@pytest.mark.parametrize(("upstream", "status", "why"), UNREACHABLE)
def test_unreachable(goldwash: Goldwash, upstream: str, status: int, why: str) -> None:
    """An upstream that cannot be reached gives a JSON error with its name and the reason, and a row."""
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "POST", f"/{upstream}/v1/chat/completions", [("Content-Type", "application/json")], b'{"model":"x"}')
    assert got.status == status
    assert f"upstream {upstream}" in said(got)
    assert why in said(got)
    row = mark.row({"provider": upstream, "ending": "upstream_error", "cost_usd": None, "input_tokens": None, "response_bytes": 0})
    assert row["error_type"]
    assert why in row["error_message"]
    assert row["request_bytes"] == 13
    assert got.all("goldwash-id") == [str(row["exchange_id"])]


def test_unreachable_while_a_body_is_uploaded(goldwash: Goldwash) -> None:
    """The error reaches a client that is still sending, and nothing of the body is held."""
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "POST", "/refusing/v1/files", [], bytes(3_000_000))
    assert got.status == 502
    mark.row({"ending": "upstream_error"})


def test_unreachable_before_the_body_is_sent(goldwash: Goldwash) -> None:
    """A client that waits for 100 Continue hears that nobody is there."""
    with Client(goldwash.port) as client:
        client.send(request("POST", "/refusing/v1", [("Expect", "100-continue"), ("Content-Length", "1000000")]))
        assert client.answer("POST").status == 502


def test_connection_lost_within_an_upload(goldwash: Goldwash, stage: Upstream) -> None:
    """An upstream that resets while a request is being sent gives 502, which reaches the client although it is still sending."""
    stage.on("/lost-upload", Answer([Wait(0.05), Do.RESET], at_head=True, read_body_after=threading.Event()))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "POST", "/stage/lost-upload", [], bytes(20_000_000))
    assert got.status == 502
    mark.row({"ending": "upstream_error"})


def test_no_answer_in_time(goldwash: Goldwash, stage: Upstream) -> None:
    """An upstream that takes the request and stays silent gives 504 after first_byte_timeout, and is hung up on."""
    stage.on("/silent", Answer([Do.STALL]))
    mark, began = Mark(goldwash), time.monotonic()
    got = fetch(goldwash.port, "POST", "/impatient/silent", [], b"{}")
    assert got.status == 504
    assert 0.9 < time.monotonic() - began < 4
    assert "upstream impatient" in said(got)
    assert eventually(stage.connection_of("/silent").peer_gone.is_set)
    mark.row({"ending": "upstream_error", "error_type": "first_byte_timeout"})


def test_silence_within_an_answer(goldwash: Goldwash, stage: Upstream) -> None:
    """An answer that falls silent is cut after silence_timeout, so that the client sees it; what had come is kept."""
    stage.on("/hush", Answer([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nriver\r\n", Do.STALL]))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "GET", "/impatient/hush")
    assert (bytes(got.body), got.complete) == (b"river", False)
    mark.row({"ending": "partial", "status": 200, "response_bytes": 5})


def test_slow_answer_within_the_limits(goldwash: Goldwash, stage: Upstream) -> None:
    """Pieces that keep coming may take longer in all than any limit."""
    stage.on("/steady", answer(200, [], [b"x"] * 8, framing="chunked", delay=0.4))
    assert bytes(fetch(goldwash.port, "GET", "/impatient/steady").body) == b"x" * 8


@pytest.mark.parametrize("how", [Do.CLOSE, Do.RESET])
def test_closed_without_an_answer(goldwash: Goldwash, stage: Upstream, how: Do) -> None:
    """A connection that is closed instead of answered gives 502 and a row."""
    stage.on(f"/closed-{how.value}", Answer([how]))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "POST", f"/stage/closed-{how.value}", [], b"{}")
    assert got.status == 502
    assert "upstream stage" in said(got)
    mark.row({"ending": "upstream_error"})


@pytest.mark.parametrize("how", [Do.CLOSE, Do.RESET])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_cut_in_the_middle(goldwash: Goldwash, stage: Upstream, framing: str, how: Do) -> None:
    """An answer that breaks off reaches the client as far as it came and as a broken one; its row is partial."""
    path = f"/broken-{framing}-{how.value}"
    begin = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 100" if framing == "length" else b"Transfer-Encoding: chunked") + b"\r\n\r\n"
    piece = b"0123456789" if framing == "length" else b"14\r\n0123456789"
    stage.on(path, Answer([begin + piece, Wait(0.05), how]))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "GET", f"/stage{path}")
    assert (bytes(got.body), got.complete) == (b"0123456789", False)
    row = mark.row({"ending": "partial", "status": 200, "response_bytes": 10})
    assert row["error_type"]


@pytest.mark.parametrize(
    ("name", "bytes_sent"),
    [
        ("noise", bytes(range(256)) * 4),
        ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("http2", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("status", b"HTTP/1.1 abc OK\r\n\r\n"),
        ("header", b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\nok"),
        ("nul", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok"),
        ("length", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
        ("lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
        ("coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok"),
        ("switch", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        ("head", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 400_000 + b"\r\n\r\n"),
    ],
)
def test_garbage_for_a_head(goldwash: Goldwash, stage: Upstream, name: str, bytes_sent: bytes) -> None:
    """An answer that is no HTTP/1.1 gives 502 and never reaches the client; the connection is not used again."""
    stage.on(f"/garbage-{name}", Answer([bytes_sent, Do.STALL]))
    stage.on("/sane", answer(200, [], b"ok"))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "GET", f"/stage/garbage-{name}", timeout=5)
    assert got.status == 502
    assert "upstream stage" in said(got)
    mark.row({"ending": "upstream_error"})
    assert bytes(fetch(goldwash.port, "GET", "/stage/sane").body) == b"ok"


@pytest.mark.parametrize(
    "chunk", [b"zz\r\nriver\r\n", b"5\r\nriverX\r\n", b"-5\r\nriver\r\n", b"fffffffffffffffff\r\nriver\r\n", b" 5\r\nriver\r\n"]
)
def test_garbage_for_a_chunk(goldwash: Goldwash, stage: Upstream, chunk: bytes) -> None:
    """Chunks that are none end the answer visibly; the row is partial."""
    path = f"/chunk-{chunk[:3].hex()}"
    stage.on(
        path, Answer([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Wait(0.05), chunk + b"0\r\n\r\n", Do.STALL])
    )
    mark = Mark(goldwash)
    with Client(goldwash.port, timeout=5) as client:
        client.send(request("GET", f"/stage{path}"))
        seen = b""
        while piece := client.read():
            seen += piece
    assert b"2\r\nok\r\n" in seen
    assert not seen.endswith(b"0\r\n\r\n")
    mark.row({"ending": "partial", "status": 200})


def test_length_and_chunks_at_once(goldwash: Goldwash, stage: Upstream) -> None:
    """An answer that tells a length and chunks never reaches the client with both: whoever stands before us could be smuggled to."""
    both = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked([b"river"])
    stage.on("/both", Answer([both]))
    with Client(goldwash.port) as client:
        client.send(request("GET", "/stage/both"))
        raw = client.read()
    head = raw.partition(b"\r\n\r\n")[0].lower()
    assert not (b"content-length" in head and b"transfer-encoding" in head)


def test_bytes_after_an_answer(goldwash: Goldwash, stage: Upstream) -> None:
    """Bytes that an upstream sends after its answer never become somebody else's answer."""
    extra = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    stage.on("/extra", Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + extra]))
    stage.on("/late", Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", Wait(0.05), extra]))
    stage.on("/sane", answer(200, [], b"ok"))
    for path in ("/extra", "/late", "/extra"):
        assert bytes(fetch(goldwash.port, "GET", f"/stage{path}").body) == b"good"
        time.sleep(0.1 if path == "/late" else 0)
        assert bytes(fetch(goldwash.port, "GET", "/stage/sane").body) == b"ok"


def test_idle_connections_that_the_upstream_closes(goldwash: Goldwash, stage: Upstream) -> None:
    """An upstream that closes idle connections without having said so breaks no request."""
    stage.on("/curt", lambda _: answer(200, [], b"ok").then(Do.CLOSE))
    with Client(goldwash.port) as client:
        for number in range(100):
            client.send(request("POST", "/stage/curt", [], b"{}"))
            got = client.answer("POST")
            assert (got.status, bytes(got.body)) == (200, b"ok"), (number, bytes(got.body))
            time.sleep(0.01)  # its FIN is on the way: what crosses it cannot be sent again, the upstream may have acted


def test_stream_without_its_end(goldwash: Goldwash, providers: dict[str, Upstream]) -> None:
    """A stream that ends cleanly without its dialect's last event is partial, though its framing was whole."""
    for upstream, recording in (("openai", OPENAI["chat_stream"]), ("anthropic", ANTHROPIC["messages_stream"])):
        headers = [("Content-Type", recording.content_type)]
        providers[upstream].on("/cut" + recording.path, answer(200, headers, recording.pieces[:-3], framing="chunked"))
        mark = Mark(goldwash)
        body = json.dumps({"model": recording.model, "stream": True}).encode()
        got = fetch(goldwash.port, "POST", f"/{upstream}/cut{recording.path}", [("Content-Type", "application/json")], body)
        assert bytes(got.body) == b"".join(recording.pieces[:-3])
        row = mark.row({"ending": "partial", "status": 200})
        assert row["output_text"]


def test_error_of_the_upstream_passes(goldwash: Goldwash, stage: Upstream) -> None:
    """An error answer is the provider's own, byte for byte, with its retry-after."""
    body = b'{"error":{"message":"slow down","type":"rate_limit"}}'
    headers = [("Content-Type", "application/json"), ("Retry-After", "3")]
    stage.on("/limited", answer(429, headers, body, reason="Too Many Requests"))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "POST", "/stage/limited", [], b"{}")
    assert (got.status, bytes(got.body), got.get("retry-after")) == (429, body, "3")
    mark.row({"status": 429, "ending": "complete"})
