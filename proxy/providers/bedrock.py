"""Amazon Bedrock's Converse API: one document, or the events of ConverseStream.

Source: docs.aws.amazon.com/bedrock, "Converse", "ConverseStream", "TokenUsage". inputTokens leaves cache reads and writes out; ours count
them. A stream is whole when messageStop came (metadata with the usage follows it); an exception frame ends it as an error.
Nova's InvokeModel speaks the same documents, and its stream the same events, each as the only key of a chunk.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, ToolCall, Usage
from proxy.providers.amazon_errors import document_error, frame_error
from proxy.providers.base import BaseReader
from proxy.providers.errors import ReadError
from proxy.providers.fields import count, items, mapping, total, word
from proxy.providers.paths import path_model
from proxy.streams.json_value import json_text

ENDLESS = 1_000_000  # content block indices beyond this are nonsense


class _Block:
    """One content block while it grows."""

    __slots__ = ("arguments", "reasoning", "text", "tool")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.tool: dict[str, Any] = {}
        self.arguments: list[str] = []


class Converse(BaseReader):
    """Reads one exchange of the Converse dialect."""

    dialect: ClassVar[str] = "bedrock.converse"
    operation: ClassVar[str | None] = "chat"
    source: ClassVar[str] = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"
    reads: ClassVar[str] = "text, cited text, reasoning, tool calls, stop reason, tokens with cache reads and writes, tier, error frames"
    unknown: ClassVar[str] = "the answering model behind a profile; what guardrails cost"

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or first event nobody's path knows is of this dialect (a gateway renamed the path)."""
        found = mapping(document)
        return "stopReason" in found and "message" in mapping(found.get("output"))

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._blocks: dict[int, _Block] = {}
        self._stop: str | None = None
        self._usage: dict[str, Any] = {}
        self._tier: str | None = None
        self._model: str | None = None
        self._error: ReadError | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, or an event: named by its frame, or by its only key where a chunk carries it."""
        event = mapping(data)
        if name == "contentBlockDelta":
            self._grow(event)
        elif name == "contentBlockStart":
            self._block(event.get("contentBlockIndex")).tool.update(mapping(mapping(event.get("start")).get("toolUse")))
        elif name == "messageStop":
            self._stop = word(event.get("stopReason")) or self._stop
        elif name == "metadata":
            self._close(event)
        elif name in (None, "chunk"):
            self._document(event)
        else:
            self._error = self._error or frame_error(name, data)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        tier = word(mapping(self.request.get("serviceTier")).get("type"))
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=path_model(self.captured.path),
            response_model=self._model,
            usage=converse_usage(self._usage),
            service_tier_requested=tier,
            service_tier=self._tier,
            finish_reasons=(self._stop,) if self._stop else (),
            tool_calls=tuple(_tool_call(block) for block in self._blocks.values() if _asks_client(block)),
            output_text="".join(piece for block in self._blocks.values() for piece in block.text) or None,
            reasoning_text="".join(piece for block in self._blocks.values() for piece in block.reasoning) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=(self._stop is not None and self._error is None) if self.is_stream else None,
        )

    def _document(self, document: dict[str, Any]) -> None:
        self._error = self._error or document_error(self.captured, document)
        for key in ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"):
            if isinstance(document.get(key), dict):
                self.feed(key, document[key])
        message = mapping(mapping(document.get("output")).get("message"))
        for index, part in enumerate(items(message.get("content"))):
            self._whole_block(index, mapping(part))
        self._stop = word(document.get("stopReason")) or self._stop
        self._close(document)

    def _close(self, event: dict[str, Any]) -> None:
        """Take what the whole document and the last event of a stream have in common."""
        self._usage = mapping(event.get("usage")) or self._usage
        self._tier = word(mapping(event.get("serviceTier")).get("type")) or self._tier
        router = mapping(mapping(event.get("trace")).get("promptRouter"))
        self._model = word(router.get("invokedModelId")) or self._model

    def _block(self, index: Any) -> _Block:
        return self._blocks.setdefault(index if isinstance(index, int) and 0 <= index < ENDLESS else 0, _Block())

    def _grow(self, event: dict[str, Any]) -> None:
        block, delta = self._block(event.get("contentBlockIndex")), mapping(event.get("delta"))
        _keep(block.text, delta.get("text"))
        _keep(block.arguments, mapping(delta.get("toolUse")).get("input"))
        _keep(block.reasoning, mapping(delta.get("reasoningContent")).get("text"))

    def _whole_block(self, index: int, part: dict[str, Any]) -> None:
        block = self._block(index)
        _keep(block.text, part.get("text"))
        for cited in items(mapping(part.get("citationsContent")).get("content")):
            _keep(block.text, mapping(cited).get("text"))
        reasoning = mapping(part.get("reasoningContent"))
        _keep(block.reasoning, mapping(reasoning.get("reasoningText")).get("text"))
        block.tool.update(mapping(part.get("toolUse")))


def converse_usage(usage: dict[str, Any]) -> Usage | None:
    """Bedrock's TokenUsage in our words; None where it holds no token count.

    input_tokens = inputTokens + cacheReadInputTokens + cacheWriteInputTokens (older services, and Nova by itself, say …InputTokenCount).
    """
    asked, answered = count(usage.get("inputTokens")), count(usage.get("outputTokens"))
    if asked is None and answered is None:
        return None
    read, written = _either(usage, "cacheRead"), _either(usage, "cacheWrite")
    lives = [mapping(entry) for entry in items(usage.get("cacheDetails"))]
    return Usage(
        input_tokens=None if asked is None else total(asked, read, written),
        output_tokens=answered,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_5m_tokens=total(*(count(entry.get("inputTokens")) for entry in lives if entry.get("ttl") == "5m")),
        cache_write_1h_tokens=total(*(count(entry.get("inputTokens")) for entry in lives if entry.get("ttl") == "1h")),
        raw=json_text(usage),
    )


def _either(usage: dict[str, Any], key: str) -> int | None:
    found = count(usage.get(key + "InputTokens"))
    return count(usage.get(key + "InputTokenCount")) if found is None else found


def _keep(pieces: list[str], piece: Any) -> None:
    if isinstance(piece, str):
        pieces.append(piece)


def _asks_client(block: _Block) -> bool:
    """Whether the block is a tool call the client has to answer; Nova runs its grounding and code tools itself."""
    return bool(block.tool) and block.tool.get("type") != "server_tool_use"


def _tool_call(block: _Block) -> ToolCall:
    given = block.tool.get("input", {})
    arguments = "".join(block.arguments) or (given if isinstance(given, str) else json_text(given))
    return ToolCall(id=word(block.tool.get("toolUseId")), name=word(block.tool.get("name")) or "", arguments=arguments)
