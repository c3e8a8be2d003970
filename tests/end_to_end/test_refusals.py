"""What is refused before any upstream is chosen: answered in JSON, closed where framing cannot be trusted, never forwarded, no row."""

from __future__ import annotations

import json

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.rows import Mark
from tests.helpers.upstream import Upstream, answer

GOOD = b"GET /stage/never HTTP/1.1\r\nHost: x\r\n\r\n"


def head(*lines: str | bytes, start: str = "POST /stage/never HTTP/1.1") -> bytes:
    """A head whose lines are exactly these."""
    raw = [line if isinstance(line, bytes) else line.encode("latin-1") for line in (start, "Host: x", *lines)]
    return b"\r\n".join(raw) + b"\r\n\r\n"


MALFORMED = {
    "no http": b"hello there\r\n\r\n",
    "tls hello": bytes.fromhex("1603010200010001fc0303") + bytes(200) + b"\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /stage/never\r\nHost: x\r\n\r\n",
    "version 2.0": head(start="GET /stage/never HTTP/2.0"),
    "version 1.10": head(start="GET /stage/never HTTP/1.10"),
    "space in target": head(start="GET /stage/ne ver HTTP/1.1"),
    "control in target": head(start="GET /stage/ne\x01ver HTTP/1.1"),
    "no host": b"GET /stage/never HTTP/1.1\r\nX: y\r\n\r\n",
    "two hosts": head("Host: y"),
    "no colon": head("X-Broken"),
    "space before colon": head("Content-Length : 4") + b"gold",
    "space before name": head(" X: y"),
    "empty name": head(": y"),
    "odd name": head("X(y): z"),
    "nul in value": head("X: a\0b"),
    "bare cr in value": head(b"X: a\rY: b"),
    "bare lf in value": head(b"X: a\nY: b"),
    "bare lf throughout": b"GET /stage/never HTTP/1.1\nHost: x\n\n",
    "bare lf at the end": b"GET /stage/never HTTP/1.1\r\nHost: x\r\n\n",
    "obs-fold": head("X: a", "  b"),
    "obs-fold of transfer-encoding": head("Transfer-Encoding:", " chunked") + b"0\r\n\r\n",
    "length and chunked": head("Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 4") + b"0\r\n\r\n",
    "two lengths": head("Content-Length: 4", "Content-Length: 5") + b"gold!",
    "two equal lengths": head("Content-Length: 4", "Content-Length: 4") + b"gold",
    "list of lengths": head("Content-Length: 4, 4") + b"gold",
    "signed length": head("Content-Length: +4") + b"gold",
    "negative length": head("Content-Length: -4") + b"gold",
    "hex length": head("Content-Length: 0x4") + b"gold",
    "huge length": head("Content-Length: 99999999999999999999999"),
    "empty length": head("Content-Length:"),
    "unknown coding": head("Transfer-Encoding: gzip"),
    "chunked twice": head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "two codings": head("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + b"0\r\n\r\n",
    "chunked not last": head("Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
    "chunked with control": head("Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
    "chunked in http/1.0": head("Transfer-Encoding: chunked", start="POST /stage/never HTTP/1.0") + b"0\r\n\r\n",
    "connect": head(start="CONNECT other.example:443 HTTP/1.1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(goldwash: Goldwash, stage: Upstream, name: str) -> None:
    """A malformed request is answered with an error and the connection closed; neither it nor what follows is forwarded."""
    stage.on("/never", answer(200, [], b"forwarded"))
    before, mark = len(stage.requests), Mark(goldwash)
    with Client(goldwash.port, timeout=5) as client:
        client.send(MALFORMED[name] + GOOD)
        got = client.answer()
        assert got.status in {400, 431, 501, 505}, got.start_line
        assert json.loads(bytes(got.body))["error"]["message"]
        assert client.ended()
    assert len(stage.requests) == before
    assert mark.rows() == []


CHUNKS = {
    "no size": b"\r\nriver\r\n0\r\n\r\n",
    "no number": b"xyz\r\nriver\r\n0\r\n\r\n",
    "hex prefix": b"0x5\r\nriver\r\n0\r\n\r\n",
    "negative": b"-5\r\nriver\r\n0\r\n\r\n",
    "space before": b" 5\r\nriver\r\n0\r\n\r\n",
    "too large": b"ffffffffffffffffff\r\nriver\r\n0\r\n\r\n",
    "bare lf": b"5\nriver\r\n0\r\n\r\n",
    "bare lf after data": b"5\r\nriver\n0\r\n\r\n",
    "longer than its size": b"5\r\nrivers\r\n0\r\n\r\n",
    "bare lf in extension": b"5;a\nb\r\nriver\r\n0\r\n\r\n",
    "long extension": b"5;" + b"a" * 100_000 + b"\r\nriver\r\n0\r\n\r\n",
    "bare lf in trailer": b"5\r\nriver\r\n0\r\nX: a\nY: b\r\n\r\n",
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", CHUNKS)
def test_malformed_chunks(goldwash: Goldwash, stage: Upstream, name: str, late: bool) -> None:
    """Chunks that are none end the connection; the upstream never sees a whole request, nor the one hidden behind it."""
    stage.on("/never", answer(200, [], b"forwarded"))
    before = len(stage.requests)
    with Client(goldwash.port, timeout=5) as client:
        client.send(head("Transfer-Encoding: chunked"))
        if late:
            client.send(b"2\r\nok\r\n")
        client.send(CHUNKS[name] + GOOD)
        got = client.answer()
        assert got.status == 400
        assert client.ended()
    assert len(stage.requests) == before


def test_chunk_extensions_stay_behind(goldwash: Goldwash, stage: Upstream) -> None:
    """Extensions are taken and not passed on."""
    stage.on("/extended", answer(200, [], b"ok"))
    with Client(goldwash.port) as client:
        client.send(head("Transfer-Encoding: chunked", start="POST /stage/extended HTTP/1.1") + b'5;a="b";c\r\nriver\r\n0\r\n\r\n')
        assert client.answer().status == 200
    assert bytes(stage.to("/extended")[0].body) == b"river"
    assert b";a=" not in stage.connection_of("/extended").received


def test_oversized_head(goldwash: Goldwash, stage: Upstream) -> None:
    """A head beyond the limit gets 431, in one header or in many, ended or not."""
    for sent in (head("X: " + "a" * 70_000), head(*(f"X-{number}: {'a' * 90}" for number in range(800))), b"GET /stage/" + b"a" * 70_000):
        with Client(goldwash.port, timeout=5) as client:
            client.send(sent)
            assert client.answer().status == 431
            assert client.ended()


def test_head_just_under_the_limit(goldwash: Goldwash, stage: Upstream) -> None:
    """A head below the limit passes, however long its headers."""
    stage.on("/long", answer(200, [], b"ok"))
    got = fetch(goldwash.port, "GET", "/stage/long?" + "q" * 20_000, [("X-Long", "a" * 40_000)])
    assert got.status == 200
    assert stage.to("/long")[0].get("x-long") == "a" * 40_000


@pytest.mark.parametrize(
    "target", ["/", "/unknown/v1/chat/completions", "/v1/chat/completions", "/OpenAI/v1", "/openai%2F/v1", "/?x=1", "/%00"]
)
def test_unknown_upstream(goldwash: Goldwash, target: str) -> None:
    """A first path segment that is no upstream gets 404 with the known names, and no row; the connection may go on."""
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "POST", target, [], b"{}")
    assert got.status == 404
    message = json.loads(bytes(got.body))["error"]["message"]
    assert "openai" in message
    assert "stage" in message
    assert mark.rows() == []


@pytest.mark.parametrize(
    "target",
    [
        "/stage/../admin",
        "/stage/v1/%2e%2e/x",
        "/stage/.%2E/x",
        "/based/../../secret",
        "/based/x/..%2f..%2fsecret",
        "http://other.example/v1",
        "//other.example/v1",
        "*",
        "stage/v1",
    ],
)
def test_targets_that_lead_elsewhere(goldwash: Goldwash, stage: Upstream, target: str) -> None:
    """No target leads out of an upstream's base path or to another host."""
    before = len(stage.requests)
    got = fetch(goldwash.port, "GET", target)
    assert got.status in {400, 404}
    assert len(stage.requests) == before


def test_host_of_the_client_chooses_nothing(goldwash: Goldwash, stage: Upstream) -> None:
    """Whatever a client says its Host is, the request goes to the configured upstream under the upstream's name."""
    stage.on("/host", answer(200, [], b"ok"))
    with Client(goldwash.port) as client:
        client.send(request("GET", "/stage/host", [("X-Forwarded-Host", "a.example")], host="169.254.169.254"))
        assert client.answer().status == 200
    assert stage.to("/host")[0].all("host") == [f"127.0.0.1:{stage.port}"]


def test_empty_lines_before_a_request(goldwash: Goldwash, stage: Upstream) -> None:
    """Empty lines before a request line are skipped, as RFC 9112 2.2 asks for."""
    stage.on("/blank", answer(200, [], b"ok"))
    with Client(goldwash.port) as client:
        client.send(b"\r\n\r\n" + request("GET", "/stage/blank") + b"\r\n" + request("GET", "/stage/blank"))
        assert [client.answer().status for _ in range(2)] == [200, 200]


def test_refusals_are_counted(goldwash: Goldwash) -> None:
    """Refused requests have no row and show in the metrics."""
    fetch(goldwash.port, "GET", "/unknown/v1")
    counted = [line for line in goldwash.metrics().splitlines() if "refused" in line and not line.startswith("#")]
    assert sum(float(line.split()[-1]) for line in counted) >= 1
