"""A request is one request to everybody: the lane refuses what is ambiguous, and what it forwards reads the same to three other parsers.

Each case is sent to the lane and to nginx, with a good request behind it on the same connection. What then arrived upstream is taken apart
by the tests' own parser and by h11, and sent once more through nginx: all must see the same requests, and none that was hidden.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import pytest

from tests.helpers.goldwash import Goldwash
from tests.helpers.nginx import Nginx, nginx_path
from tests.helpers.upstream import Upstream, answer

QUIET = 0.8  # seconds without a byte after which an answer is taken to be over


@dataclass(frozen=True)
class Case:
    """Bytes of a client; MARK stands for the case's own path. `passes`: bodies of the requests that may be forwarded, () = refused."""

    sent: bytes
    passes: tuple[bytes, ...] = ()
    nginx: str = ""  # why nginx, other than the lane, forwards or refuses it; "" = both do the same


def post(*lines: bytes | str, body: bytes = b"", start: str = "POST MARK HTTP/1.1", host: bool = True) -> bytes:
    """A request whose head is exactly these lines."""
    raw = [line.encode("latin-1") if isinstance(line, str) else line for line in (start, *(("Host: x",) if host else ()), *lines)]
    return b"\r\n".join(raw) + b"\r\n\r\n" + body


CHUNKED = "Transfer-Encoding: chunked"
TEA = b"3\r\ntea\r\n0\r\n\r\n"
HIDDEN = b"GET /stage/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
LENIENT = "nginx takes a bare line feed for a line's end"
STRICT = "nginx refuses what is right by RFC 9112"

