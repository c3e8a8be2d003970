"""Gemini Live (BidiGenerateContent), on Google's own host and on Vertex AI: a WebSocket session whose responses are turns.

Source: ai.google.dev, "Live API - WebSockets API reference". The client's first message is `setup`; a turn ends with turnComplete (or
interrupted); usageMetadata comes with some message of a turn, usually its last, and speaks of that turn alone. A tool call is part of the
turn that goes on after the client's toolResponse, unless its usage came before that: then what follows is a response of its own.
The last usageMetadata of a turn holds.
"""

from __future__ import annotations

from typing import Any

from proxy.exchange import Captured, Reading, ToolCall, Turn
from proxy.providers.errors import find_error
from proxy.providers.fields import items, mapping, text, word
from proxy.providers.gemini_usage import gemini_usage, service_tier
from proxy.providers.turns import sum_usage
from proxy.streams.json_value import Unparsable, json_text, parse_json

PATH = r"BidiGenerateContent(?:Constrained)?$"


class _Turn:
    """One response while it grows."""

    def __init__(self) -> None:
        self.began = False
        self.called = False
        self.spoken: list[str] = []  # the transcription of what was said
        self.written: list[str] = []
        self.thoughts: list[str] = []
        self.usage: dict[str, Any] = {}


class LiveReader:
    """Reads one session; fed its messages in order, it can tell its result at any moment and never raises."""

    dialect = "gemini.live"
    operation = "generate_content"
    source = "https://ai.google.dev/api/live"
    reads = "each response as a turn: text or transcription, tokens by modality, thoughts; calls, errors"
    unknown = "usage of a turn that was cut off; the answering model"

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._model: str | None = None
        self._turns: list[Turn] = []
        self._now = _Turn()
        self._calls: list[ToolCall] = []
        self._thoughts: list[str] = []
        self._tier: str | None = None
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, direction: str, message: bytes | str) -> None:
        """Take one message: 'client' (it asked) or 'upstream' (it answered), text or binary; both hold JSON."""
        try:
            event = parse_json(message)
        except Unparsable:
            return
        if not isinstance(event, dict):
            return
        if direction == "client":
            asked = word(mapping(event.get("setup")).get("model"))
            self._model = asked or self._model
            if ("toolResponse" in event or "tool_response" in event) and self._now.called and self._now.usage:
                self._turn_over("toolCall")
        else:
            self._answer(event)

    def result(self) -> Reading:
        """Tell what has been understood so far; usage is the sum of the turns that report one."""
        turns = [*self._turns, self._closed(None)] if self._now.began else self._turns
        error_type, error_message = self._error or (None, None)
        raw = "[" + ",".join(turn.usage.raw for turn in turns if turn.usage and turn.usage.raw) + "]"
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=True,
            request_model=self._model.rsplit("/", 1)[-1] if self._model else None,
            usage=sum_usage((turn.usage for turn in turns), raw),
            service_tier=self._tier,
            finish_reasons=tuple(turn.finish_reason for turn in turns if turn.finish_reason),
            tool_calls=tuple(self._calls),
            output_text="\n".join(turn.output_text for turn in turns if turn.output_text) or None,
            reasoning_text="".join([*self._thoughts, *self._now.thoughts]) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=not self._now.began if turns else None,
            turns=tuple(turns),
        )

    def _answer(self, event: dict[str, Any]) -> None:
        self._error = self._error or find_error(event)
        turn = self._now
        for key, value in mapping(event.get("usageMetadata")).items():
            if value is not None:
                turn.usage[key] = value
                turn.began = True
        self._tier = service_tier(turn.usage) or self._tier
        for call in map(mapping, items(mapping(event.get("toolCall")).get("functionCalls"))):
            turn.began = True
            turn.called = True
            arguments = json_text(call.get("args", {}))
            self._calls.append(ToolCall(id=word(call.get("id")), name=word(call.get("name")) or "", arguments=arguments))
        content = mapping(event.get("serverContent"))
        self._grow(turn, content)
        if content.get("interrupted") is True:
            self._turn_over("interrupted")
        elif content.get("turnComplete") is True:
            self._turn_over(word(content.get("turnCompleteReason")) or "turnComplete")

    def _grow(self, turn: _Turn, content: dict[str, Any]) -> None:
        spoken = text(mapping(content.get("outputTranscription")).get("text"))
        if spoken is not None:
            turn.spoken.append(spoken)
        parts = items(mapping(content.get("modelTurn")).get("parts"))
        for part in map(mapping, parts):
            piece = text(part.get("text"))
            if piece is not None:
                (turn.thoughts if part.get("thought") is True else turn.written).append(piece)
        turn.began = turn.began or bool(parts) or bool(spoken) or content.get("generationComplete") is True

    def _turn_over(self, reason: str) -> None:
        """Close the turn; an interrupted one is followed by a bare turnComplete, which ends nothing more."""
        if not self._now.began and self._turns:
            return
        self._turns.append(self._closed(reason))
        self._thoughts.extend(self._now.thoughts)
        self._now = _Turn()

    def _closed(self, reason: str | None) -> Turn:
        turn = self._now
        return Turn(
            response_id=None,
            response_model=None,
            usage=gemini_usage(turn.usage),
            finish_reason=reason,
            output_text="".join(turn.written) or "".join(turn.spoken) or None,
        )
