"""Amazon SageMaker endpoints: the body is whatever the endpoint's container says, so its looks choose the reader.

Source: docs.aws.amazon.com/sagemaker, "InvokeEndpoint", "InvokeEndpointWithResponseStream" (frames named PayloadPart whose payload is a
piece of the container's stream). The containers that are read: text-generation servers, and those that speak OpenAI's chat.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from proxy.exchange import Captured, Reading
from proxy.providers.amazon_errors import document_error, frame_error
from proxy.providers.base import BaseReader
from proxy.providers.errors import ReadError
from proxy.providers.fields import items, mapping
from proxy.providers.generated_text import GeneratedText
from proxy.providers.openai_chat import ChatReader
from proxy.streams.json_value import Unparsable, parse_json

_MOST_PARTS = 8  # frames that one line may span; more of them never become JSON, and trying again costs time


class SageMaker(BaseReader):
    """Reads /endpoints/{name}/invocations, streamed or not."""

    dialect: ClassVar[str] = "sagemaker.invoke"
    operation: ClassVar[str | None] = "text_completion"
    source: ClassVar[str] = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"
    reads: ClassVar[str] = "text and tokens as the endpoint's container words them, error"
    unknown: ClassVar[str] = "what the hardware costs"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._request_value = request
        self._inner: BaseReader | None = None
        self._error: ReadError | None = None
        self._rest: list[str] = []  # the parts of a line that is not complete yet

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document, or a frame: a part of the container's stream (lines of `data: {…}`, or JSON), or an exception."""
        self._error = self._error or (document_error(self.captured, data) if name is None else frame_error(name, data))
        for value in self._values(data) if isinstance(data, str) else [data]:
            self._answer(value)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        found = self._inner.result() if self._inner is not None else Reading(operation=self.operation)
        error_type, error_message = self._error or (found.error_type, found.error_message)
        return replace(found, dialect=self.dialect, is_stream=self.is_stream, error_type=error_type, error_message=error_message)

    def _answer(self, value: Any) -> None:
        first = next(iter(items(value)), None)
        answer = first if isinstance(first, list) else value  # JumpStart wraps its answer in one more array
        if self._inner is None:
            chosen = ChatReader if "choices" in mapping(answer) else GeneratedText
            self._inner = chosen(self.captured, self._request_value)
            self._inner.is_stream = self.is_stream
        self._inner.feed(None, answer)

    def _values(self, part: str) -> list[Any]:
        """The JSON values in a part of a stream; the container's lines may be cut anywhere by the frames."""
        values = []
        for line in part.splitlines():
            for candidate in ("".join([*self._rest, line]), line) if self._rest else (line,):
                try:
                    values.append(parse_json(candidate.removeprefix("data:").strip()))
                except Unparsable:
                    continue
                self._rest = []
                break
            else:
                self._rest = [*self._rest, line] if len(self._rest) < _MOST_PARTS else []
        return values
