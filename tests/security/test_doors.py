"""What comes through the proxy port's door beside requests: pages of other sites, answers that would inject, addresses that lead elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.rows import Mark
from tests.helpers.upstream import Answer, Do, Upstream, answer

ORIGINS = {
    # whose page it is: (headers, whether it is served)
    "no browser": ([], True),
    "a page of this machine": ([("Origin", "http://localhost:3000")], True),
    "a page of this machine by address": ([("Origin", "http://127.0.0.1:5173"), ("Sec-Fetch-Site", "cross-site")], True),
    "a page of this machine over IPv6": ([("Origin", "https://[::1]:8443")], True),
    "an app's own scheme": ([("Origin", "http://tauri.localhost")], True),
    "an extension": ([("Origin", "chrome-extension://abcdefghijklmnop")], True),
    "an app": ([("Origin", "vscode-webview://1")], True),
    "a page that was allowed": ([("Origin", "https://chat.company.example")], True),
    "a page that was allowed, in capitals": ([("Origin", "https://Chat.Company.Example")], True),
    "typed by hand": ([("Sec-Fetch-Site", "none")], True),
    "another site": ([("Origin", "https://evil.example")], False),
    "another site without an origin": ([("Sec-Fetch-Site", "cross-site")], False),
    "a sandboxed frame": ([("Origin", "null")], False),
    "a name that looks like this machine": ([("Origin", "http://localhost.evil.example")], False),
    "a name that begins like an allowed one": ([("Origin", "https://chat.company.example.evil.example")], False),
    "another port of an allowed one": ([("Origin", "https://chat.company.example:8443")], False),
    "no URL": ([("Origin", "http://[")], False),
    "an empty scheme": ([("Origin", "//evil.example")], True),
}


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[Goldwash]:
    """A Goldwash that lets one web site in."""
    stage.on("/door", answer(200, [], b"in"))
    proxy = {"allowed_origins": ["https://chat.company.example"]}
    with Goldwash(tmp_path_factory.mktemp("doors"), {"stage": {"url": stage.url}}, sections={"proxy": proxy}) as running:
        yield running


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("whose", ORIGINS)
def test_pages_of_other_sites_are_refused(doors: Goldwash, stage: Upstream, whose: str, method: str) -> None:
    """Without proxy keys a page of another site gets 403 and nothing is forwarded, a preflight included; pages of this machine are served."""
    headers, served = ORIGINS[whose]
    before = len(stage.requests)
    got = fetch(doors.port, method, "/stage/door", headers, b"{}" if method == "POST" else b"")
    assert got.status == (200 if served else 403)
    assert len(stage.requests) - before == served
    if not served:
        assert json.loads(bytes(got.body))["error"]["type"] == "origin_refused"
        assert got.all("access-control-allow-origin") == []


def test_another_site_cannot_open_a_session_or_give_feedback(doors: Goldwash) -> None:
    """A WebSocket handshake carries its page's origin, and so does feedback."""
    evil = ("Origin", "https://evil.example")
    upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ]
    assert fetch(doors.port, "GET", "/stage/door", [*upgrade, evil]).status == 403
    opinion = json.dumps({"response_id": "a", "score": 1}).encode()
    assert fetch(doors.port, "POST", "/goldwash/feedback", [("Content-Type", "application/json"), evil], opinion).status == 403
    assert fetch(doors.port, "POST", "/goldwash/feedback", [("Content-Type", "text/plain")], opinion).status == 415


ANSWERS = {
    "CR in a value": b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
    "LF in a value": b"HTTP/1.1 200 OK\r\nX-A: b\nSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX-A: b\r\n Set-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\nok",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "CR in the reason": b"HTTP/1.1 200 OK\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
    "no version": b"200 OK\r\n\r\n",
    "another version": b"HTTP/2 200 OK\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 300_000,
    "switching protocols unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_would_inject_is_no_answer(doors: Goldwash, stage: Upstream, name: str) -> None:
    """An upstream's head that two clients could read differently gives a 502 of ours; no line of it reaches the client."""
    stage.on("/injects", Answer([ANSWERS[name], Do.CLOSE]))
    mark = Mark(doors)
    got = fetch(doors.port, "GET", "/stage/injects")
    assert got.status == 502, got.start_line
    assert got.get("set-cookie") is None
    assert json.loads(bytes(got.body))["error"]["type"] in {"upstream_protocol_error", "upstream_closed"}
    mark.row({"ending": "upstream_error", "status": 502})


def test_what_follows_an_answer_is_nobodys(doors: Goldwash, stage: Upstream) -> None:
    """Bytes that an upstream sends behind its answer go to no client: neither to this one nor to the next on that connection."""
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    stage.on("/split", Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + evil]))
    for _ in range(5):
        with Client(doors.port) as client:
            for _ in range(2):
                client.send(request("GET", "/stage/split"))
                assert bytes(client.answer().body) == b"good"


