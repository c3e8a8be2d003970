"""Gemini's Interactions API: one document, or SSE events of steps that grow by deltas.

Source: ai.google.dev, "Interactions API". Usage: total_input_tokens includes cached tokens; tool use and thoughts are counted apart.
Early versions of the API name the steps `outputs` and the events content.start/delta/stop, interaction.start/complete.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, ToolCall, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, total, word
from proxy.streams.json_value import json_text

_ENDLESS = 1_000_000  # step indices beyond this are nonsense
_ENDS = frozenset(("completed", "failed", "cancelled", "incomplete", "requires_action"))  # in_progress is none


class Interactions(BaseReader):
    """Reads one exchange of the Interactions dialect."""

    dialect: ClassVar[str] = "gemini.interactions"
    operation: ClassVar[str | None] = "generate_content"
    source: ClassVar[str] = "https://ai.google.dev/api/interactions-api"
    reads: ClassVar[str] = "text, thoughts, function calls, status, tokens by modality, error"
    unknown: ClassVar[str] = "usage of an interaction that still runs in the background"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._interaction: dict[str, Any] = {}
        self._steps: dict[int, dict[str, Any]] = {}
        self._grown: dict[int, list[tuple[str, str]]] = {}  # by step: (kind of delta, its text)
        self._status: str | None = None
        self._error: tuple[str | None, str | None] | None = None
        self._ended = False

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole interaction, or one event by its `event_type`."""
        if not isinstance(data, dict):
            return
        self._error = self._error or find_error(data)
        kind = text(data.get("event_type")) or name or ""
        index = data.get("index")
        index = index if isinstance(index, int) and 0 <= index < _ENDLESS else 0
        if kind in ("step.delta", "content.delta"):
            self._grow(index, mapping(data.get("delta")))
        elif kind in ("step.start", "content.start"):
            self._steps[index] = mapping(data.get("step") or data.get("content"))
        elif kind.startswith("interaction."):
            self._status = word(data.get("status")) or self._status
            self._whole(mapping(data.get("interaction")))
            self._ended = self._ended or kind in ("interaction.completed", "interaction.complete", "interaction.failed")
        elif not kind:
            self._whole(mapping(data.get("interaction")) or data)
            self._ended = self._ended or self._status in _ENDS

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        found = self._interaction
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or word(self.request.get("agent")),
            response_model=word(found.get("model")),
            response_id=word(found.get("id")),
            usage=_usage(mapping(found.get("usage"))),
            service_tier_requested=word(self.request.get("service_tier")),
            service_tier=word(found.get("service_tier")),
            finish_reasons=(self._status,) if self._status in _ENDS and self._status is not None else (),
            tool_calls=tuple(self._tool_calls()),
            output_text=self._joined("model_output", "text"),
            reasoning_text=self._joined("thought", "thought_summary"),
            error_type=error_type,
            error_message=error_message,
            terminal=(self._ended and self._error is None) if self.is_stream else None,
        )

    def _whole(self, interaction: dict[str, Any]) -> None:
        self._interaction = {**self._interaction, **interaction}
        self._status = word(interaction.get("status")) or self._status
        steps = items(interaction.get("steps")) or items(interaction.get("outputs"))
        if steps and not self._grown:
            self._steps = {place: mapping(step) for place, step in enumerate(steps)}

    def _grow(self, index: int, delta: dict[str, Any]) -> None:
        kind = text(delta.get("type")) or ""
        step = self._steps.setdefault(index, {"type": "thought" if kind.startswith("thought") else "model_output"})
        if kind in ("function_call", "tool_call"):
            step.update({key: value for key, value in delta.items() if key != "type" and value not in (None, "")}, type="function_call")
        content = mapping(delta.get("content"))
        piece = next((value for value in (delta.get("text"), delta.get("arguments"), content.get("text")) if isinstance(value, str)), None)
        if piece is not None:
            self._grown.setdefault(index, []).append((kind, piece))

    def _joined(self, step_kind: str, delta_kind: str) -> str | None:
        """The text of all steps of one kind; an early version's steps are plain text and thought contents."""
        pieces: list[str] = []
        for index, step in self._steps.items():
            if step.get("type") not in (step_kind, delta_kind):
                continue
            content = step.get("content")
            parts = (step, *(items(content) or [content]), *items(step.get("summary")))
            pieces.extend(text(mapping(part).get("text")) or "" for part in parts)
            pieces.extend(piece for kind, piece in self._grown.get(index, ()) if kind in (delta_kind, step_kind))
        return "".join(pieces) or None

    def _tool_calls(self) -> list[ToolCall]:
        calls = []
        for index, step in self._steps.items():
            if step.get("type") == "function_call":
                streamed = "".join(piece for kind, piece in self._grown.get(index, ()) if kind.startswith("arguments"))
                given = step.get("arguments", {})
                arguments = streamed or (given if isinstance(given, str) else json_text(given))
                calls.append(ToolCall(id=word(step.get("id")), name=word(step.get("name")) or "", arguments=arguments))
        return calls


def _usage(usage: dict[str, Any]) -> Usage | None:
    asked, tools = count(usage.get("total_input_tokens")), count(usage.get("total_tool_use_tokens"))
    answer, thoughts = count(usage.get("total_output_tokens")), count(usage.get("total_thought_tokens"))
    if thoughts is None:
        thoughts = count(usage.get("total_reasoning_tokens"))
    if asked is None and answer is None and thoughts is None:
        return None
    asked_by, answered_by = items(usage.get("input_tokens_by_modality")), items(usage.get("output_tokens_by_modality"))
    return Usage(
        input_tokens=total(asked, tools),
        output_tokens=total(answer, thoughts),
        cache_read_tokens=count(usage.get("total_cached_tokens")),
        reasoning_tokens=thoughts,
        input_audio_tokens=_of(asked_by, "audio"),
        output_audio_tokens=_of(answered_by, "audio"),
        cache_read_audio_tokens=_of(items(usage.get("cached_tokens_by_modality")), "audio"),
        input_image_tokens=_of(asked_by, "image"),
        output_image_tokens=_of(answered_by, "image"),
        raw=json_text(usage),
    )


def _of(entries: list[Any], modality: str) -> int | None:
    named = [mapping(entry) for entry in entries]
    return total(*(count(entry.get("tokens")) for entry in named if entry.get("modality") == modality))