CASES: dict[str, Case] = {
    # what is right
    "length": Case(post("Content-Length: 3", body=b"tea"), (b"tea",)),
    "length with spaces around": Case(post("Content-Length:   3  ", body=b"tea"), (b"tea",)),
    "length with a leading zero": Case(post("Content-Length: 03", body=b"tea"), (b"tea",)),
    "length of a GET": Case(post("Content-Length: 3", body=b"tea", start="GET MARK HTTP/1.1"), (b"tea",)),
    "chunked": Case(post(CHUNKED, body=TEA), (b"tea",)),
    "chunked, another case": Case(post("transfer-ENCODING: CHUNKED", body=TEA), (b"tea",)),
    "chunked of a DELETE": Case(post(CHUNKED, body=TEA, start="DELETE MARK HTTP/1.1"), (b"tea",)),
    "no body": Case(post(start="GET MARK HTTP/1.1"), (b"",)),
    "three at once": Case(
        post("Content-Length: 3", body=b"one") + post(CHUNKED, body=TEA) + post(start="GET MARK HTTP/1.1"), (b"one", b"tea", b"")
    ),
    "empty lines before": Case(b"\r\n\r\n" + post(start="GET MARK HTTP/1.1"), (b"",)),
    "a body that looks like a request": Case(post(f"Content-Length: {len(HIDDEN)}", body=HIDDEN), (HIDDEN,)),
    "chunk extension": Case(post(CHUNKED, body=b'3;a="b";c\r\ntea\r\n0\r\n\r\n'), (b"tea",)),
    "chunk size with zeros": Case(post(CHUNKED, body=b"0003\r\ntea\r\n000\r\n\r\n"), (b"tea",)),
    "trailer": Case(post(CHUNKED, body=b"3\r\ntea\r\n0\r\nX-Sum: 1\r\n\r\n"), (b"tea",)),
    "bytes beyond ASCII in a value": Case(post("X-Name: M\xfcller", start="GET MARK HTTP/1.1"), (b"",)),
    "expect": Case(post("Content-Length: 3", "Expect: 100-continue", body=b"tea"), (b"tea",)),
    "h2c": Case(
        post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", start="GET MARK HTTP/1.1"), (b"",)
    ),
    "upgrade of a POST": Case(post("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 3", body=b"tea"), (b"tea",)),
    # two lengths
    "length and chunked": Case(post("Content-Length: 3", CHUNKED, body=b"0\r\n\r\n" + HIDDEN)),
    "chunked and length": Case(post(CHUNKED, f"Content-Length: {5 + len(HIDDEN)}", body=b"0\r\n\r\n" + HIDDEN)),
    "two lengths": Case(post("Content-Length: 3", f"Content-Length: {3 + len(HIDDEN)}", body=b"tea" + HIDDEN)),
    "two equal lengths": Case(post("Content-Length: 3", "Content-Length: 3", body=b"tea")),
    "two lengths apart, with other pairs": Case(
        post("Content-Length: 3", "api-key: a", "Content-Length: 0", "api-key: b", "Origin: a", "Origin: b", body=b"tea")
    ),
    "list of lengths": Case(post("Content-Length: 3, 3", body=b"tea")),
    "length with a comma": Case(post("Content-Length: 3,", body=b"tea")),
    "length and length with a space": Case(post("Content-Length: 3", "Content-Length : 0", body=b"tea")),
    "length and underscore": Case(post("Content-Length: 3", "Content_Length: 0", body=b"tea"), (b"tea",)),
    "length hidden by Connection": Case(
        post(f"Content-Length: {len(HIDDEN)}", "Connection: content-length", body=HIDDEN), (), "nginx keeps the length"
    ),
    "chunked hidden by Connection": Case(post(CHUNKED, "Connection: close, transfer-encoding", body=TEA), (), "nginx keeps the coding"),
    "host hidden by Connection": Case(post("Connection: host", start="GET MARK HTTP/1.1"), (), "nginx keeps the host"),
    # lengths that are none
    "signed length": Case(post("Content-Length: +3", body=b"tea")),
    "negative length": Case(post("Content-Length: -1", body=b"tea")),
    "hex length": Case(post("Content-Length: 0x3", body=b"tea")),
    "length with text": Case(post("Content-Length: 3a", body=b"tea")),
    "two numbers": Case(post("Content-Length: 3 3", body=b"tea")),
    "length beyond 64 bits": Case(post("Content-Length: 18446744073709551619", body=b"tea")),
    "length with digits of another script": Case(post(b"Content-Length: \xd9\xa3", body=b"tea")),
    "empty length": Case(post("Content-Length: ", body=b"")),
    "length with a vertical tab": Case(post(b"Content-Length: \x0b3", body=b"tea")),
    # codings that are none
    "identity": Case(post("Transfer-Encoding: identity", body=b"")),
    "chunked, then identity": Case(post("Transfer-Encoding: chunked, identity", body=TEA)),
    "identity, then chunked": Case(post("Transfer-Encoding: identity, chunked", body=TEA)),
    "chunked twice in one": Case(post("Transfer-Encoding: chunked, chunked", body=TEA)),
    "chunked twice": Case(post(CHUNKED, CHUNKED, body=TEA)),
    "chunked twice, with other pairs": Case(post(CHUNKED, "api-key: a", "Transfer-Encoding: identity", "api-key: b", body=TEA)),
    "chunked with a parameter": Case(post("Transfer-Encoding: chunked;q=1", body=TEA)),
    "quoted chunked": Case(post('Transfer-Encoding: "chunked"', body=TEA)),
    "xchunked": Case(post("Transfer-Encoding: xchunked", body=TEA)),
    "chunked with NUL": Case(post(b"Transfer-Encoding: chunked\0", body=TEA)),
    "chunked with a vertical tab": Case(post(b"Transfer-Encoding: \x0bchunked", body=TEA)),
    "empty coding and length": Case(post("Transfer-Encoding: ", "Content-Length: 3", body=b"tea")),
    "chunked in HTTP/1.0": Case(post(CHUNKED, body=TEA, start="POST MARK HTTP/1.0")),
    "coding with an underscore": Case(post("Transfer_Encoding: chunked", "Content-Length: 3", body=b"tea"), (b"tea",)),
    # names that are none
    "space before the colon": Case(post("Transfer-Encoding : chunked", body=TEA)),
    "tab before the colon": Case(post("Transfer-Encoding\t: chunked", body=TEA)),
    "NUL before the colon": Case(post(b"Transfer-Encoding\0: chunked", body=TEA)),
    "space before the name": Case(post(" Transfer-Encoding: chunked", body=TEA)),
    "obs-fold": Case(post("X-A: b", " c", start="GET MARK HTTP/1.1")),
    "obs-fold of the coding": Case(post("Transfer-Encoding:", " chunked", body=TEA)),
    "coding after a bare LF": Case(post(b"X-A: b\nTransfer-Encoding: chunked", body=TEA), (), LENIENT),
    "coding after a bare CR": Case(post(b"X-A: b\rTransfer-Encoding: chunked", body=TEA)),
    "NUL in a value": Case(post(b"X-A: b\0c", start="GET MARK HTTP/1.1")),
    "no colon": Case(post("X-Broken", start="GET MARK HTTP/1.1"), (), "nginx leaves odd names out, and passes the rest"),
    "empty name": Case(post(": b", start="GET MARK HTTP/1.1")),
    "name with a bracket": Case(post("X(a): b", start="GET MARK HTTP/1.1"), (), "nginx leaves odd names out, and passes the rest"),
    "bare LF throughout": Case(b"GET MARK HTTP/1.1\nHost: x\n\n", (), LENIENT),
    "head that ends in LF": Case(b"GET MARK HTTP/1.1\r\nHost: x\r\n\n", (), LENIENT),
    "CR CR LF": Case(b"GET MARK HTTP/1.1\r\r\nHost: x\r\n\r\n"),
    # chunks that are none
    "chunk with bare LF": Case(post(CHUNKED, body=b"3\ntea\r\n0\r\n\r\n"), (), LENIENT),
    "chunk data with bare LF": Case(post(CHUNKED, body=b"3\r\ntea\n0\r\n\r\n"), (), LENIENT),
    "chunk size with 0x": Case(post(CHUNKED, body=b"0x3\r\ntea\r\n0\r\n\r\n")),
    "chunk size with a sign": Case(post(CHUNKED, body=b"+3\r\ntea\r\n0\r\n\r\n")),
    "chunk size after a space": Case(post(CHUNKED, body=b" 3\r\ntea\r\n0\r\n\r\n")),
    "chunk size beyond 64 bits": Case(post(CHUNKED, body=b"10000000000000003\r\ntea\r\n0\r\n\r\n")),
    "chunk longer than its size": Case(post(CHUNKED, body=b"3\r\nteas\r\n0\r\n\r\n")),
    "extension with a bare LF": Case(post(CHUNKED, body=b"3;a\nb\r\ntea\r\n0\r\n\r\n"), (), LENIENT),
    "extension with a bare CR": Case(post(CHUNKED, body=b"3;a\rb\r\ntea\r\n0\r\n\r\n"), (), "nginx skips what stands in an extension"),
    "last chunk without its end": Case(post(CHUNKED, body=b"3\r\ntea\r\n0\r\n" + HIDDEN), (), "nginx takes a request line for a trailer"),
    "length in a trailer": Case(post(CHUNKED, body=b"3\r\ntea\r\n0\r\nContent-Length: 9\r\n\r\n"), (), "nginx drops trailers"),
    "coding in a trailer": Case(post(CHUNKED, body=b"3\r\ntea\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), (), "nginx drops trailers"),
    "trailer with obs-fold": Case(post(CHUNKED, body=b"3\r\ntea\r\n0\r\nX-A: b\r\n c\r\n\r\n"), (), "nginx drops trailers"),
    # request lines that are none
    "HTTP/0.9": Case(b"GET MARK\r\n\r\n", (), "nginx still speaks HTTP/0.9"),
    "HTTP/2.0": Case(post(start="GET MARK HTTP/2.0")),
    "HTTP/1.2": Case(post(start="GET MARK HTTP/1.2"), (), "nginx takes any HTTP/1.x"),
    "preface of HTTP/2": Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "lower-case method": Case(post(start="get MARK HTTP/1.1")),
    "method with a colon": Case(post(start="GET: MARK HTTP/1.1")),
    "space in the target": Case(post(start="GET MARK/a b HTTP/1.1")),
    "tab in the request line": Case(post(start="GET\tMARK\tHTTP/1.1")),
    "NUL in the target": Case(post(start="GET MARK/\0 HTTP/1.1")),
    "CR in the target": Case(post(start="GET MARK/\rX HTTP/1.1")),
    "fragment": Case(post(start="GET MARK#key=a HTTP/1.1"), (), "nginx cuts a fragment off"),
    "dots": Case(post(start="GET MARK/../../etc HTTP/1.1"), (), "nginx resolves dots, and passes the rest"),
    "escaped dots": Case(post(start="GET MARK/%2e%2e/%2e%2e/etc HTTP/1.1"), (), "nginx resolves dots, and passes the rest"),
    "another host in the target": Case(post(start="GET http://other.example/stage/x HTTP/1.1"), (), "nginx serves any host"),
    "network path": Case(post(start="GET //other.example/stage/x HTTP/1.1"), (), "nginx merges slashes"),
    "CONNECT": Case(post(start="CONNECT other.example:443 HTTP/1.1")),
    "TRACE": Case(post(start="TRACE MARK HTTP/1.1")),
    "asterisk": Case(post(start="OPTIONS * HTTP/1.1")),
    # hosts
    "two hosts": Case(post("Host: y", start="GET MARK HTTP/1.1")),
    "two hosts, with other pairs": Case(post("api-key: a", "Host: y", "api-key: b", start="GET MARK HTTP/1.1")),
    "no host": Case(post(start="GET MARK HTTP/1.1", host=False)),
    "host with a space before the colon": Case(post("Host : y", start="GET MARK HTTP/1.1")),
    # too much
    "huge header": Case(post("X-A: " + "a" * 100_000, start="GET MARK HTTP/1.1")),
    "many headers": Case(post(*(f"X-{n}: a" for n in range(9000)), start="GET MARK HTTP/1.1")),
    "huge target": Case(post(start="GET MARK/" + "a" * 100_000 + " HTTP/1.1")),
    "huge method": Case(post(start="A" * 100_000 + " MARK HTTP/1.1")),
}


def path_of(name: str) -> str:
    """The path of a case: under the upstream's name, and its own."""
    return f"/stage/case-{list(CASES).index(name)}"


def bytes_of(name: str) -> bytes:
    """What is sent: the case, and a good request behind it."""
    path = path_of(name).encode()
    return CASES[name].sent.replace(b"MARK", path) + b"GET " + path + b"/after HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass(frozen=True)
class Seen:
    """What came of one case behind one proxy."""

    bodies: tuple[bytes, ...]  # of the requests for the case's path
    after: int  # how often the good request behind it came
    hidden: int  # how often the hidden one came
    said: bytes  # to the client
    closed: bool


def converse(port: int, data: bytes) -> tuple[bytes, bool]:
    """Send, and read until the peer hangs up or falls silent."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        try:
            client.sendall(data)
            client.settimeout(QUIET)
            while piece := client.recv(65536):
                said += piece
        except TimeoutError:
            return said, False
        except OSError:
            pass
    return said, True


def outcomes(port: int, upstream: Upstream, prefix: str) -> dict[str, Seen]:
    """All cases through one proxy, at the same time. prefix: what the proxy takes off the path."""
    with ThreadPoolExecutor(24) as pool:
        said = dict(zip(CASES, pool.map(lambda name: converse(port, bytes_of(name)), CASES), strict=True))
    found = {}
    for name in CASES:
        path = path_of(name).removeprefix(prefix)
        came = [
            got for got in upstream.requests if got.path == path or (got.path.startswith(f"{path}/") and not got.path.endswith("/after"))
        ]
        found[name] = Seen(
            tuple(bytes(got.body) for got in came),
            len(upstream.to(f"{path}/after")),
            len(upstream.to("/stage/hidden".removeprefix(prefix))),
            *said[name],
        )
    return found


@dataclass(frozen=True)
class Theatre:
    """The lane and nginx after all cases, and what the lane's upstream received."""

    lane: dict[str, Seen]
    nginx: dict[str, Seen] | None
    upstream: Upstream


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Every case, sent to both."""
    directory = tmp_path_factory.mktemp("smuggling")
    with Upstream(lambda _: answer(200, [], b"ok")) as behind_lane, Upstream(lambda _: answer(200, [], b"ok")) as behind_nginx:
        with Goldwash(directory, {"stage": {"url": behind_lane.url}}) as goldwash:
            lane = outcomes(goldwash.port, behind_lane, "/stage")
            assert goldwash.ready()
            assert "fault" not in goldwash.output()
        nginx = None
        if nginx_path() is not None:
            with Nginx(directory / "nginx", behind_nginx.port) as second:
                nginx = outcomes(second.port, behind_nginx, "")
        yield Theatre(lane, nginx, behind_lane)


@pytest.mark.parametrize("name", CASES)
def test_refused_or_forwarded_as_what_it_is(theatre: Theatre, name: str) -> None:
    """A case is refused with an error, closed and nothing of it forwarded; or exactly its requests arrive, and the one behind it after them."""
    case, seen = CASES[name], theatre.lane[name]
    assert seen.bodies == case.passes
    assert seen.hidden == 0
    if case.passes:
        assert seen.after == 1
        assert seen.said.count(b"HTTP/1.1 200 ") == len(case.passes) + 1
    else:
        assert seen.after == 0 or b"HTTP/1.1 404 " in seen.said
        assert seen.closed
        assert seen.said.startswith(b"HTTP/1.1 4") or seen.said.startswith(b"HTTP/1.1 5")
        assert len(re.findall(rb"HTTP/1\.1 \d{3} ", seen.said)) == 1


@pytest.mark.parametrize("name", CASES)
def test_as_nginx_does(theatre: Theatre, name: str) -> None:
    """Behind nginx the same arrives; where not, the reason is known, and nginx is the one that forwards more."""
    if theatre.nginx is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    lane, nginx = theatre.lane[name], theatre.nginx[name]
    if CASES[name].nginx:
        assert lane.bodies == ()
    else:
        assert lane.bodies == nginx.bodies


def test_upstream_sees_no_other_requests(theatre: Theatre) -> None:
    """All that arrived are the requests that the cases stand for: none more, none in another shape, no byte between them."""
    assert [connection.fault for connection in theatre.upstream.connections if connection.fault] == []
    paths = {path_of(name).removeprefix("/stage") for name, case in CASES.items() if case.passes}
    assert {got.path.removesuffix("/after") for got in theatre.upstream.requests} == paths
    expected = sum(len(case.passes) + 1 for case in CASES.values() if case.passes)
    assert len(theatre.upstream.requests) == expected


def read_by_h11(received: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """The requests that h11, a strict parser, reads from a connection: method, target, body. Raises h11.RemoteProtocolError."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(received)
    found: list[tuple[bytes, bytes, bytes]] = []
    request: Any = None
    body = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            found.append((bytes(request.method), bytes(request.target), body))
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return found
            connection.start_next_cycle()
        else:
            return found


def test_h11_reads_the_same(theatre: Theatre) -> None:
    """A second, strict parser reads every connection of the lane to the upstream as the very same requests."""
    for connection in theatre.upstream.connections:
        own = [(got.method.encode(), got.target.encode("latin-1"), bytes(got.body)) for got in connection.requests]
        assert read_by_h11(bytes(connection.received)) == own


def test_nginx_reads_the_same(theatre: Theatre, tmp_path: Path) -> None:
    """Sent once more through nginx, every connection of the lane gives the very same requests, in order."""
    if nginx_path() is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    with Upstream(lambda _: answer(200, [], b"ok")) as third, Nginx(tmp_path, third.port) as nginx:
        for connection in theatre.upstream.connections:
            before = len(third.requests)
            converse(nginx.port, bytes(connection.received))
            arrived = third.requests[before:]
            assert [(got.method, got.path, bytes(got.body)) for got in arrived] == [
                (got.method, got.path, bytes(got.body)) for got in connection.requests
            ]
