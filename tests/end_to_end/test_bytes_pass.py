"""Every byte of a request and of its answer passes as it came, however it is framed and wherever it is cut."""

from __future__ import annotations

import hashlib
import random

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.rows import Mark
from tests.helpers.upstream import Answer, Do, Upstream, Wait, answer
from tests.helpers.wire import Headers, chunked, cut

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host"}
AGENTS: Headers = [
    ("User-Agent", "Go-http-client/1.1"),
    ("accept", "*/*"),
    ("X-Tag", "first"),
    ("User-Agent", "openai-go/1.0"),
    ("x-tag", "second"),
    ("X-Empty", ""),
    ("X-Odd", "  a  b\t c "),
    ("X-Bytes", "gr\xfc\xdfe"),
]
"""Two User-Agent headers are what a real Go SDK sends; white space inside a value and bytes beyond ASCII are its own business."""


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def end_to_end(headers: Headers) -> Headers:
    """What is no hop's own."""
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP and name != "goldwash-id"]


@pytest.mark.parametrize(("size", "piece"), [(0, None), (1, None), (700, None), (70_000, None), (700, 1), (70_000, 333)])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_answer(goldwash: Goldwash, stage: Upstream, framing: str, size: int, piece: int | None) -> None:
    """An answer arrives byte for byte under each framing, whole or in pieces, and its row holds size and hash."""
    path, body = f"/answer-{framing}-{size}-{piece}", noise(size)
    stage.on(path, lambda _: answer(200, [("Content-Type", "application/octet-stream")], body, framing=framing, piece=piece))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "GET", f"/stage{path}")
    assert (got.status, got.complete, bytes(got.body)) == (200, True, body)
    row = mark.row({"ending": "complete", "status": 200, "method": "GET", "path": path, "response_bytes": size})
    assert row["response_sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("way", ["length", "chunked", "one byte at a time", "chunks of one byte"])
def test_request_body(goldwash: Goldwash, stage: Upstream, way: str) -> None:
    """A request's body arrives byte for byte and keeps its framing."""
    path, body = f"/upload-{way.replace(' ', '-')}", noise(3_000)
    stage.on(path, answer(200, [], b"taken"))
    coded: Headers = [] if way in {"length", "one byte at a time"} else [("Transfer-Encoding", "chunked")]
    pieces = cut(body, 1 if way == "chunks of one byte" else 1000)
    sent = request("POST", f"/stage{path}", coded, chunked(pieces) if coded else body)
    mark = Mark(goldwash)
    with Client(goldwash.port) as client:
        client.send(sent, piece=1 if way == "one byte at a time" else None)
        assert bytes(client.answer("POST").body) == b"taken"
    (arrived,) = stage.to(path)
    assert bytes(arrived.body) == body
    assert bool(arrived.chunks) == bool(coded)
    row = mark.row({"ending": "complete", "request_bytes": len(body)})
    assert row["request_sha256"] == hashlib.sha256(body).hexdigest()


def test_large_upload(goldwash: Goldwash, stage: Upstream) -> None:
    """An upload of 20 MB arrives whole and is hashed whole."""
    body = noise(20_000_000)
    stage.on("/large", answer(200, [], b"taken"))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "POST", "/stage/large", [], body, timeout=60)
    assert got.status == 200
    assert bytes(stage.to("/large")[0].body) == body
    row = mark.row({"ending": "complete", "request_bytes": len(body)})
    assert row["request_sha256"] == hashlib.sha256(body).hexdigest()


def test_answer_cut_at_every_byte(goldwash: Goldwash, stage: Upstream) -> None:
    """Head, chunk sizes and body of an answer can be cut anywhere."""
    whole = b"HTTP/1.1 200 Fine\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    stage.on("/cut", lambda got: Answer([whole[: int(got.query)], Wait(0.003), whole[int(got.query) :]]))
    with Client(goldwash.port) as client:
        for at in range(1, len(whole), 2):
            client.send(request("GET", f"/stage/cut?{at}"))
            got = client.answer()
            assert (got.start_line, bytes(got.body)) == ("HTTP/1.1 200 Fine", b"hello world"), at


