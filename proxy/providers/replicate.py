"""Replicate's predictions: created, polled until done, or streamed as SSE from a host of its own.

Source: replicate.com/docs, "HTTP API", "Streaming output". Language models report token counts in `metrics`, everything else only the
seconds it ran. They stand in whichever exchange saw the prediction ended: its creation (`Prefer: wait`), or the poll after which a
client stops.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import count, items, mapping, text, word
from proxy.streams.json_value import json_text

_ENDS = frozenset(("succeeded", "failed", "canceled", "aborted"))


class Predictions(BaseReader):
    """Reads /v1/predictions and the predictions of a model or deployment, and their stream."""

    dialect: ClassVar[str] = "replicate.predictions"
    operation: ClassVar[str | None] = "predict"
    source: ClassVar[str] = "https://replicate.com/docs/reference/http"
    reads: ClassVar[str] = "text, status, tokens of language models, error"
    unknown: ClassVar[str] = "usage of a prediction that still runs; everything else is billed by the second of hardware"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._answer: dict[str, Any] = {}
        self._pieces: list[str] = []
        self._ended = False
        self._error: tuple[str | None, str | None] | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the prediction, or an SSE event named output, error or done."""
        if name == "output":
            self._pieces.append(data if isinstance(data, str) else json_text(data))
        elif name == "done":
            self._ended = True
        elif name == "error":
            self._error = self._error or ("error", data if isinstance(data, str) else text(mapping(data).get("detail")))
        elif isinstance(data, dict):
            self._answer = data
            self._error = self._error or find_error(data)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        status = word(self._answer.get("status"))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("version")) or _path_model(self.captured.path),
            response_model=word(self._answer.get("model")),
            response_id=word(self._answer.get("id")),
            usage=self._usage(),
            finish_reasons=(status,) if status in _ENDS and status is not None else (),
            output_text="".join(self._pieces) or _output_text(self._answer.get("output")),
            error_type=error_type,
            error_message=error_message,
            terminal=(self._ended and self._error is None) if self.is_stream else None,
        )

    def _usage(self) -> Usage | None:
        metrics = mapping(self._answer.get("metrics"))
        asked, answered = count(metrics.get("input_token_count")), count(metrics.get("output_token_count"))
        if asked is None and answered is None:
            return None
        return Usage(input_tokens=asked, output_tokens=answered, raw=json_text(metrics))


def _path_model(path: str) -> str | None:
    """`/v1/models/meta/llama-3/predictions` → `meta/llama-3`."""
    parts = path.strip("/").split("/")
    return "/".join(parts[2:4]) if len(parts) >= 5 and parts[1] in ("models", "deployments") else None


def _output_text(output: Any) -> str | None:
    """The text of a language model (a text, or an array of pieces); addresses of files are none."""
    pieces = [output] if isinstance(output, str) else [piece for piece in items(output) if isinstance(piece, str)]
    if not pieces or pieces[0].startswith(("http://", "https://", "data:")):
        return None
    return "".join(pieces) or None
