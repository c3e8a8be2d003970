"""OpenAI's WebSocket sessions: each response a turn, usage by modality, transcriptions beside them."""

from __future__ import annotations

import json
from typing import Any

from proxy.exchange import Captured, Reading, Turn
from proxy.reading import read_session

USAGE = {
    "input_tokens": 40,
    "output_tokens": 100,
    "input_token_details": {"text_tokens": 14, "audio_tokens": 26, "cached_tokens": 10, "cached_tokens_details": {"audio_tokens": 4}},
    "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
}
CREATED = {"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}}


def session(*messages: Any, path: str = "/v1/realtime", query: str = "model=gpt-realtime-x") -> Reading:
    """The reading of a session; what stands in a list was sent by the client."""
    captured = Captured("openai", None, "wss://127.0.0.1", "GET", path, query, (), b"", False, 101, (), b"", False)
    turned = [
        ("client", json.dumps(message[0])) if isinstance(message, list) else ("upstream", json.dumps(message)) for message in messages
    ]
    return read_session(captured, [*turned, ("upstream", b"\x00\xff"), ("client", "no JSON"), ("upstream", "[1]")])


def done(identity: str, text: str, usage: Any = None, **more: Any) -> dict[str, Any]:
    """The end of one response."""
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": text}]}]
    return {"type": "response.done", "response": {"id": identity, "status": "completed", "output": output, "usage": usage} | more}


def test_each_response_is_a_turn_and_the_session_their_sum() -> None:
    """Turns have their own usage; the session's is the sum of what was reported; unreported is unknown."""
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    reading = session(
        CREATED,
        [{"type": "response.create"}],
        done("resp_1", "Hi", USAGE),
        done("resp_2", "Ho", USAGE, output=[call]),
        done("resp_3", "Ha", {}),
    )
    assert [(turn.response_id, turn.output_text, turn.usage and turn.usage.output_tokens) for turn in reading.turns] == [
        ("resp_1", "Hi", 100),
        ("resp_2", None, 100),
        ("resp_3", "Ha", None),
    ]
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.input_audio_tokens, usage.cache_read_audio_tokens, usage.output_audio_tokens) == (80, 52, 8, 160)
    assert (reading.request_model, reading.response_model, reading.response_id) == ("gpt-realtime-x", "gpt-realtime", "sess_1")
    assert (reading.terminal, reading.is_stream, reading.finish_reasons, reading.tool_calls[0].name) == (
        True,
        True,
        ("completed",) * 3,
        "f",
    )


def test_an_unfinished_response() -> None:
    """A response that never ended is a turn with what was said so far, and no end."""
    created = {"type": "response.created", "response": {"id": "resp_1"}}
    delta = {"type": "response.output_audio_transcript.delta", "response_id": "resp_1", "delta": "Hel"}
    reading = session(CREATED, created, delta)
    assert reading.turns == (Turn("resp_1", "gpt-realtime", None, None, "Hel"),)
    assert (reading.terminal, reading.usage) == (False, None)


def test_failed_and_cut_responses() -> None:
    """Why a response was cut or failed is said; a session's error is kept."""
    cut = done("resp_1", "Hi", USAGE, status="incomplete", status_details={"reason": "max_output_tokens"})
    failed = done("resp_2", "", None, status="failed", status_details={"error": {"type": "server_error", "message": "m"}})
    reading = session(CREATED, cut, failed)
    assert reading.finish_reasons == ("incomplete:max_output_tokens", "failed")
    assert (reading.error_type, reading.error_message) == ("server_error", "m")
    assert (
        session(CREATED, {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}).error_type
        == "invalid_request_error"
    )


def test_transcriptions() -> None:
    """Beside responses a transcription's usage is only kept raw; in a session of transcriptions alone each is a turn."""
    update = [{"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}}]
    heard = {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "item_1",
        "transcript": "Hello",
        "usage": {"type": "duration", "seconds": 3},
    }
    alone = session(CREATED, update, heard)
    assert [(turn.response_model, turn.output_text, turn.usage and turn.usage.audio_seconds) for turn in alone.turns] == [
        ("gpt-4o-transcribe", "Hello", 3.0)
    ]
    beside = session(CREATED, update, heard, done("resp_1", "Hi", USAGE))
    assert len(beside.turns) == 1
    assert beside.usage is not None
    assert beside.usage.audio_seconds is None
    assert '"seconds":3' in str(beside.usage.raw)


def test_responses_over_websocket() -> None:
    """The Responses dialect's own events end its turns, with the model in each response."""
    response = {"id": "resp_1", "model": "gpt-5", "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 2}, "output": []}
    reading = session(
        [{"type": "response.create", "model": "gpt-5"}],
        {"type": "response.completed", "response": response},
        path="/v1/responses",
        query="",
    )
    assert (reading.request_model, reading.response_model, reading.turns[0].usage and reading.turns[0].usage.input_tokens) == (
        "gpt-5",
        "gpt-5",
        3,
    )


def test_a_session_of_an_unknown_path_and_an_unknown_kind() -> None:
    """It is known by its first messages, or stays unknown."""
    assert session(CREATED, done("resp_1", "Hi", USAGE), path="/ws").dialect == "openai.realtime"
    unknown = session({"hello": 1}, path="/ws")
    assert (unknown.dialect, unknown.turns, unknown.is_stream) == (None, (), True)
