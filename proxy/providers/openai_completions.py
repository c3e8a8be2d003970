"""OpenAI's text completions, the dialect before chat, still spoken by base models and by local servers.

Source: platform.openai.com/docs/api-reference/completions. The envelope is the chat dialect's; a choice has `text` and no message.
"""

from __future__ import annotations

from typing import Any

from proxy.providers.fields import mapping
from proxy.providers.openai_chat import ChatReader


class CompletionsReader(ChatReader):
    """Reads one text completion."""

    dialect = "openai.completions"
    operation = "text_completion"
    source = "https://platform.openai.com/docs/api-reference/completions"
    reads = "text, finish reasons, tokens, error"
    unknown = "usage of a stream without `include_usage` (then estimated)"

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document or event looks like a text completion."""
        if not isinstance(document, dict) or not isinstance(document.get("choices"), list):
            return False
        first = mapping(document["choices"][0]) if document["choices"] else {}
        return document.get("object") == "text_completion" or isinstance(first.get("text"), str)
