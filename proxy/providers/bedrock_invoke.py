"""Amazon Bedrock's InvokeModel: every model answers in its own dialect, so the body's looks choose the reader.

Source: docs.aws.amazon.com/bedrock, "InvokeModel", "InvokeModelWithResponseStream". A stream's frames hold {"bytes": base64 of a JSON
chunk}; the last chunk carries amazon-bedrock-invocationMetrics. Where the body tells no counts, these metrics do, or the headers
x-amzn-bedrock-{input,output,cache-read-input,cache-write-input}-token-count of a whole answer.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import replace
from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, Usage
from proxy.providers.amazon_errors import document_error, frame_error
from proxy.providers.anthropic import Messages
from proxy.providers.anthropic_completions import Completions
from proxy.providers.base import BaseReader
from proxy.providers.bedrock import Converse
from proxy.providers.bedrock_texts import Texts
from proxy.providers.cohere import ChatV1
from proxy.providers.cohere_units import Generate
from proxy.providers.errors import ReadError
from proxy.providers.fields import count, items, mapping, text, total
from proxy.providers.openai_chat import ChatReader
from proxy.providers.openai_completions import CompletionsReader
from proxy.providers.paths import path_model
from proxy.streams.json_value import Unparsable, json_text, parse_json

_METRICS = "amazon-bedrock-invocationMetrics"
_HEADER = "x-amzn-bedrock-{}-token-count"
_CONVERSE_KEYS = frozenset(("output", "messageStart", "contentBlockStart", "contentBlockDelta", "messageStop"))


class Invoke(BaseReader):
    """Reads one exchange of InvokeModel, streamed or not."""

    dialect: ClassVar[str] = "bedrock.invoke"
    operation: ClassVar[str | None] = "chat"
    source: ClassVar[str] = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html"
    reads: ClassVar[str] = (
        "whatever the model's own dialect says (Anthropic, Nova, Llama, Titan, Mistral, Cohere, Jamba, OpenAI-like ones); "
        "tokens from headers or invocation metrics where the body has none"
    )
    unknown: ClassVar[str] = "cached tokens where only headers count"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._request_value = request
        self._inner: BaseReader | None = None
        self._metrics: dict[str, Any] = {}
        self._error: ReadError | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, or a frame: a chunk, or an exception named by its frame."""
        if name not in (None, "chunk"):
            self._error = self._error or frame_error(name, data)
            return
        if name is None:
            self._error = self._error or document_error(self.captured, data)
        chunk = _unwrapped(data) if name == "chunk" else data
        if not isinstance(chunk, dict):
            return
        self._metrics = mapping(chunk.get(_METRICS)) or self._metrics
        if self._inner is None:
            self._inner = _reader_of(chunk, path_model(self.captured.path) or "")(self.captured, self._request_value)
            self._inner.is_stream = self.is_stream
        self._inner.feed(text(chunk.get("type")), _reasons_renamed(chunk) if "choices" in chunk else chunk)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        found = self._inner.result() if self._inner is not None else Reading(operation=self.operation)
        error_type, error_message = self._error or (found.error_type, found.error_message)
        ended = found.terminal is True or bool(self._metrics)
        return replace(
            found,
            dialect=self.dialect,
            is_stream=self.is_stream,
            request_model=path_model(self.captured.path),
            usage=found.usage or _metered(self._metrics) or self._headers(),
            error_type=error_type,
            error_message=error_message,
            terminal=(ended and error_type is None and error_message is None) if self.is_stream else None,
        )

    def _headers(self) -> Usage | None:
        """The counts of a whole answer as its headers tell them."""
        headers = dict(self.captured.response_headers)
        names = ("input", "output", "cache-read-input", "cache-write-input")
        told = {name: headers[_HEADER.format(name)] for name in names if _HEADER.format(name) in headers}
        return _usage(told, *(count(told.get(name)) for name in names))


def _reader_of(chunk: dict[str, Any], model: str) -> type[BaseReader]:
    """The reader of the dialect that the first document looks like."""
    if chunk.get("type") in ("message", "message_start", "error", "content_block_start"):
        return Messages
    if isinstance(chunk.get("completion"), str):
        return Completions
    if "choices" in chunk:
        first = next(iter(chunk["choices"]), None) if isinstance(chunk["choices"], list) else None
        return CompletionsReader if "text" in mapping(first) else ChatReader
    if not _CONVERSE_KEYS.isdisjoint(chunk):
        return Converse
    if "generations" in chunk or "is_finished" in chunk:
        return ChatV1 if "event_type" in chunk else Generate
    if "event_type" in chunk or ("text" in chunk and "cohere." in model):
        return ChatV1
    return Texts


def _reasons_renamed(chunk: dict[str, Any]) -> dict[str, Any]:
    """Mistral and DeepSeek say `stop_reason` here where their own hosts say `finish_reason`."""
    choices = [mapping(entry) for entry in items(chunk["choices"])]
    return {**chunk, "choices": [{"finish_reason": entry.get("stop_reason"), **entry} for entry in choices]}


def _unwrapped(frame: Any) -> Any:
    """The JSON chunk inside a frame's base64, or the frame itself where it holds none."""
    inside = mapping(frame).get("bytes")
    if not isinstance(inside, str):
        return frame
    try:
        return parse_json(b64decode(inside))
    except (Unparsable, binascii.Error, ValueError):
        return None


def _metered(metrics: dict[str, Any]) -> Usage | None:
    keys = ("inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    return _usage(metrics, *(count(metrics.get(key)) for key in keys))


def _usage(raw: dict[str, Any], asked: int | None, answered: int | None, read: int | None, written: int | None) -> Usage | None:
    """Bedrock's own counts leave cached tokens out of the input; ours count them."""
    if asked is None and answered is None:
        return None
    return Usage(
        input_tokens=None if asked is None else total(asked, read, written),
        output_tokens=answered,
        cache_read_tokens=read,
        cache_write_tokens=written,
        raw=json_text(raw),
    )
