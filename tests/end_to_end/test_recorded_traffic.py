"""A sample of recorded traffic with real providers through the running whole: bytes, headers, hashes, tokens and endings."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.helpers.client import fetch
from tests.helpers.goldwash import ROOT, Goldwash
from tests.helpers.wire import Headers, Message

CORPUS = ROOT.parent / "shared" / "corpus"
FILE = CORPUS / "exchanges.jsonl.gz"
SAMPLE = 60
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host", "te", "trailer", "upgrade", "proxy-authorization"}
ADDED = ("goldwash-", "x-corpus", "x-replay")
Record = dict[str, Any]

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the recorded corpus is not beside the repository")


def sample() -> list[Record]:
    """Every n-th record, which covers all providers with much traffic; none where there is no corpus."""
    if not FILE.is_file():
        return []
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        records = [record for record in map(json.loads, lines) if "response" in record]
    return records[:: max(len(records) // SAMPLE, 1)][:SAMPLE]


RECORDS = sample()


@dataclass(frozen=True)
class Played:
    """What became of the sample."""

    got: dict[str, Message]  # answers, by the record's id
    arrived: dict[str, Record]  # what the upstream received, by the record's id
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def replay() -> Iterator[int]:
    """The corpus' own replaying upstream, in a process; its port."""
    command = [sys.executable, str(CORPUS / "replay_upstream.py"), str(FILE), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)$", process.stdout.readline().strip())
        assert found
        yield int(found[1])
        process.kill()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, replay: int) -> Played:
    """The whole sample, sent once."""
    upstreams = {record["provider"]: {"url": f"http://127.0.0.1:{replay}"} for record in RECORDS}
    with Goldwash(tmp_path_factory.mktemp("recorded"), upstreams) as goldwash:
        got = {record["id"]: send(goldwash, record) for record in RECORDS}
        arrived = json.loads(bytes(fetch(replay, "GET", "/__replay/received").body))
        rows = goldwash.rows("true")
    by_id = {{name.lower(): value for name, value in entry["headers"]}["x-corpus-id"]: entry for entry in arrived}
    return Played(got, by_id, rows)


def send(goldwash: Goldwash, record: Record) -> Message:
    """A record's request as it was recorded, its answer cut into odd pieces."""
    url = urlsplit(record["url"])
    target = f"/{record['provider']}{url.path or '/'}{'?' + url.query if url.query else ''}"
    headers = [*end_to_end(record["request"]["headers"]), ("x-corpus-id", record["id"]), ("x-replay-chunk", "1-700")]
    headers.append(("goldwash-property-corpus", record["id"]))
    return fetch(goldwash.port, record["method"], target, headers, base64.b64decode(record["request"]["body_b64"]))


def end_to_end(headers: Headers) -> Headers:
    """What is no hop's own."""
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]


def comparable(headers: Headers) -> Headers:
    return [(name.lower(), value.strip()) for name, value in end_to_end(headers) if not name.lower().startswith(ADDED)]


@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_record(played: Played, record: Record) -> None:
    """A recorded exchange passes byte for byte and is one row with its tokens, model and ending."""
    got, arrived = played.got[record["id"]], played.arrived[record["id"]]
    body, sent = base64.b64decode(record["response"]["body_b64"]), base64.b64decode(record["request"]["body_b64"])
    assert (got.status, bytes(got.body)) == (record["response"]["status"], body)
    expected = comparable(record["response"]["replay_headers"])
    told = {name for name, _ in expected}
    assert [header for header in comparable(got.headers) if header[0] in told or header[0] != "content-type"] == expected
    assert arrived["body_sha256"] == hashlib.sha256(sent).hexdigest()
    assert comparable([tuple(pair) for pair in arrived["headers"]]) == comparable(record["request"]["headers"])
    mine = [row for row in played.rows if record["id"] in _values(row["properties"])]
    assert len(mine) == 1
    row, oracle = mine[0], record["oracle"]
    assert (row["provider"], row["status"], row["method"]) == (record["provider"], record["response"]["status"], record["method"])
    assert row["request_sha256"] == hashlib.sha256(sent).hexdigest()
    assert row["response_sha256"] == hashlib.sha256(body).hexdigest()
    unsure = set(oracle.get("ambiguous") or [])
    if oracle.get("usage_reported") and not unsure & {"usage", "input_tokens", "output_tokens"}:
        assert (row["input_tokens"], row["output_tokens"]) == (oracle["usage"]["input_tokens"], oracle["usage"]["output_tokens"])
    if oracle.get("model_response") and "model_response" not in unsure:
        assert row["response_model"] == oracle["model_response"]
    if oracle.get("stream_complete") is not None and "stream_complete" not in unsure:
        assert (row["ending"] == "complete") == oracle["stream_complete"]


def _values(properties: Any) -> list[str]:
    values = (properties or {}).values()
    return [text for value in values for text in (value if isinstance(value, list) else [value])]


def test_nothing_else_is_logged(played: Played) -> None:
    """There are as many rows as requests."""
    assert len(played.rows) == len(RECORDS)
