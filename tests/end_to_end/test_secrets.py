"""Credentials reach the upstream and nothing else: not the disk, not the rows, not the output, whatever goes wrong."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash, free_port
from tests.helpers.upstream import Answer, Do, Upstream, answer
from tests.helpers.waiting import eventually
from tests.helpers.wire import Headers

SECRET = "planted7f3a9c51e2"
CONTROL = "control-2b8d41"
"""Stands in a header that is logged: where the search does not find it, it would not find a secret either."""
HEADERS: Headers = [
    ("Authorization", f"Bearer sk-{SECRET}"),
    ("Proxy-Authorization", f"Basic {SECRET}"),
    ("x-api-key", SECRET),
    ("api-key", SECRET),
    ("x-goog-api-key", SECRET),
    ("Ocp-Apim-Subscription-Key", SECRET),
    ("Cookie", f"session={SECRET}"),
    ("X-Amz-Security-Token", SECRET),
    ("X-Amz-Date", "20261001T000000Z"),
    ("Helicone-Auth", f"Bearer {SECRET}"),
    ("x-portkey-api-key", SECRET),
    ("x-portkey-virtual-key", SECRET),
    ("x-litellm-api-key", SECRET),
    ("X-Unknown-Header", SECRET),
    ("X-Custom-Token", SECRET),
    ("Sec-WebSocket-Protocol", f"realtime, openai-insecure-api-key.{SECRET}"),
    ("User-Agent", CONTROL),
]
QUERY = f"key={SECRET}&api_key={SECRET}&access_token={SECRET}&X-Amz-Signature={SECRET}&alt=sse"


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[Goldwash]:
    """A Goldwash that talks as much as it can, after traffic with secrets that went right and wrong in every way."""
    upstreams = {
        "stage": {"url": stage.url},
        "refusing": {"url": f"http://127.0.0.1:{free_port()}"},
        "nowhere": {"url": "http://nowhere.invalid"},
    }
    directory = tmp_path_factory.mktemp("leaky")
    with Goldwash(directory, upstreams, environ={"GOLDWASH_LOG_LEVEL": "debug"}) as running:
        _traffic(running, stage)
        yield running


def _traffic(goldwash: Goldwash, stage: Upstream) -> None:
    stage.on("/leak/ok", answer(200, [("Set-Cookie", f"id={SECRET}"), ("X-Session-Token", SECRET)], b"{}"))
    stage.on("/leak/garbage", Answer([f"SSH-2.0-{SECRET}\r\n".encode(), Do.CLOSE]))
    stage.on("/leak/broken", Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Do.RESET]))
    stage.on("/leak/stall", Answer([Do.STALL]))
    port = goldwash.port
    for target in (
        "/stage/leak/ok",
        "/stage/leak/garbage",
        "/stage/leak/broken",
        "/refusing/x",
        "/nowhere/x",
        "/unknown/x",
        f"/{SECRET}/v1",
    ):
        fetch(port, "POST", f"{target}?{QUERY}", HEADERS, b"{}")
    fetch(port, "GET", f"/stage/{SECRET}\x01", HEADERS)
    fetch(port, "GET", "/stage/x", [*HEADERS, ("X-Big", SECRET * 6000)])
    fetch(port, "GET", "/stage/x", [*HEADERS, ("Content-Length", "4"), ("Transfer-Encoding", "chunked")])
    fetch(port, "POST", "/goldwash/feedback", HEADERS, json.dumps({"nonsense": 1}).encode())
    gone = Client(port)
    gone.send(request("POST", f"/stage/leak/stall?{QUERY}", HEADERS, b"{}"))
    assert eventually(lambda: stage.to("/leak/stall"))
    gone.reset()
    lost = Client(port)
    lost.send(request("POST", f"/stage/leak/stall?{QUERY}", HEADERS, b"{}"))
    assert eventually(lambda: len(stage.to("/leak/stall")) == 2)
    (worker,) = goldwash.pids("worker")
    os.kill(worker, signal.SIGKILL)
    lost.socket.close()
    assert eventually(lambda: [pid for pid in goldwash.pids("worker") if pid != worker])
    goldwash.flush()


def holding(directory: Path, text: str) -> list[str]:
    return [file.name for file in directory.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def test_secrets_reach_the_upstream(leaky: Goldwash, stage: Upstream) -> None:
    """What a provider needs arrives as it was sent."""
    (arrived,) = stage.to("/leak/ok")
    for name, value in HEADERS:
        if name != "Proxy-Authorization":
            assert arrived.all(name) == [value]
    assert arrived.query == QUERY


def test_nothing_on_disk(leaky: Goldwash) -> None:
    """No file under the data directory holds a planted secret, neither spool nor log; the search finds what is logged."""
    assert holding(leaky.data_dir, CONTROL)
    assert holding(leaky.directory, SECRET) == []


def test_nothing_in_the_rows(leaky: Goldwash) -> None:
    """No column of any table holds one: files may be compressed, rows are not."""
    tables = [row["table_name"] for row in leaky.sql("SELECT table_name FROM duckdb_tables() WHERE NOT internal")]
    assert "exchanges" in tables
    texts = {table: json.dumps(leaky.sql(f'SELECT * FROM "{table}"')) for table in tables}
    assert [table for table, text in texts.items() if SECRET in text] == []
    assert CONTROL in "".join(texts.values())


def test_endings_of_the_failures(leaky: Goldwash) -> None:
    """The failures that were caused are all there: the search looked at the right things."""
    endings = {row["ending"]: row["n"] for row in leaky.sql("SELECT ending, count(*) AS n FROM exchanges GROUP BY ALL")}
    assert endings == {"complete": 1, "partial": 1, "upstream_error": 3, "client_gone": 1, "lost": 1}


def test_nothing_in_what_is_shown(leaky: Goldwash) -> None:
    """Neither the output at debug level nor the metrics hold one."""
    assert leaky.output()
    assert SECRET not in leaky.output()
    assert SECRET not in leaky.metrics()


def test_keys_are_counted_by_hash(leaky: Goldwash) -> None:
    """The key can be counted: the same hash for the same key, in every row."""
    hashes = {row["api_key_hash"] for row in leaky.sql("SELECT api_key_hash FROM exchanges")}
    assert len(hashes) == 1
    assert None not in hashes


def test_files_are_private(leaky: Goldwash) -> None:
    """The data directory is 0700 and every file in it 0600 or less."""
    assert stat.S_IMODE(leaky.data_dir.stat().st_mode) == 0o700
    modes = {
        str(file.relative_to(leaky.data_dir)): stat.S_IMODE(file.stat().st_mode) for file in leaky.data_dir.rglob("*") if file.is_file()
    }
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_key_echoed_by_the_provider(goldwash: Goldwash, stage: Upstream) -> None:
    """A provider that repeats the key in its error: the client sees it, the stored copy does not hold it."""
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {key}.", "type": "invalid_request_error"}}).encode()
    stage.on("/echo-key", answer(401, [("Content-Type", "application/json")], body))
    got = fetch(goldwash.port, "POST", "/stage/echo-key", [("Authorization", f"Bearer {key}")], b"{}")
    assert bytes(got.body) == body
    row = goldwash.row("path = '/echo-key'")
    assert key not in json.dumps(row)
    (stored,) = goldwash.sql(f"SELECT * FROM bodies WHERE exchange_id = '{row['exchange_id']}'")
    assert key not in json.dumps(stored)


@pytest.mark.parametrize("what", ["request", "response", "both"])
def test_omitted_bodies(goldwash: Goldwash, stage: Upstream, what: str) -> None:
    """`goldwash-omit` keeps bodies out, on disk too, while sizes are known."""
    stage.on(f"/omit-{what}", answer(200, [("Content-Type", "application/json")], b'{"said":"omitted-response"}'))
    marker = f"omitted-request-{what}"
    fetch(goldwash.port, "POST", f"/stage/omit-{what}", [("goldwash-omit", what)], json.dumps({"ask": marker}).encode())
    row = goldwash.row(f"path = '/omit-{what}'")
    assert (row["request_bytes"], row["response_bytes"]) == (len(marker) + 11, 27)
    stored = json.dumps(goldwash.sql(f"SELECT * FROM bodies WHERE exchange_id = '{row['exchange_id']}'"))
    assert (marker in stored) == (what == "response")
    assert ("omitted-response" in stored) == (what == "request")
    if what != "response":
        assert holding(goldwash.data_dir, marker) == []
