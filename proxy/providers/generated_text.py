"""Hosts that answer {"generated_text": …}: HuggingFace's inference API, its text-generation server, and SageMaker endpoints that run it.

Sources: huggingface.co/docs, "Inference API", "Text Generation Inference"; docs.aws.amazon.com/sagemaker, "InvokeEndpoint" (the body is
whatever the endpoint's container says). Tokens are told in `details` only, and only of the answer, where the client asked for them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, word
from proxy.providers.paths import hugging_face_model
from proxy.streams.json_value import json_text


class GeneratedText(BaseReader):
    """Reads text generation, one document or SSE events of tokens; other tasks' answers are no text."""

    dialect: ClassVar[str] = "huggingface.inference"
    operation: ClassVar[str | None] = "text_completion"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._whole: str | None = None
        self._details: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, an array around it, or an event with one token."""
        answer = mapping(next(iter(items(data)), None)) if isinstance(data, list) else mapping(data)
        self._error = self._error or find_error(data)
        outputs = answer.get("outputs")
        answer = mapping(outputs[0]) if isinstance(outputs, list) and outputs else answer
        token = mapping(answer.get("token"))
        if isinstance(token.get("text"), str) and token.get("special") is not True:
            self._pieces.append(token["text"])
        self._whole = text(answer.get("generated_text")) or text(mapping(answer.get("generation")).get("content")) or self._whole
        self._details = mapping(answer.get("details")) or self._details

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        reason = word(self._details.get("finish_reason"))
        answered, asked = count(self._details.get("generated_tokens")), count(self._details.get("input_length"))
        if asked is None:
            asked = len(items(self._details.get("prefill"))) or None
        raw = json_text({key: self._details[key] for key in ("generated_tokens", "input_length") if key in self._details})
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=hugging_face_model(self.captured.path),
            usage=Usage(input_tokens=asked, output_tokens=answered, raw=raw) if answered is not None else None,
            finish_reasons=(reason,) if reason else (),
            output_text=self._whole or "".join(self._pieces) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._whole is not None and self._error is None) if self.is_stream else None,
        )


class SageMaker(GeneratedText):
    """Reads /endpoints/{name}/invocations; the endpoint's name stands for the model."""

    dialect: ClassVar[str] = "sagemaker.invoke"

    def feed(self, name: str | None, data: Any) -> None:
        """Take what the container said; JumpStart wraps it in one more array."""
        first = next(iter(items(data)), None)
        super().feed(name, first if isinstance(first, list) else data)


class AlephAlpha(BaseReader):
    """Reads Aleph Alpha's /complete, which reports tokens since 2024."""

    dialect: ClassVar[str] = "aleph-alpha.complete"
    operation: ClassVar[str | None] = "text_completion"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._answer: dict[str, Any] = {}
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document."""
        self._error = self._error or find_error(data)
        self._answer = mapping(data) or self._answer

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        made = [mapping(entry) for entry in items(self._answer.get("completions"))]
        asked = count(self._answer.get("num_tokens_prompt_total"))
        answered = count(self._answer.get("num_tokens_generated"))
        raw = json_text({"num_tokens_prompt_total": asked, "num_tokens_generated": answered})
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")),
            response_model=word(self._answer.get("model_version")),
            usage=None if asked is None and answered is None else Usage(input_tokens=asked, output_tokens=answered, raw=raw),
            finish_reasons=tuple(reason for entry in made if (reason := word(entry.get("finish_reason")))),
            output_text=(text(made[0].get("completion")) if made else None) or None,
            error_type=error_type,
            error_message=error_message,
        )
