"""OpenAI's WebSocket sessions: Realtime (also Azure's, Voice Live's and xAI's) and Responses over WebSocket.

Source: platform.openai.com/docs/api-reference/realtime-server-events, /guides/websocket-mode. One exchange is a session, one response in it
a turn. `response.done` (Realtime) and `response.completed` (Responses) carry the response whole with its usage. A transcription of what the
user said is another model's work: its usage is kept in `Usage.raw`, and is a turn of its own only in a session that has nothing else.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from proxy.exchange import Captured, Reading, ToolCall, Turn, Usage
from proxy.providers.compatible import usage_of
from proxy.providers.errors import ReadError, describe_error
from proxy.providers.fields import mapping, text, word
from proxy.providers.openai_responses import Output
from proxy.providers.turns import sum_usage
from proxy.streams.json_value import Unparsable, json_text, parse_json

_LAST = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_TEXT = frozenset(
    {"response.output_text.delta", "response.text.delta", "response.output_audio_transcript.delta", "response.audio_transcript.delta"}
)


class RealtimeReader:
    """Reads one session."""

    dialect = "openai.realtime"
    operation = "chat"
    source = "https://platform.openai.com/docs/api-reference/realtime"
    reads = "each response as a turn: text or transcript, status, tokens by modality, cached audio; calls, errors"
    unknown = "usage of a response that was cut off; what a transcription inside a session costs beside its responses"

    def __init__(self, captured: Captured) -> None:
        self._session: dict[str, Any] = {}
        self._asked: str | None = next(iter(parse_qs(captured.query).get("model", [])), None)
        self._transcriber: str | None = None
        self._turns: list[Turn] = []
        self._transcripts: list[Turn] = []
        self._raw: list[Any] = []
        self._calls: list[ToolCall] = []
        self._tier: str | None = None
        self._open: dict[str, list[str]] = {}  # text so far of the responses that have not ended, by id
        self._error: ReadError | None = None

    def feed(self, direction: str, message: bytes | str) -> None:
        """Take one message, whose direction is 'client' or 'upstream'; what is no JSON tells nothing."""
        try:
            data = parse_json(message)
        except Unparsable:
            return
        if not isinstance(data, dict):
            return
        kind = data.get("type")
        if not isinstance(kind, str):
            return
        if direction == "client":
            self._sent(kind, data)
        elif kind in _LAST:
            self._ended(mapping(data.get("response")))
        elif kind in _TEXT:
            pieces = self._open.get(self._response_id(data))
            if pieces is not None and isinstance(piece := data.get("delta"), str):
                pieces.append(piece)
        elif kind == "response.created":
            response = mapping(data.get("response"))
            self._open[text(response.get("id")) or ""] = []
        elif kind in ("session.created", "session.updated", "transcription_session.created", "transcription_session.updated"):
            self._session = {**self._session, **mapping(data.get("session"))}
            self._note_transcriber(self._session)
        elif kind == "conversation.item.input_audio_transcription.completed":
            self._transcribed(data)
        elif kind == "error" and self._error is None:
            inner = data.get("error")
            self._error = describe_error(inner if isinstance(inner, dict) else {**data, "type": data.get("code") or "error"})

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        open_turns = [Turn(key or None, self._model(), None, None, "".join(pieces) or None) for key, pieces in self._open.items()]
        turns = tuple([*self._turns, *open_turns] or self._transcripts)
        kind, message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=True,
            request_model=self._asked,
            response_model=next((turn.response_model for turn in turns if turn.response_model), self._model()),
            response_id=text(self._session.get("id")) or next((turn.response_id for turn in turns), None),
            usage=sum_usage([turn.usage for turn in turns], json_text(self._raw)),
            service_tier=self._tier,
            finish_reasons=tuple(turn.finish_reason for turn in turns if turn.finish_reason),
            tool_calls=tuple(self._calls),
            output_text="\n".join(turn.output_text for turn in turns if turn.output_text) or None,
            error_type=kind,
            error_message=message,
            terminal=not open_turns if turns else None,
            turns=turns,
        )

    def _sent(self, kind: Any, data: dict[str, Any]) -> None:
        if kind in ("session.update", "transcription_session.update"):
            session = mapping(data.get("session"))
            self._asked = self._asked or text(session.get("model")) or None
            self._note_transcriber(session)
        elif kind == "response.create":  # Responses over WebSocket names its model here
            self._asked = self._asked or text(data.get("model")) or text(mapping(data.get("response")).get("model")) or None

    def _ended(self, response: dict[str, Any]) -> None:
        identity = text(response.get("id")) or None
        pieces = self._open.pop(identity or "", None)
        status = word(response.get("status"))
        details = mapping(response.get("status_details")) or mapping(response.get("incomplete_details"))
        if status == "incomplete" and (reason := word(details.get("reason"))):
            status = f"incomplete:{reason}"
        error = response.get("error") or details.get("error")
        if error and self._error is None:
            self._error = describe_error(error)
        usage = response.get("usage")
        if usage:
            self._raw.append(usage)
        output = Output(response.get("output"))
        self._calls += output.calls
        self._tier = word(response.get("service_tier")) or self._tier
        said = "".join(output.texts) or "".join(pieces or ())
        model = text(response.get("model")) or self._model()
        self._turns.append(Turn(identity, model, usage_of(usage) if isinstance(usage, dict) else None, status, said or None))

    def _transcribed(self, data: dict[str, Any]) -> None:
        usage = data.get("usage")
        read: Usage | None = None
        if isinstance(usage, dict) and usage:
            self._raw.append(usage)
            read = usage_of(usage)
        self._transcripts.append(
            Turn(text(data.get("item_id")), self._transcriber, read, "completed", text(data.get("transcript")) or None)
        )

    def _note_transcriber(self, session: dict[str, Any]) -> None:
        settings = mapping(mapping(mapping(session.get("audio")).get("input")).get("transcription"))
        settings = settings or mapping(session.get("input_audio_transcription"))
        self._transcriber = text(settings.get("model")) or self._transcriber

    def _model(self) -> str | None:
        return text(self._session.get("model")) or None

    @staticmethod
    def _response_id(data: dict[str, Any]) -> str:
        return text(data.get("response_id")) or ""