def test_request_head_cut_at_every_byte(goldwash: Goldwash, stage: Upstream) -> None:
    """A request can be cut anywhere, and what arrives upstream is the same."""
    body = b'{"model":"x"}'
    sent = request("POST", "/stage/headcut", [("X-One", "1")], body)
    stage.on("/headcut", answer(200, [], b"ok"))
    with Client(goldwash.port) as client:
        for at in range(1, len(sent), 3):
            client.send(sent[:at])
            client.send(sent[at:])
            assert bytes(client.answer("POST").body) == b"ok"
    assert {bytes(got.body) for got in stage.to("/headcut")} == {body}
    assert {got.head for got in stage.to("/headcut")} == {stage.to("/headcut")[0].head}


def test_headers_of_a_request(goldwash: Goldwash, stage: Upstream) -> None:
    """Request headers keep order, spelling and duplicates; Host is the upstream's; hop-by-hop and own headers stay behind."""
    stage.on("/agents", answer(200, [], b"ok"))
    own: Headers = [
        ("goldwash-feature", "search"),
        ("Goldwash-Property-Team", "river"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
    ]
    got = fetch(goldwash.port, "POST", "/stage/agents", [*AGENTS, *own, ("TE", "trailers"), ("Keep-Alive", "timeout=5")], b"{}")
    assert got.status == 200
    (arrived,) = stage.to("/agents")
    expected = [(name, value.strip(" \t")) for name, value in AGENTS]
    assert end_to_end(arrived.headers) == expected
    assert arrived.all("host") == [f"127.0.0.1:{stage.port}"]
    assert arrived.all("content-length") == ["2"]


def test_headers_of_an_answer(goldwash: Goldwash, stage: Upstream) -> None:
    """Answer headers keep order, spelling and duplicates; one header of our own is added, and no Content-Type where none was."""
    sent: Headers = [("Set-Cookie", "a=1"), ("x-ratelimit-remaining", "7"), ("Set-Cookie", "b=2"), ("X-Empty", ""), ("Server", "river/1")]
    stage.on("/cookies", answer(201, [*sent, ("Connection", "X-Hop"), ("X-Hop", "1")], b"made", reason="Quite Made"))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "GET", "/stage/cookies")
    assert got.start_line == "HTTP/1.1 201 Quite Made"
    assert end_to_end(got.headers) in (sent, [*sent, ("X-Hop", "1")])
    assert got.all("goldwash-id") == [str(mark.row()["exchange_id"])]


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models?limit=10&after=a%2Fb%20c&x=1&x=2",
        "/model/us.anthropic.claude%3A0/converse",
        "/v1/a//b;c=d/%41?",
        "/v1beta/models/gemini:generateContent?alt=sse",
        "/v1/q?url=http://other.example/..;a[]=1|{}\"'",
    ],
)
def test_target(goldwash: Goldwash, stage: Upstream, target: str) -> None:
    """The rest of the path and the query go on as they came, unquoted nowhere and quoted nowhere."""
    stage.on(target.partition("?")[0], answer(200, [], b"ok"))
    assert fetch(goldwash.port, "GET", f"/stage{target}").status == 200
    assert stage.to(target.partition("?")[0])[-1].target == target


def test_base_path(goldwash: Goldwash, stage: Upstream) -> None:
    """A path in the upstream's URL stands before the client's."""
    stage.on("/some/base/v1/models", answer(200, [], b"ok"))
    assert fetch(goldwash.port, "GET", "/based/v1/models?a=1").status == 200
    assert stage.to("/some/base/v1/models")[0].query == "a=1"


def test_pipelined_requests(goldwash: Goldwash, stage: Upstream) -> None:
    """Requests sent in one write are answered in their order, one row each."""
    stage.on("/pipe", lambda got: answer(200, [], f"answer {got.query}".encode(), delay=0.02))
    sent = [request("POST", f"/stage/pipe?{number}", [], b"x" * number) for number in range(1, 8)]
    sent.insert(3, request("POST", "/stage/pipe?c", [("Transfer-Encoding", "chunked")], chunked([b"ab", b"c"])))
    mark = Mark(goldwash)
    with Client(goldwash.port) as client:
        client.send(b"".join(sent))
        bodies = [bytes(client.answer("POST").body).decode() for _ in sent]
    assert bodies == [f"answer {name}" for name in ("1", "2", "3", "c", "4", "5", "6", "7")]
    assert [(row["request_bytes"], row["ending"]) for row in mark.rows()] == [(size, "complete") for size in (1, 2, 3, 3, 4, 5, 6, 7)]


