"""Anything at all may stand in a body: nothing raises, whatever the dialect, and time stays bounded."""

from __future__ import annotations

import inspect
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import Captured, Reading
from proxy.providers import SHELF
from proxy.reading import BodyReader, read, read_session
from tests.helpers.answers import captured, sse

PATHS = (
    "/v1/chat/completions /v1/completions /v1/responses /v1/responses/input_tokens /v1/embeddings /v1/images/generations /v1/audio/transcriptions "
    "/v1/audio/speech /v1/moderations /v1/ocr /v1/threads/t/runs /v1/files /v1/messages /v1/messages/count_tokens /v1/complete /v2/chat /v1/chat "
    "/v1/rerank /api/chat /api/generate /model/m/converse /model/m/converse-stream /model/m/invoke /model/m/invoke-with-response-stream "
    "/v1beta/models/g:generateContent /v1beta/models/g:streamGenerateContent /v1beta/models/g:embedContent /v1/predictions /completion "
    "/ai/run/m /v1/conversations /api/v2/cortex/inference:complete /ml/v1/text/generation /ml/v1/text/chat /complete /who/knows"
).split()
TYPES = [
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "text/plain",
    "audio/mpeg",
    "",
]
CODINGS = ["", "gzip", "br", "zstd", "deflate", "nonsense"]
KEYS = (
    "choices delta message content text index finish_reason tool_calls function name arguments id model usage prompt_tokens completion_tokens error "
    "type code output response status item output_index content_index object data role input_tokens candidates parts usageMetadata delta thinking "
    "content_block stop_reason generation results done eval_count outputs conversation_id provider_metadata gateway cost reasoning_details audio "
    "transcript service_tier x_groq metrics timings refusal function_call logprobs embeddings pages usage_info"
).split()
WORDS = [
    *KEYS,
    "[DONE]",
    "response.completed",
    "response.output_text.delta",
    "message_start",
    "content_block_delta",
    "message_stop",
    "completed",
    "\ud83e",
    "",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5), max_leaves=25
)


def check(exchange: Captured) -> Reading:
    """Read it whole and in pieces; the texts of the result fit UTF-8."""
    reading = read(exchange)
    reader = BodyReader(exchange)
    for at in range(0, len(exchange.response_body), 7):
        reader.feed(exchange.response_body[at : at + 7])
    assert reader.result() == reading
    assert not (reading.unread or "").startswith("fault")
    repr(reading).encode()
    json.dumps(
        [reading.output_text, reading.error_message, reading.response_model, [call.arguments for call in reading.tool_calls]],
        ensure_ascii=False,
    ).encode()
    return reading


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(PATHS),
    st.sampled_from(TYPES),
    st.sampled_from(CODINGS),
    st.sampled_from([None, 200, 400]),
    st.binary(max_size=200),
    st.binary(max_size=60),
)
def test_any_bytes(path: str, kind: str, coding: str, status: int | None, body: bytes, request: bytes) -> None:
    """Arbitrary bytes in answer and request, under any content type, coding and status, raise nothing."""
    headers = {"content-type": kind} | ({"content-encoding": coding} if coding else {})
    check(replace(captured(path, body, headers=headers), status=status, request_body=request))


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(PATHS), st.lists(VALUES, max_size=4), st.booleans(), VALUES, st.sampled_from([200, 500]))
def test_any_json(path: str, values: list[Any], streamed: bool, request: Any, status: int) -> None:
    """Documents and streams of arbitrary JSON in the dialects' own words raise nothing."""
    body = sse(*values) if streamed else json.dumps(values[0] if len(values) == 1 else values).encode()
    check(
        captured(
            path, body, request=request, status=status, headers={"content-type": "text/event-stream" if streamed else "application/json"}
        )
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.none() | st.sampled_from(WORDS), VALUES), max_size=4), VALUES)
def test_every_reader_takes_anything(events: list[tuple[str | None, Any]], request: Any) -> None:
    """Each reader on the shelf, fed any names and values, can tell a result after each of them."""
    for reader_class in dict.fromkeys(line.reader for line in SHELF):
        reader = reader_class(captured("/model/m/invoke", b"", request=request), request)
        for name, value in events:
            reader.feed(name, value)
            assert isinstance(reader.result(), Reading)
        recognises = inspect.getattr_static(reader_class, "recognises", None)
        if recognises is not None:
            assert all(reader_class.recognises(value) in (True, False) for _, value in events)  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["/v1/realtime", "/ws/BidiGenerateContent", "/who/knows"]),
    st.lists(st.tuples(st.sampled_from(["client", "upstream"]), VALUES | st.binary(max_size=20)), max_size=6),
)
def test_any_session(path: str, messages: list[tuple[str, Any]]) -> None:
    """WebSocket sessions of arbitrary messages raise nothing."""
    told = [(direction, value if isinstance(value, bytes) else json.dumps(value)) for direction, value in messages]
    repr(read_session(captured(path, b""), told)).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + b"x" * 4_000_000, id="one endless line"),
        pytest.param(b"\n" * 1_000_000, id="blank lines"),
        pytest.param(b"data: {}\n" * 300_000, id="one event of many lines"),
        pytest.param(b"[" * 2_000_000, id="nesting"),
        pytest.param(b'{"a":' * 500_000, id="nested objects"),
        pytest.param(b'{"choices":[' + b'{"index":0,"delta":{"tool_calls":[{"index":1}]}},' * 20_000, id="a cut document of many choices"),
        pytest.param(b'name="model"\n' * 300_000, id="forms in forms"),
        pytest.param(b"0" * 3_000_000, id="an endless number"),
        pytest.param(b"1f8b" * 500_000, id="hex"),
        pytest.param(
            sse(
                *(
                    {"choices": [{"index": at, "delta": {"tool_calls": [{"index": at, "id": str(at), "function": {"name": "f"}}]}}]}
                    for at in range(4000)
                )
            ),
            id="many choices",
        ),
        pytest.param(
            sse(*({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": at, "function": {"name": "f"}}]}}]} for at in range(4000))),
            id="many calls",
        ),
    ],
)
def test_time_is_bounded(body: bytes) -> None:
    """Megabytes of nonsense, as answer and as request, cost seconds at most, in pieces too."""
    exchange = replace(captured("/v1/chat/completions", body, headers={"content-type": "text/event-stream"}), request_body=body)
    begun = time.process_time()
    reader = BodyReader(exchange)
    for at in range(0, len(body), 1000):
        reader.feed(body[at : at + 1000])
    reader.result()
    assert time.process_time() - begun < 5
