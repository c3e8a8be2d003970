"""Token counts of our own: near what the provider would have said, and none where the wire does not show everything."""

from __future__ import annotations

import gzip
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.accounting.estimate import estimate
from proxy.accounting.tokens import count_tokens
from proxy.exchange import Captured, Reading, ToolCall, Usage

CORPUS = Path(__file__).resolve().parents[3].parent / "shared" / "corpus" / "exchanges.jsonl.gz"
CAPTURED = Captured("openai", None, "https://api.openai.com", "POST", "/v1/chat/completions", "", (), b"{}", False, 200, (), b"", False)
CHAT = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "What is the capital of Mexico?"}]}
READING = Reading(dialect="openai.chat", operation="chat", request_model="gpt-4o", response_model="gpt-4o-2024-08-06",
                  finish_reasons=("stop",), output_text="The capital of Mexico is Mexico City.")  # fmt: skip
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {
    "a": {"type": "string", "enum": ["x", "y"]}, "b": {"type": "array", "items": {"type": "integer"}}, "c": {"anyOf": [{"type": "null"}, {"type": "number"}]},
    "d": {"type": "object", "properties": {"e": {"type": "boolean"}}, "required": ["e"]}}}}}  # fmt: skip


def test_a_chat_is_counted_as_openai_counts_it() -> None:
    """A recorded question: 14 tokens in, 8 out, said OpenAI."""
    assert estimate(CAPTURED, READING, CHAT) == Usage(input_tokens=14, output_tokens=8)


def test_older_models_have_the_older_vocabulary() -> None:
    """GPT-4 and GPT-3.5 read cl100k, GPT-4o and later o200k."""
    text = ["日本語のトークン"]
    assert count_tokens(text, "gpt-4-0613") == count_tokens(text, "gpt-35-turbo") != count_tokens(text, "gpt-4o")
    assert count_tokens(text, "gpt-4.1-mini") == count_tokens(text, "openai/gpt-4o") == count_tokens(text, "gpt-4-5-preview")


def test_functions_calls_and_schemas_are_counted() -> None:
    """Definitions, calls in the history and a schema all cost input; a call costs output."""
    plain = estimate(CAPTURED, READING, CHAT)
    history = [*CHAT["messages"], {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}] * 2},
               {"role": "tool", "content": [{"type": "text", "text": "4"}], "name": "f"}]  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    full = estimate(
        CAPTURED,
        replace(READING, tool_calls=(ToolCall("1", "f", "{}"),)),
        {**CHAT, "messages": history, "tools": [TOOL], "response_format": form},
    )
    assert plain is not None
    assert full is not None
    assert full.input_tokens > plain.input_tokens + 60
    assert full.output_tokens > plain.output_tokens + 7


def test_the_other_openai_dialects() -> None:
    """Completions (text, one text in a list, token numbers) and Responses (text, items)."""
    completion = replace(READING, dialect="openai.completions", response_model="gpt-3.5-turbo-instruct", output_text=" four")
    assert estimate(CAPTURED, completion, {"prompt": "two and two is"}) == Usage(input_tokens=4, output_tokens=1)
    assert estimate(CAPTURED, completion, {"prompt": ["two and two is"]}) == Usage(input_tokens=4, output_tokens=1)
    assert estimate(CAPTURED, completion, {"prompt": [1, 2, 3]}) == Usage(input_tokens=3, output_tokens=1)
    assert estimate(CAPTURED, completion, {"prompt": ["a", "b"]}) is None
    response = replace(READING, dialect="openai.responses")
    asked = estimate(CAPTURED, response, {"input": "What is the capital of Mexico?"})
    assert asked == Usage(input_tokens=14, output_tokens=9)
    items = [{"role": "user", "content": [{"type": "input_text", "text": "What is the capital of Mexico?"}]},
             {"type": "function_call", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "output": "Mexico City"}]  # fmt: skip
    longer = estimate(CAPTURED, response, {"input": items, "instructions": "Be brief.", "tools": [{"type": "function", "name": "f"}],
                                           "text": {"format": {"type": "json_schema", "schema": {"type": "object"}}}})  # fmt: skip
    assert longer is not None
    assert longer.input_tokens > 40