def test_keep_alive_on_both_sides(goldwash: Goldwash, stage: Upstream) -> None:
    """One client connection serves many requests, and so does one upstream connection."""
    stage.on("/alive", answer(200, [], b"ok"))
    before = len(stage.connections)
    with Client(goldwash.port) as client:
        for _ in range(20):
            client.send(request("GET", "/stage/alive"))
            assert client.answer().status == 200
    assert len(stage.connections) <= before + 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"])
def test_methods(goldwash: Goldwash, stage: Upstream, method: str) -> None:
    """Other methods than POST pass too, with and without a body."""
    path = f"/method-{method}"
    stage.on(path, lambda got: answer(200, [("Content-Length", "5")], b"" if got.method == "HEAD" else b"river"))
    with Client(goldwash.port) as client:
        client.send(request(method, f"/stage{path}", [], b"" if method in {"GET", "HEAD"} else b"body"))
        got = client.answer(method)
        assert (got.status, got.all("content-length")) == (200, ["5"])
        assert bytes(got.body) == (b"" if method == "HEAD" else b"river")
        client.send(request(method, f"/stage{path}"))  # the connection is still in step
        assert client.answer(method).status == 200
    assert [arrived.method for arrived in stage.to(path)] == [method, method]


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_body(goldwash: Goldwash, stage: Upstream, status: int) -> None:
    """204 and 304 have no body, whatever length they tell, and the connection goes on."""
    headers = [("ETag", '"1"')] + ([("Content-Length", "500")] if status == 304 else [])
    stage.on(f"/none-{status}", answer(status, headers, framing="none"))
    with Client(goldwash.port) as client:
        for _ in range(2):
            client.send(request("GET", f"/stage/none-{status}"))
            got = client.answer()
            assert (got.status, got.complete, got.get("etag")) == (status, True, '"1"')


def test_expect_continue(goldwash: Goldwash, stage: Upstream) -> None:
    """A client that waits for 100 Continue gets it, then sends its body."""
    stage.on("/expect", answer(200, [], b"taken"))
    with Client(goldwash.port) as client:
        client.send(request("POST", "/stage/expect", [("Expect", "100-continue"), ("Content-Length", "4")]))
        got = client.read()
        assert got.startswith(b"HTTP/1.1 100 ")
        client.send(b"gold")
        assert bytes(client.answer("POST").body) == b"taken"
    assert bytes(stage.to("/expect")[0].body) == b"gold"


