"""Gemini's generateContent and streamGenerateContent (SSE, or one JSON array), on Google's own host and on Vertex AI.

Source: ai.google.dev, "GenerateContentResponse"; cloud.google.com, "Generate content with the Gemini API". Every chunk of a stream is a
whole GenerateContentResponse; texts are increments, usageMetadata is cumulative, finishReason comes with a candidate's last chunk.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, ToolCall
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import items, mapping, word
from proxy.providers.gemini_arguments import apply_piece
from proxy.providers.gemini_usage import gemini_usage, service_tier
from proxy.providers.paths import path_model
from proxy.streams.json_value import json_text

_VERTEX_TIER = "x-vertex-ai-llm-shared-request-type"  # request header that asks for flex or priority


class GenerateContent(BaseReader):
    """Reads one exchange of the generateContent dialect; fed whole answers, chunks, or an array of chunks."""

    dialect: ClassVar[str] = "gemini.generateContent"
    operation: ClassVar[str | None] = "generate_content"
    source: ClassVar[str] = "https://ai.google.dev/api/generate-content"
    reads: ClassVar[str] = (
        "text, thoughts, function calls, finish and block reasons, tokens by modality, tool-use prompts, cached ones, tier, error"
    )
    unknown: ClassVar[str] = "whether a grounded prompt was within the free quota: searches are not priced"
    array_is_stream: ClassVar[bool] = True

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or first event nobody's path knows is of this dialect (a gateway renamed the path)."""
        found = mapping(document)
        return "candidates" in found and ("usageMetadata" in found or "modelVersion" in found)

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._finish: dict[int, str | None] = {}  # by candidate, in order of appearance
        self._blocked: str | None = None
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._open_call = False
        self._usage: dict[str, Any] = {}
        self._model: str | None = None
        self._id: str | None = None
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer, one chunk, or an array of chunks."""
        if isinstance(data, list):
            for chunk in data:
                self._chunk(chunk)
        else:
            self._chunk(data)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        reasons = tuple(reason for reason in self._finish.values() if reason)
        reasons = reasons or ((self._blocked,) if self._blocked else ())
        asked = next((value for key, value in self.captured.request_headers if key == _VERTEX_TIER), None)
        complete = bool(reasons) and all(self._finish.values()) and self._error is None
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            response_model=self._model,
            response_id=self._id,
            usage=gemini_usage(self._usage),
            service_tier_requested=word(self.request.get("serviceTier")) or word(self.request.get("service_tier")) or asked,
            service_tier=service_tier(self._usage),
            finish_reasons=reasons,
            tool_calls=tuple(_tool_call(call) for call in self._calls),
            output_text="".join(self._text) or None,
            reasoning_text="".join(self._thoughts) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=complete if self.is_stream else None,
        )

    def _chunk(self, data: Any) -> None:
        chunk = mapping(data)
        candidates = chunk.get("candidates")
        if candidates is None or "error" in chunk:
            self._error = self._error or find_error(data)
        self._model = word(chunk.get("modelVersion")) or self._model
        self._id = word(chunk.get("responseId")) or self._id
        for key, value in mapping(chunk.get("usageMetadata")).items():
            if value is not None:
                self._usage[key] = value
        self._blocked = word(mapping(chunk.get("promptFeedback")).get("blockReason")) or self._blocked
        for place, entry in enumerate(items(candidates)):
            candidate = mapping(entry)
            index = candidate.get("index")
            index = index if isinstance(index, int) else place
            self._finish[index] = _reason(candidate.get("finishReason")) or self._finish.get(index)
            if index == next(iter(self._finish)):
                for part in items(mapping(candidate.get("content")).get("parts")):
                    self._part(mapping(part))

    def _part(self, part: dict[str, Any]) -> None:
        piece = part.get("text")
        if isinstance(piece, str):
            (self._thoughts if part.get("thought") is True else self._text).append(piece)
        call = part.get("functionCall")
        if isinstance(call, dict):
            self._call(call)

    def _call(self, call: dict[str, Any]) -> None:
        """A call comes whole, or as a named head, argument pieces without a name, and an empty end."""
        if not self._open_call or word(call.get("name")):
            if not call:
                return
            self._calls.append({"id": call.get("id"), "name": call.get("name"), "args": call.get("args", {})})
        for piece in items(call.get("partialArgs")):
            arguments = self._calls[-1]["args"]
            if isinstance(arguments, dict):
                apply_piece(arguments, mapping(piece))
        self._open_call = call.get("willContinue") is True


def _reason(value: Any) -> str | None:
    """A finish reason in Google's word or number; its zero value says nothing yet."""
    return word(value) if value not in (0, "FINISH_REASON_UNSPECIFIED") else None


def _tool_call(call: dict[str, Any]) -> ToolCall:
    return ToolCall(id=word(call["id"]), name=word(call["name"]) or "", arguments=json_text(call["args"]))