def test_many_interim_answers(doors: Goldwash, stage: Upstream) -> None:
    """Thousands of 1xx answers before the real one harm nothing."""
    stage.on("/patience", Answer([b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]))
    got = fetch(doors.port, "GET", "/stage/patience")
    assert (got.status, bytes(got.body)) == (200, b"ok")


@pytest.mark.parametrize("text", ["a%0d%0aX-Evil:%201", "a%0aSet-Cookie:%20evil=1", "%00", "a%250d%250aX-Evil:1"])
def test_metadata_injects_nothing(doors: Goldwash, stage: Upstream, text: str) -> None:
    """Line ends that stand escaped in the base URL stay in the row, and reach neither the upstream nor the answer."""
    mark = Mark(doors)
    got = fetch(doors.port, "GET", f"/stage/~feature={text}/door")
    assert got.status == 200
    assert {name.lower() for name, _ in got.headers} <= {"content-length", "goldwash-id"}
    assert b"vil" not in stage.to("/door")[-1].head
    assert mark.row()["feature"] is not None


TARGETS = [
    "/stage@evil.example/door",
    "/stage:80@evil.example/door",
    "/stage\\@evil.example/door",
    "/%73tage/door",
    "/stage%2fdoor",
    "/stage%00/door",
    "http://evil.example/stage/door",
    "https://user:pass@evil.example/",
    "//stage/door",
    "/./stage/door",
    "/stage/./door",
    "/stage/%2e/door",
    "/stage/..%2f..%2fdoor",
    "/stage/..",
    "/stage/~user=1/../door",
    "/stage/door#fragment",
    "/google-vertex/v1/projects/p/locations/evil.example/x",
    "/google-vertex/v1/projects/p/locations/evil.example%23/x",
    "/google-vertex/v1/projects/p/locations/a@evil.example/x",
]


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_leads_elsewhere(doors: Goldwash, stage: Upstream, target: str) -> None:
    """Only an upstream's own name, as it is configured, leads to its own host; nothing else leads anywhere."""
    before = len(stage.requests)
    with Client(doors.port) as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Forwarded-Host: evil.example\r\n\r\n".encode("latin-1"))
        got = client.answer()
    assert got.status in {400, 404}
    assert len(stage.requests) == before


def test_a_redirect_is_passed_and_not_followed(doors: Goldwash, stage: Upstream) -> None:
    """Where an upstream points elsewhere, the client is told, and Goldwash goes nowhere."""
    stage.on("/points", answer(307, [("Location", f"{stage.url}/never-followed")], b""))
    got = fetch(doors.port, "GET", "/stage/points")
    assert (got.status, got.get("location")) == (307, f"{stage.url}/never-followed")
    assert stage.to("/never-followed") == []


def test_only_configured_files_are_read(doors: Goldwash) -> None:
    """No address of either port reads a file: neither by path nor by SQL."""
    for path in ("/../../etc/passwd", "/..%2f..%2fetc/passwd", "/static/../../keys.json", "//etc/passwd", "/api/../data/key.secret"):
        assert b"root:" not in doors.admin("GET", path)[1]
    for query in (
        "SELECT * FROM read_text('/etc/passwd')",
        "FROM '/etc/passwd'",
        "COPY exchanges TO '/tmp/x.csv'",
        "INSTALL httpfs",
        "SELECT getenv('HOME')",
    ):
        status, body = doors.admin("POST", "/api/sql", {"sql": query})
        assert status == 400, body
        assert b"root:" not in body


def test_all_files_are_private(doors: Goldwash) -> None:
    """Whatever was written lies 0600 under a 0700 directory: log, spool, gauges, state, keys, snapshots."""
    doors.flush()
    snapshot = Path(json.loads(doors.admin("POST", "/api/snapshot", {})[1])["path"])
    assert snapshot.stat().st_mode & 0o077 == 0
    assert doors.cli("keys", "add", "someone").returncode == 0
    wrong = {
        str(file.relative_to(doors.data_dir)): oct(file.stat().st_mode & 0o777)
        for file in (doors.data_dir, *doors.data_dir.rglob("*"))
        if file.stat().st_mode & 0o077
    }
    assert wrong == {}
    assert doors.cli("keys", "revoke", "someone").returncode == 0
