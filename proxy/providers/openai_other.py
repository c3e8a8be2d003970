"""What of OpenAI's API is no model call, and the retired Assistants, whose runs report usage.

Files, batches, vector stores, stored completions, fine-tuning, client secrets: only the asked model and an error are read. A batch's or a
stored completion's tokens were billed when it ran, and may be fetched any number of times, so they are no usage of the fetching exchange;
the same holds for a run that is polled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.exchange import Captured, Reading
from proxy.providers.document import DocumentReader
from proxy.providers.silent import Silent


class OpenAIOther(Silent):
    """Everything of OpenAI's that runs no model."""

    dialect = "openai.other"
    source = "https://platform.openai.com/docs/api-reference"
    reads = "asked model, error"
    unknown = "batches and stored answers were billed when they ran: fetching them is no usage"


class AssistantsReader(DocumentReader):
    """Reads a streamed run of the Assistants API (retired in 2026): its model and usage, not its messages."""

    dialect = "openai.assistants"
    operation = "invoke_agent"
    source = "https://platform.openai.com/docs/api-reference/runs"
    reads = "model and tokens of a streamed run, error"
    unknown = "messages; usage of a run that is polled, which comes with each poll"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._ended = False

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole run or one event."""
        if data == "[DONE]":
            self._ended = True
        elif name is None or name == "error" or (name.startswith("thread.run.") and not name.startswith("thread.run.step")):
            super().feed(name, data)

    def terminal(self) -> bool | None:
        """Whether the stream's `done` came."""
        return self._ended and self.error is None

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        reading = super().result()
        return reading if self.is_stream else replace(reading, usage=None)
