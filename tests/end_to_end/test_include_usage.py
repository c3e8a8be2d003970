"""With `include_usage` the proxy asks for a stream's usage: the log has it, and the client gets every other byte as the upstream sent it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.helpers.client import Client, fetch, request
from tests.helpers.goldwash import Goldwash
from tests.helpers.rows import Mark
from tests.helpers.upstream import Do, Upstream, answer
from tests.helpers.wire import Headers, Message, chunked, cut

PATH = "/v1/chat/completions"
BODY = b'{ "model": "gpt-4o",\n "stream": true, "messages": [{"role":"user","content":"gr\xc3\xbc\xc3\x9fe"}] }'
ASKED = b'{"stream_options":{"include_usage":true},' + BODY[1:]
SSE: Headers = [("Content-Type", "text/event-stream; charset=utf-8"), ("X-Kept", "yes")]
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 4}}


def chunk(**fields: object) -> bytes:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06"}
    return b"data: " + json.dumps({**base, **fields}).encode() + b"\n\n"


BEFORE = b"".join(
    (
        b": hello\n\n",
        chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": "Gold"}, "finish_reason": None}], usage=None),
        chunk(choices=[{"index": 0, "delta": {"content": " \u00fc"}, "finish_reason": None}], usage=None),
        chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None),
    )
)
AFTER = b"data: [DONE]\n\n"
WITH = BEFORE + chunk(choices=[], usage=USAGE) + AFTER
WITHOUT = BEFORE + AFTER


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, stage: Upstream) -> Iterator[Goldwash]:
    upstreams = {"openai": {"url": stage.url, "include_usage": True}, "azure": {"url": stage.url}}
    with Goldwash(tmp_path_factory.mktemp("asking"), upstreams) as running:
        yield running


def at_once(stage: Upstream) -> Message:
    """The last request that came."""
    return stage.to(PATH)[-1]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("piece", [None, 1, 100])
def test_the_log_has_the_usage_and_the_client_all_else(asking: Goldwash, stage: Upstream, framing: str, piece: int | None) -> None:
    """Whatever the framing and wherever it is cut, the client gets the stream without the one event, and the row holds its usage."""
    stage.on(PATH, lambda _: answer(200, SSE, WITH, framing=framing, piece=piece))
    mark = Mark(asking)
    got = fetch(asking.port, "POST", f"/openai{PATH}", [("Content-Type", "application/json"), ("Accept-Encoding", "gzip")], BODY)
    assert (got.status, got.complete, bytes(got.body), got.get("x-kept")) == (200, True, WITHOUT, "yes")
    arrived = at_once(stage)
    assert bytes(arrived.body) == ASKED
    assert (arrived.all("accept-encoding"), arrived.all("content-length")) == (["identity"], [str(len(ASKED))])
    row = mark.row(
        {
            "ending": "complete",
            "usage_source": "provider",
            "input_tokens": 9,
            "output_tokens": 2,
            "cache_read_tokens": 4,
            "output_text": "Gold \u00fc",
            "request_sha256": hashlib.sha256(BODY).hexdigest(),
            "request_bytes": len(BODY),
            "response_sha256": hashlib.sha256(WITHOUT).hexdigest(),
            "response_bytes": len(WITHOUT),
            "terminal": True,
        }
    )
    assert row["properties"] == {"goldwash.include_usage": "asked"}
    assert row["cost_usd"] is not None


def test_a_chunked_request_in_pieces(asking: Goldwash, stage: Upstream) -> None:
    """A request that comes chunk by chunk is held, asked and sent as one chunk."""
    stage.on(PATH, lambda _: answer(200, SSE, WITH, framing="chunked", piece=7))
    mark = Mark(asking)
    with Client(asking.port) as client:
        head = request("POST", f"/openai{PATH}", [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")])
        client.send(head + chunked(cut(BODY, 11)), piece=13, pause=0.001)
        assert bytes(client.answer("POST").body) == WITHOUT
    assert bytes(at_once(stage).body) == ASKED
    mark.row({"request_sha256": hashlib.sha256(BODY).hexdigest(), "request_bytes": len(BODY), "input_tokens": 9})


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-4o","messages":[]}',
        b'{"model":"gpt-4o","stream":false,"messages":[]}',
        b'{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}',
        b'{"model":"gpt-4o","stream":true,"stream_options":{"include_obfuscation":false}}',
        b"no json",
        b"",
    ],
)
def test_other_requests_pass_untouched(asking: Goldwash, stage: Upstream, body: bytes) -> None:
    """Requests that ask for no stream, or for options of their own, go and come back byte for byte."""
    stage.on(PATH, lambda _: answer(200, SSE, WITH, framing="chunked"))
    mark = Mark(asking)
    got = fetch(asking.port, "POST", f"/openai{PATH}", [("Accept-Encoding", "gzip")], body)
    assert bytes(got.body) == WITH
    arrived = at_once(stage)
    assert (bytes(arrived.body), arrived.all("accept-encoding")) == (body, ["gzip"])
    row = mark.row({"response_sha256": hashlib.sha256(WITH).hexdigest(), "response_bytes": len(WITH)})
    assert row["properties"] == {}


def test_without_it_the_count_is_ours(asking: Goldwash, stage: Upstream) -> None:
    """Where nobody asked, the tokens are counted from the text and marked so, with a cost; what is no answer of a model stays unknown."""
    stage.on(PATH, lambda _: answer(200, SSE, WITHOUT, framing="chunked"))
    mark = Mark(asking)
    assert bytes(fetch(asking.port, "POST", f"/azure{PATH}", [], BODY).body) == WITHOUT
    row = mark.row({"usage_source": "estimated", "properties": {}, "cost_note": None})
    assert 5 <= row["input_tokens"] <= 20
    assert 2 <= row["output_tokens"] <= 5
    assert row["cost_usd"] is not None
    silent = {
        "/v1/messages/count_tokens": b'{"input_tokens": 14}',
        "/v1/models": b'{"object":"list","data":[{"id":"gpt-4o","object":"model"}]}',
        "/v1/chat/completions/chatcmpl-1": b'{"object":"chat.completion.deleted","id":"chatcmpl-1","deleted":true}',
    }
    for path, body in silent.items():
        stage.on(path, answer(200, [("Content-Type", "application/json")], body))
        mark = Mark(asking)
        fetch(asking.port, "POST", f"/azure{path}", [], b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}')
        mark.row({"usage_source": None, "input_tokens": None, "output_tokens": None, "cost_usd": None})


def test_a_refusal_of_the_upstream_passes(asking: Goldwash, stage: Upstream) -> None:
    """An upstream that answers with an error, no stream, is heard as it is."""
    error = b'{"error":{"message":"stream_options: not allowed","type":"invalid_request_error"}}'
    stage.on(PATH, lambda _: answer(400, [("Content-Type", "application/json")], error, reason="Bad Request"))
    mark = Mark(asking)
    got = fetch(asking.port, "POST", f"/openai{PATH}", [], BODY)
    assert (got.status, bytes(got.body), got.get("content-length")) == (400, error, str(len(error)))
    mark.row({"error_type": "invalid_request_error", "response_sha256": hashlib.sha256(error).hexdigest()})


def test_a_stream_that_breaks_off(asking: Goldwash, stage: Upstream) -> None:
    """A stream cut in the middle of an event still passes to its last byte, and is partial."""
    half = BEFORE + b'data: {"choices":[],"us'
    stage.on(PATH, lambda _: answer(200, [*SSE, ("Content-Length", "9999")], half, framing="none").then(Do.CLOSE))
    mark = Mark(asking)
    with Client(asking.port) as client:
        client.send(request("POST", f"/openai{PATH}", [], BODY))
        got = client.answer("POST")
    assert (got.complete, bytes(got.body)) == (False, half)
    mark.row({"ending": "partial", "response_bytes": len(half), "response_sha256": hashlib.sha256(half).hexdigest()})


def test_connections_are_kept(asking: Goldwash, stage: Upstream) -> None:
    """Streams and other requests follow each other on one connection."""
    stage.on(PATH, lambda _: answer(200, SSE, WITH, framing="length"))
    with Client(asking.port) as client:
        for body in (BODY, b"{}", BODY):
            client.send(request("POST", f"/openai{PATH}", [], body))
            assert bytes(client.answer("POST").body) == (WITHOUT if body is BODY else WITH)
