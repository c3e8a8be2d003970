"""Amazon Bedrock's agents, flows and knowledge bases that answer: eventstreams of text chunks and traces, or one document.

Source: docs.aws.amazon.com/bedrock, "InvokeAgent", "InvokeInlineAgent", "RetrieveAndGenerate". Traces tell the tokens of the single model
calls an agent made, each at its own model's price, and only where the client asked for them: no sum of them is this exchange's usage.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any, ClassVar

from proxy.exchange import Captured, Reading, ToolCall
from proxy.providers.amazon_errors import document_error, frame_error
from proxy.providers.base import BaseReader
from proxy.providers.errors import ReadError
from proxy.providers.fields import items, mapping, text, word
from proxy.streams.json_value import json_text


class Agent(BaseReader):
    """Reads the answer of an agent or of a knowledge base's retrieve-and-generate."""

    dialect: ClassVar[str] = "bedrock.agent"
    operation: ClassVar[str | None] = "invoke_agent"
    source: ClassVar[str] = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html"
    reads: ClassVar[str] = "text, error frames; tokens of traces where they are switched on"
    unknown: ClassVar[str] = "usage without traces"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._calls: list[ToolCall] = []
        self._blocked: str | None = None
        self._error: ReadError | None = None

    def feed(self, name: str | None, data: Any) -> None:
        """Take a frame by its event type, or the document."""
        event = mapping(data)
        self._error = self._error or (document_error(self.captured, data) if name is None else frame_error(name, data))
        if name == "chunk":
            self._pieces.append(_decoded(event.get("bytes")))
        elif name == "returnControl":
            self._take_control(event)
        elif name == "output" or (name is None and self.captured.path.endswith("/retrieveAndGenerate")):
            output = mapping(event.get("output")) or event
            self._pieces.append(text(output.get("text")) or "")
        elif name == "guardrail" or event.get("guardrailAction") == "INTERVENED":
            self._blocked = word(event.get("action")) or word(event.get("guardrailAction"))

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            finish_reasons=(self._blocked,) if self._blocked else (),
            tool_calls=tuple(self._calls),
            output_text="".join(self._pieces) or None,
            error_type=error_type,
            error_message=error_message,
            terminal=False if self._error and self.is_stream else None,
        )

    def _take_control(self, event: dict[str, Any]) -> None:
        """An agent hands an action back to the client: a tool call."""
        for entry in map(mapping, items(event.get("invocationInputs"))):
            called = mapping(entry.get("functionInvocationInput")) or mapping(entry.get("apiInvocationInput"))
            name = word(called.get("function")) or word(called.get("apiPath")) or word(called.get("actionGroup")) or ""
            self._calls.append(ToolCall(id=word(event.get("invocationId")), name=name, arguments=json_text(called.get("parameters", []))))


def _decoded(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    try:
        return b64decode(value).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
