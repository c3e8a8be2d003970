"""Whatever a provider, a proxy in between or an attacker sends: readers read on."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.exchange import Reading
from proxy.providers import SHELF
from proxy.providers.base import BaseReader
from tests.helpers.answers import captured

READERS = sorted({line.reader for line in SHELF}, key=lambda reader: (reader.__module__, reader.__name__))
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([10**400, -1, 1e308, "\ud800", "[DONE]", "$.a"])
)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8
)
NAMES = st.none() | st.sampled_from(
    "chunk error output done contentBlockDelta contentBlockStart messageStop metadata returnControl xException content_block_delta step.delta".split()
)
# Documents with the keys that readers look for; the test puts arbitrary values in their places.
SHAPES: list[Any] = [
    {
        "type": "message_start",
        "message": {"id": "m", "model": "x", "usage": {"input_tokens": 1, "cache_creation": {}, "server_tool_use": {}}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "A", "partial_json": "", "thinking": ""}},
    {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": {"explanation": "x"}}, "usage": {"output_tokens": 2}},
    {"type": "message", "content": [{"type": "text", "text": "A"}], "stop_reason": "x", "usage": {}},
    {"type": "error", "error": {"type": "x", "message": "y"}},
    {"completion": "A", "stop_reason": "x", "model": "m", "generation": "A", "outputText": "A", "generated_text": "A"},
    {
        "candidates": [
            {
                "index": 0,
                "finishReason": 1,
                "content": {"parts": [{"text": "A", "thought": True, "functionCall": {"name": "n", "args": {}}}]},
            }
        ]
    },
    {
        "candidates": [
            {
                "content": {
                    "parts": [{"functionCall": {"partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x"}], "willContinue": True}}]
                }
            }
        ]
    },
    {
        "usageMetadata": {"promptTokenCount": 1, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}]},
        "promptFeedback": {"blockReason": "x"},
    },
    {
        "predictions": [{"embeddings": {"statistics": {"token_count": 1}}, "content": "A"}],
        "metadata": {"tokenMetadata": {"inputTokenCount": {"totalTokens": 1}}},
    },
    {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "A", "arguments": "{}", "content": {"text": "x"}}},
    {
        "event_type": "interaction.completed",
        "interaction": {"status": "completed", "usage": {"total_input_tokens": 1}, "steps": [{"type": "thought", "summary": [{}]}]},
    },
    {
        "output": {"message": {"content": [{"text": "A", "toolUse": {"input": {}}, "citationsContent": {"content": [{"text": "x"}]}}]}},
        "stopReason": "x",
    },
    {
        "contentBlockIndex": 0,
        "delta": {"text": "A", "toolUse": {"input": "x"}, "reasoningContent": {"text": "x"}},
        "start": {"toolUse": {"name": "n"}},
    },
    {
        "usage": {"inputTokens": 1, "outputTokens": 2, "cacheDetails": [{"ttl": "5m", "inputTokens": 1}]},
        "serviceTier": {"type": "x"},
        "trace": {"promptRouter": {}},
    },
    {
        "bytes": "e30=",
        "message": "x",
        "invocationId": "i",
        "invocationInputs": [{"functionInvocationInput": {"function": "f", "parameters": []}}],
    },
    {
        "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1},
        "results": [{"outputText": "A", "tokenCount": 1, "generated_text": "x"}],
        "outputs": [{"text": "A"}],
    },
    {
        "choices": [{"index": 0, "delta": {"content": "A", "tool_calls": [{"index": 0, "function": {"name": "n", "arguments": ""}}]}}],
        "usage": {"prompt_tokens": 1},
    },
    {
        "type": "content-delta",
        "index": 0,
        "delta": {"message": {"content": {"text": "A"}, "tool_calls": {"function": {"arguments": "x"}}}, "usage": {"billed_units": {}}},
    },
    {
        "message": {"content": [{"text": "A"}], "tool_calls": [{"function": {}}]},
        "finish_reason": "x",
        "usage": {"tokens": {"reasoning_tokens": 1}},
    },
    {
        "event_type": "stream-end",
        "response": {"meta": {"billed_units": {"input_tokens": 1}}, "tool_calls": [{"parameters": {}}]},
        "text": "x",
    },
    {
        "message": {"content": "A", "tool_calls": [{"function": {"arguments": {}}}]},
        "done": True,
        "prompt_eval_count": 1,
        "done_reason": "x",
    },
    {
        "completions": [{"completion": "A", "data": {"text": "x"}, "finishReason": {"reason": "x"}}],
        "details": {"generated_tokens": 1, "prefill": []},
        "token": {"text": "A"},
    },
    {"id": "p", "status": "succeeded", "output": ["A"], "metrics": {"input_token_count": 1}, "error": None, "errors": [{}]},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands inside a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inside for place in places(item, (*path, key))]


@st.composite
def events(draw: st.DrawFn) -> tuple[str | None, Any]:
    """A document of any shape, or a known shape with something else in one of its places."""
    if draw(st.booleans()):
        return draw(NAMES), draw(JSON)
    document = copy.deepcopy(draw(st.sampled_from(SHAPES)))
    *way, last = draw(st.sampled_from(places(document)))
    node = document
    for key in way:
        node = node[key]
    node[last] = draw(JSON)
    return draw(NAMES), document


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: f"{reader.__module__.rsplit('.', 1)[-1]}.{reader.__name__}")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fed=st.lists(events(), max_size=4), request_value=JSON, streams=st.booleans())
def test_anything_may_be_fed(reader: type[BaseReader], fed: list[tuple[str | None, Any]], request_value: Any, streams: bool) -> None:
    """No event, document or request raises, and a result can be told after each."""
    reading_reader = reader(captured("/model/x/invoke", b""), request_value)
    reading_reader.is_stream = streams
    for name, data in fed:
        reading_reader.feed(name, data)
        assert isinstance(reading_reader.result(), Reading)


@settings(max_examples=200, deadline=None)
@given(document=st.sampled_from(SHAPES) | JSON)
def test_anything_may_be_recognised(document: Any) -> None:
    """Asking a reader whether it knows a document raises nothing."""
    for reader in READERS:
        recognises = getattr(reader, "recognises", None)
        assert recognises is None or isinstance(recognises(document), bool)