@pytest.mark.parametrize(
    "change",
    [
        {"n": 2},
        {"best_of": 3},
        {"audio": {"voice": "alloy"}},
        {"previous_response_id": "resp_1"},
        {"messages": []},
        {"messages": "hello"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://e.example/p.png"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [3]},
        {"tools": [{"type": "web_search"}]},
        {"tools": {"a": 1}},
    ],
)
def test_what_the_wire_does_not_show_is_not_guessed(change: dict[str, Any]) -> None:
    """Several choices, sound, pictures, stored conversations, server-side tools and odd shapes leave the usage unknown."""
    assert estimate(CAPTURED, READING, {**CHAT, **change}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"usage": Usage(input_tokens=1)},
        {"dialect": "openai.embeddings"},
        {"dialect": "anthropic.count_tokens"},
        {"dialect": None},
        {"output_text": None},
        {"output_text": ""},
        {"error_type": "server_error"},
        {"unread": "cut off"},
        {"finish_reasons": ("stop", "stop")},
        {"response_model": "o3-mini"},
        {"response_model": "gpt-5-mini"},
        {"response_model": "google/gemini-2.5-pro"},
    ],
)
def test_nothing_is_counted_where_nothing_was_generated_or_something_was_hidden(change: dict[str, Any]) -> None:
    """Reported usages, lists, failures, cut texts and models that think behind the scenes."""
    assert estimate(CAPTURED, replace(READING, **change), CHAT) is None


def test_a_thinking_model_that_did_not_think_is_counted() -> None:
    """With no effort asked there is nothing hidden; and other makers' models are counted only where the prompt is plain."""
    assert estimate(CAPTURED, replace(READING, response_model="gpt-5.2"), {**CHAT, "reasoning_effort": "none"}) is not None
    llama = replace(READING, response_model="llama-3.3-70b-versatile")
    assert estimate(CAPTURED, llama, CHAT) == Usage(input_tokens=42, output_tokens=9)
    assert estimate(CAPTURED, llama, {**CHAT, "tools": [TOOL]}) is None


@pytest.mark.parametrize("change", [{"status": 500}, {"status": None}, {"request_truncated": True}, {"response_truncated": True}])
def test_failures_and_cut_bodies_are_not_counted(change: dict[str, Any]) -> None:
    """Half a text has no count."""
    assert estimate(replace(CAPTURED, **change), READING, CHAT) is None


def test_huge_requests_are_judged_by_their_beginning() -> None:
    """20 MB of text, or a million messages' worth of pieces, take a moment and stay in proportion."""
    begun = time.process_time()
    long = count_tokens(["the quick brown fox " * 1_000_000], "gpt-4o")
    many = count_tokens(["fox "] * 300_000, "gpt-4o")
    assert time.process_time() - begun < 3
    assert abs(long / 4_000_000 - 1) < 0.02
    assert abs(many / 300_000 - 1) < 0.05


def test_half_a_surrogate_pair_is_counted() -> None:
    """JSON can spell what is no text."""
    assert count_tokens(["a \ud800 b"], "gpt-4o") > 0


def test_loading_the_vocabulary_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """The package greets on standard output when it is imported another way."""
    count_tokens(["hello"], "gpt-4o")
    assert capfd.readouterr() == ("", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "tool_calls", "function", "name", "arguments", "function_call"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["openai.chat", "openai.responses", "openai.completions"]),
       st.dictionaries(st.sampled_from(["messages", "input", "instructions", "tools", "functions", "prompt", "text", "response_format", "n"]), JSON, max_size=4))  # fmt: skip
def test_no_request_breaks_it(dialect: str, request: dict[str, Any]) -> None:
    """Anything may stand in a request: a usage or none, never an exception."""
    found = estimate(CAPTURED, replace(READING, dialect=dialect), request)
    assert found is None or found.input_tokens is not None


def test_recorded_chats_are_counted_within_the_documented_error() -> None:
    """OpenAI's text chats that did report: docs/pricing.md promises a median error of nothing, and 5 % in sum."""
    if not CORPUS.is_file():
        pytest.skip("the recorded provider traffic is not here")
    pairs: list[tuple[int, int]] = []
    with gzip.open(CORPUS, "rt") as lines:
        for record in map(json.loads, lines):
            oracle, model = record["oracle"], record["oracle"].get("model_response") or ""
            if (
                record["provider"] != "openai"
                or record["api_kind"] != "openai.chat"
                or not oracle.get("usage_reported")
                or not oracle.get("text")
            ):
                continue
            request = json.loads(record["request"].get("body_text") or "null")
            if not isinstance(request, dict) or request.get("tools") or request.get("functions") or request.get("response_format"):
                continue
            reasons = tuple(reason for reason in oracle["finish_reasons"] or () if reason)
            found = estimate(CAPTURED, replace(READING, response_model=model, output_text=oracle["text"], finish_reasons=reasons), request)
            if found is not None:
                pairs += [
                    (found.input_tokens or 0, oracle["usage"]["input_tokens"]),
                    (found.output_tokens or 0, oracle["usage"]["output_tokens"]),
                ]
    assert len(pairs) > 100
    assert statistics.median(abs(ours - told) / max(told, 1) for ours, told in pairs) == 0
    assert abs(sum(ours for ours, _ in pairs) / sum(told for _, told in pairs) - 1) < 0.05
