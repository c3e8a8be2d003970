"""OpenAI chat completions, whole and streamed, as dozens of compatible hosts speak them."""

from __future__ import annotations

from typing import Any

from proxy.exchange import Reading
from proxy.providers.base import BaseReader


class ChatReader(BaseReader):
    """Reads one chat completion."""

    dialect = "openai.chat"
    operation = "chat"

    def feed(self, name: str | None, data: Any) -> None:
        pass

    def result(self) -> Reading:
        return super().result()
