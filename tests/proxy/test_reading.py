"""From bytes to meaning: framing by content type and bytes, codings, dialects, odd bodies, and the same result in any pieces."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from typing import Any

import brotli
import pytest
import zstandard

from proxy.exchange import Captured, Reading
from proxy.reading import BodyReader, read
from tests.helpers.answers import NDJSON, SSE, answered, captured, lines, sse

CHAT = "/v1/chat/completions"
DOCUMENT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Größe 漢字🧪"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11},
}
CHUNKS = [
    {"id": "chatcmpl-1", "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    for piece in ("Größe ", "漢字", "🧪")
]
STREAM = b": keep-alive\n\n" + sse(
    *CHUNKS, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": DOCUMENT["usage"]}, "[DONE]"
)
WORDS = "Größe 漢字🧪"


def in_pieces(exchange: Captured, pieces: list[bytes]) -> Reading:
    reader = BodyReader(exchange)
    for piece in pieces:
        reader.feed(piece)
    return reader.result()


EXCHANGES = {
    "document": captured(CHAT, DOCUMENT, request={"model": "gpt-4o"}),
    "document with BOM and white space": captured(CHAT, b"\xef\xbb\xbf\n \n" + json.dumps(DOCUMENT).encode()),
    "stream": captured(CHAT, STREAM, headers=SSE),
    "stream with BOM": captured(CHAT, b"\xef\xbb\xbf" + STREAM, headers=SSE),
    "stream with CRLF": captured(CHAT, STREAM.replace(b"\n", b"\r\n"), headers=SSE),
    "stream with CR": captured(CHAT, STREAM.replace(b"\n", b"\r"), headers=SSE),
    "stream without content type": captured(CHAT, STREAM, headers={"x": "y"}),
    "stream called JSON": captured(CHAT, STREAM),
    "stream without its last blank line": captured(CHAT, STREAM.rstrip(), headers=SSE),
    "gzip": captured(CHAT, gzip.compress(STREAM), headers={**SSE, "content-encoding": "gzip"}),
    "gzip nobody speaks of": captured(CHAT, gzip.compress(STREAM), headers=SSE),
    "br": captured(CHAT, brotli.compress(STREAM), headers={**SSE, "content-encoding": "br"}),
    "zstd": captured(CHAT, zstandard.compress(json.dumps(DOCUMENT).encode()), headers={"content-encoding": "zstd"}),
    "events on lines of their own": captured(CHAT, STREAM.replace(b"\n\ndata: {", b"\ndata: {"), headers=SSE),
    "lines of JSON": captured(CHAT, lines(*CHUNKS, {"choices": [], "usage": DOCUMENT["usage"]}), headers=NDJSON),
    "lines of JSON called JSON": captured(CHAT, lines(*CHUNKS, {"choices": [], "usage": DOCUMENT["usage"]})),
    "unknown path": captured("/some/gateway", STREAM, headers=SSE),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_each_framing_in_any_pieces(name: str) -> None:
    """Each way to send the same answer reads the same, whole, byte by byte and at random cuts."""
    exchange = EXCHANGES[name]
    whole = read(exchange)
    assert (whole.dialect, whole.output_text) == ("openai.chat", WORDS)
    assert whole.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens, whole.unread) == (8, 3, None)
    body = exchange.response_body
    assert in_pieces(exchange, [body[at : at + 1] for at in range(len(body))]) == whole
    chance = random.Random(3)
    for _ in range(10):
        cuts = sorted(chance.sample(range(len(body)), 5))
        assert in_pieces(exchange, [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]) == whole


def test_a_stream_asked_and_a_document_answered() -> None:
    """What came counts, not what was asked for nor what the content type says."""
    reading = answered(CHAT, DOCUMENT, request={"model": "gpt-4o", "stream": True}, headers=SSE)
    assert (reading.is_stream, reading.terminal, reading.output_text) == (False, None, WORDS)


@pytest.mark.parametrize("name", ["stream", "gzip", "br"])
def test_a_cut_stream(name: str) -> None:
    """A stream cut anywhere gives what came, and no end."""
    exchange = EXCHANGES[name]
    for cut in range(len(exchange.response_body) - 14):
        reading = read(replace(exchange, upstream="openai", response_body=exchange.response_body[:cut]))
        assert reading.terminal is not True
        assert WORDS.startswith(reading.output_text or "")


def test_a_cut_document() -> None:
    """Complete members are read, and it is said that the document is not whole."""
    body = json.dumps(DOCUMENT).encode()
    reading = answered(CHAT, body[: body.index(b', "total')])
    assert (reading.response_model, reading.output_text) == ("gpt-4o", WORDS)
    assert reading.unread is not None
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (8, None)


def test_a_body_kept_in_part() -> None:
    """Where more passed than was kept, the end is unknown and the reading says why."""
    exchange = replace(EXCHANGES["stream"], response_body=STREAM[:400], response_truncated=True)
    reading = read(exchange)
    assert (reading.terminal, reading.unread) == (None, "the response body was kept only in part")


def test_a_broken_coding() -> None:
    """What could be decoded is read, and the reason is kept."""
    body = bytearray(gzip.compress(STREAM * 50))
    body[-6] ^= 255  # its checksum
    reading = answered(CHAT, bytes(body), headers={**SSE, "content-encoding": "gzip"})
    assert (reading.output_text or "").startswith(WORDS)
    assert reading.unread == "content-encoding: the body is not whole gzip"


def test_halves_of_characters() -> None:
    """A character whose halves came in two chunks is whole, and a lone half is replaced, everywhere in a reading."""
    body = b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83e"}}]}\n\ndata: {"choices":[{"index":0,"delta":{"content":"\\uddea\\ud83e"}}]}\n\n'
    body += b'data: {"model":"m\\ud83e","choices":[{"index":0,"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"\\ud83e"}}]},"finish_reason":"\\ud83e"}]}\n\n'
    reading = answered(CHAT, body, headers=SSE)
    assert (reading.output_text, reading.response_model, reading.finish_reasons) == ("🧪\ufffd", "m\ufffd", ("\ufffd",))
    assert reading.tool_calls[0].arguments == "\ufffd"


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"", "application/json", ("503", None)),
        (b"Service Unavailable\n", "text/plain", ("503", "Service Unavailable")),
        (b'{"message":"Unauthorized","request_id":"x"}', "application/json", ("503", "Unauthorized")),
        (b'{"detail":[{"msg":"field required"}]}', "application/json", ("503", '[{"msg":"field required"}]')),
        (b'[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]', "application/json", ("UNAVAILABLE", "m")),
        (b'{"error":"overloaded"}', "application/json", ("503", "overloaded")),
        (b"\xff\xfe\x00", "application/octet-stream", ("503", None)),
        (b"3", "application/json", ("503", "3")),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/who/knows", "/v1/embeddings", "/v1/responses"])
def test_errors_of_any_shape(path: str, body: bytes, kind: str, error: tuple[str, str | None]) -> None:
    """A failed request has an error type, at least its status, and a message where the body has one, in each dialect and in none."""
    reading = answered(path, body, status=503, headers={"content-type": kind})
    assert (reading.error_type, reading.error_message, reading.usage) == (*error, None)


@pytest.mark.parametrize(
    ("path", "request_body", "model"),
    [
        ("/openai/deployments/my-gpt4/chat/completions", {"messages": []}, "my-gpt4"),
        ("/openai/deployments/my-gpt4/chat/completions", {"model": "gpt-4o"}, "gpt-4o"),
        ("/serving-endpoints/claude/invocations", {"messages": []}, "claude"),
        (CHAT, None, None),
        ("/who/knows", {"model": "m"}, "m"),
        ("/who/knows", {"model": 7}, None),
        ("/who/knows", ["model"], None),
    ],
)
def test_the_model_asked_for(path: str, request_body: Any, model: str | None) -> None:
    """It stands in the body or in the path, and is None where nobody says."""
    assert answered(path, {}, request=request_body).request_model == model


def test_an_unknown_dialect() -> None:
    """Nothing is made up: no usage, no text; whether it was a stream is told."""
    reading = answered("/who/knows", sse({"a": 1}, "x"), headers=SSE)
    assert reading == Reading(is_stream=True)
    assert answered("/who/knows", {"usage": {"prompt_tokens": 3}}) == Reading(is_stream=False)


def test_a_stream_recognised_late() -> None:
    """Events before the one that gives the dialect away are not lost."""
    reading = answered("/who/knows", sse({"x": 1}, *CHUNKS), headers=SSE)
    assert (reading.dialect, reading.output_text) == ("openai.chat", WORDS)


def test_a_request_with_a_coding() -> None:
    """A compressed request body is read too."""
    exchange = captured(CHAT, DOCUMENT, asked_with={"content-encoding": "gzip"})
    assert read(replace(exchange, request_body=gzip.compress(b'{"model":"gpt-4o"}'))).request_model == "gpt-4o"


def test_no_answer() -> None:
    """An exchange without an answer keeps what was asked."""
    reading = read(replace(captured(CHAT, b"", request={"model": "m"}), status=None))
    assert (reading.request_model, reading.is_stream, reading.usage, reading.error_type) == ("m", None, None, None)
