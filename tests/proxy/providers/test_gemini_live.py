"""Gemini Live sessions."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.gemini_live import LiveReader
from tests.helpers.answers import captured

SETUP = {"setup": {"model": "models/gemini-live-2.5-flash", "generationConfig": {"responseModalities": ["AUDIO"]}}}
USAGE = {
    "promptTokenCount": 30,
    "responseTokenCount": 37,
    "thoughtsTokenCount": 5,
    "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 37}],
}


def said(text: str) -> dict[str, Any]:
    """A transcribed piece of speech."""
    return {"serverContent": {"outputTranscription": {"text": text}}}


def session(*messages: tuple[str, Any]) -> LiveReader:
    """A session after these messages."""
    reader = LiveReader(captured("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", b""))
    for direction, message in messages:
        reader.feed(direction, message if isinstance(message, (str, bytes)) else json.dumps(message))
    return reader


def test_each_turn_has_its_usage_by_modality() -> None:
    """Two turns, one of which reports nothing: unknown, not zero."""
    reading = session(
        ("client", SETUP),
        ("upstream", {"setupComplete": {}}),
        ("upstream", {"serverContent": {"modelTurn": {"parts": [{"text": "hm", "thought": True}, {"inlineData": {"data": "AA"}}]}}}),
        ("upstream", said("Hel")),
        ("upstream", json.dumps(said("lo")).encode()),
        ("upstream", {"serverContent": {"turnComplete": True}, "usageMetadata": USAGE}),
        ("upstream", said("Again")),
        ("upstream", {"serverContent": {"interrupted": True}}),
        ("upstream", {"serverContent": {"turnComplete": True}}),
    ).result()
    first, second = reading.turns
    assert first.usage is not None
    assert (first.usage.input_tokens, first.usage.output_tokens, first.usage.input_audio_tokens, first.usage.output_audio_tokens) == (
        30,
        42,
        20,
        37,
    )
    assert (first.output_text, first.finish_reason) == ("Hello", "turnComplete")
    assert (second.usage, second.output_text, second.finish_reason) == (None, "Again", "interrupted")
    assert (reading.request_model, reading.reasoning_text) == ("gemini-live-2.5-flash", "hm")
    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.usage.cache_read_tokens) == (30, 42, None)
    assert (reading.output_text, reading.terminal) == ("Hello\nAgain", True)


def test_a_tool_call_belongs_to_the_turn_that_goes_on() -> None:
    """Unless its usage came before the client answered: then the rest is a response of its own."""
    call = {"toolCall": {"functionCalls": [{"id": "f1", "name": "look", "args": {"a": 1}}]}}
    back = ("client", {"tool_response": {"functionResponses": []}})
    end = ("upstream", {"serverContent": {"turnComplete": True}, "usageMetadata": USAGE})
    one = session(("client", SETUP), ("upstream", call), back, ("upstream", said("Hi")), end).result()
    assert [(call.id, call.name, call.arguments) for call in one.tool_calls] == [("f1", "look", '{"a":1}')]
    assert len(one.turns) == 1
    two = session(("client", SETUP), ("upstream", call | {"usageMetadata": USAGE}), back, ("upstream", said("Hi")), end).result()
    assert [turn.finish_reason for turn in two.turns] == ["toolCall", "turnComplete"]
    assert two.usage is not None
    assert two.usage.input_tokens == 60


def test_a_turn_that_was_cut_is_kept() -> None:
    """What had been said stands, without a reason."""
    reading = session(("client", SETUP), ("upstream", said("Hel"))).result()
    assert [(turn.output_text, turn.finish_reason) for turn in reading.turns] == [("Hel", None)]
    assert reading.terminal is False


@given(st.lists(st.tuples(st.sampled_from(["client", "upstream"]), st.text(max_size=30) | st.binary(max_size=30)), max_size=6))
def test_any_message_is_survived(messages: list[tuple[str, Any]]) -> None:
    """Nothing a peer sends may raise."""
    session(*messages).result()