def test_expectation_refused(goldwash: Goldwash, stage: Upstream) -> None:
    """An upstream that refuses before the body is sent is heard at once."""
    stage.on("/expect-no", Answer([b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"], at_head=True))
    mark = Mark(goldwash)
    with Client(goldwash.port) as client:
        client.send(request("POST", "/stage/expect-no", [("Expect", "100-continue"), ("Content-Length", "4000000")]))
        got = client.answer("POST")
        assert (got.status, bytes(got.body)) == (413, b"no")
    assert mark.row()["status"] == 413


def test_interim_answers(goldwash: Goldwash, stage: Upstream) -> None:
    """Interim answers pass before the final one."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    stage.on("/hints", Answer([hints + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]))
    with Client(goldwash.port) as client:
        client.send(request("GET", "/stage/hints"))
        assert bytes(client.answer().body) == b"ok"
        assert [interim.status for interim in client.interim] == [103, 102]
        assert client.interim[0].get("link") == "</a>"


def test_trailers(goldwash: Goldwash, stage: Upstream) -> None:
    """Trailers of an answer and of a request pass with their chunked body."""
    stage.on("/trailers", answer(200, [("Trailer", "X-Sum")], [b"ab", b"cd"], framing="chunked", trailers=[("X-Sum", "4")]))
    sent = request("POST", "/stage/trailers", [("Transfer-Encoding", "chunked")], chunked([b"gold"], [("X-Check", "9")]))
    with Client(goldwash.port) as client:
        client.send(sent * 2)
        for _ in range(2):
            got = client.answer("POST")
            assert (bytes(got.body), got.trailers) == (b"abcd", [("X-Sum", "4")])
    assert [(bytes(arrived.body), arrived.trailers) for arrived in stage.to("/trailers")] == [(b"gold", [("X-Check", "9")])] * 2


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_client_of_http_1_0(goldwash: Goldwash, stage: Upstream, framing: str) -> None:
    """A client of HTTP/1.0 gets no chunks and sees the end by the close."""
    path = f"/old-{framing}"
    stage.on(path, answer(200, [], b"river" * 100, framing=framing, piece=50))
    with Client(goldwash.port) as client:
        client.send(f"GET /stage{path} HTTP/1.0\r\n\r\n".encode())
        got = client.answer()
        assert (got.status, bytes(got.body), got.all("transfer-encoding")) == (200, b"river" * 100, [])
        assert client.ended()


def test_client_that_closes(goldwash: Goldwash, stage: Upstream) -> None:
    """A client that asks to close is answered and closed; the upstream's connection is kept."""
    stage.on("/closing", answer(200, [], b"ok"))
    with Client(goldwash.port) as client:
        client.send(request("GET", "/stage/closing", [("Connection", "close")]))
        got = client.answer()
        assert (bytes(got.body), got.get("connection")) == (b"ok", "close")
        assert client.ended()
    assert stage.to("/closing")[0].get("connection") is None


def test_answer_before_the_upload_ends(goldwash: Goldwash, stage: Upstream) -> None:
    """An answer that comes before the request has been sent is passed at once, and the next request is still in step."""
    stage.on("/early", Answer([b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"], at_head=True))
    stage.on("/after", answer(200, [], b"ok"))
    with Client(goldwash.port) as client:
        client.send(request("POST", "/stage/early", [("Content-Length", "100000")]) + b"x" * 10)
        assert client.answer("POST").status == 401
        client.send(b"x" * 99_990 + request("GET", "/stage/after"))
        assert bytes(client.answer().body) == b"ok"


@pytest.mark.parametrize("end", [Do.CLOSE, Do.RESET])
def test_upload_that_is_answered_and_cut_off(goldwash: Goldwash, stage: Upstream, end: Do) -> None:
    """An upstream that refuses an upload and hangs up: the client gets the refusal, whole, although it is still sending."""
    path = f"/too-much-{end.value}"
    refusal = b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstop"
    stage.on(path, Answer([refusal, Wait(0.2), end], at_head=True))
    with Client(goldwash.port) as client:
        client.send(request("POST", f"/stage{path}", [], bytes(5_000_000)))
        got = client.answer("POST")
        assert (got.status, bytes(got.body)) == (413, b"stop")


def test_upgrade_that_is_not_taken(goldwash: Goldwash, stage: Upstream) -> None:
    """An offer to speak HTTP/2 is not passed on, and the request with its body is an ordinary one."""
    stage.on("/h2c", answer(200, [], b"ok"))
    offer: Headers = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
    with Client(goldwash.port) as client:
        for _ in range(2):
            client.send(request("POST", "/stage/h2c", offer, b"gold"))
            assert bytes(client.answer("POST").body) == b"ok"
    for arrived in stage.to("/h2c"):
        assert (bytes(arrived.body), arrived.get("upgrade"), arrived.get("http2-settings")) == (b"gold", None, None)


def test_odd_but_right(goldwash: Goldwash, stage: Upstream) -> None:
    """What HTTP allows passes: no reason phrase, other spellings of chunked, a GET with a body, leading zeros in chunk sizes."""
    stage.on("/odd", Answer([b"HTTP/1.1 200\r\nTRANSFER-ENCODING: Chunked\r\n\r\n0005\r\nriver\r\n000\r\n\r\n"]))
    with Client(goldwash.port) as client:
        client.send(request("GET", "/stage/odd", [("Transfer-Encoding", "CHUNKED")], b"004\r\ngold\r\n00\r\n\r\n"))
        got = client.answer()
        assert (got.status, bytes(got.body)) == (200, b"river")
    assert bytes(stage.to("/odd")[0].body) == b"gold"


def test_own_header_cannot_be_forged(goldwash: Goldwash, stage: Upstream) -> None:
    """A goldwash-id of a client or an upstream is dropped: there is one, and it is ours."""
    stage.on("/forged", answer(200, [("Goldwash-Id", "from-upstream")], b"ok"))
    mark = Mark(goldwash)
    got = fetch(goldwash.port, "GET", "/stage/forged", [("goldwash-id", "from-client")])
    assert stage.to("/forged")[0].get("goldwash-id") is None
    assert got.all("goldwash-id") == [str(mark.row()["exchange_id"])]
