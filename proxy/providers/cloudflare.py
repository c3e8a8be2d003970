"""Cloudflare Workers AI's own dialect: POST …/ai/run/{model}, whole or streamed.

Source: developers.cloudflare.com/workers-ai/get-started/rest-api and each model's schema. A whole answer lies in `result`, beside
`success` and `errors`; a stream's events are `{"response": "piece"}`, the last one with usage, then `[DONE]`. Newer models answer as
OpenAI's chat inside.
"""

from __future__ import annotations

from typing import Any

from proxy.exchange import Captured, Reading
from proxy.providers.fields import items, mapping, text
from proxy.providers.openai_chat import ChatReader


class RunReader(ChatReader):
    """Reads one run of a model, by turning each of its pieces into a chunk of a chat completion."""

    dialect = "cloudflare.run"
    source = "https://developers.cloudflare.com/workers-ai"
    reads = "text, tool calls, tokens where they are told, error"
    unknown = "neurons, which is what Cloudflare bills"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        _, _, self._asked = captured.path.partition("/ai/run/")

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer, one event, or `[DONE]`."""
        if not isinstance(data, dict) or "choices" in data:
            super().feed(name, data)
            return
        result = mapping(data.get("result")) or data
        if "choices" in result:
            super().feed(name, result)
            return
        said = result.get("response", result.get("text"))
        message: dict[str, Any] = {"content": said}
        if calls := items(result.get("tool_calls")):
            message["tool_calls"] = [call if "function" in mapping(call) else {"function": call} for call in calls]
        choices = [{"index": 0, "message": message}] if said is not None or calls else []
        super().feed(name, {"choices": choices, "usage": result.get("usage"), "error": data.get("error"), "errors": data.get("errors")})

    def result(self) -> Reading:
        """Tell what has been understood so far; the model stands in the path alone."""
        self._model = self._model or text(self._asked) or None
        return super().result()
