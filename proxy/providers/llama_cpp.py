"""llama.cpp's own dialect beside the OpenAI one: POST /completion and /infill, whole or streamed.

Source: github.com/ggml-org/llama.cpp, tools/server/README.md. Each event has `content` and `stop`; the last one has the
counts. tokens_evaluated is the whole prompt, whatever of it came from the cache (`timings.cache_n`).
"""

from __future__ import annotations

from typing import Any

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.base import BaseReader
from proxy.providers.compatible import metrics_of
from proxy.providers.errors import ReadError, read_error
from proxy.providers.fields import count, mapping, text, word
from proxy.streams.json_value import json_text

_COUNTS = ("tokens_evaluated", "tokens_predicted", "tokens_cached", "truncated")
_STOPPED = ("stopped_eos", "stopped_word", "stopped_limit")  # of older servers


class CompletionReader(BaseReader):
    """Reads one native completion."""

    dialect = "llama_cpp.completion"
    operation = "text_completion"
    source = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"
    reads = "text, stop reason, tokens, cached tokens, timings, error"
    unknown = "nothing is billed"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._last: dict[str, Any] = {}
        self._error: ReadError | None = None

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or event looks like one of llama.cpp's."""
        return isinstance(document, dict) and isinstance(document.get("content"), str) and isinstance(document.get("stop"), bool)

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer or one event."""
        self._error = self._error or read_error(self.captured, data)
        if isinstance(data, dict):
            self._pieces.append(text(data.get("content")) or "")
            if data.get("stop") is True:
                self._last = data

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        last = self._last
        counts = {key: last[key] for key in _COUNTS if key in last}
        read, made = count(last.get("tokens_evaluated")), count(last.get("tokens_predicted"))
        usage = Usage(input_tokens=read, output_tokens=made, raw=json_text(counts)) if read is not None or made is not None else None
        reason = word(last.get("stop_type")) or next((key for key in _STOPPED if last.get(key) is True), None)
        kind, message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=text(self.request.get("model")),
            response_model=text(last.get("model")) or text(mapping(last.get("generation_settings")).get("model")) or None,
            usage=usage,
            finish_reasons=(reason,) if reason else (),
            output_text="".join(self._pieces) or None,
            error_type=kind,
            error_message=message,
            terminal=bool(last) and self._error is None if self.is_stream else None,
            metrics=metrics_of(last),
        )
