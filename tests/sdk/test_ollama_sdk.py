"""The official ollama SDK through Goldwash by its host alone: chat, streamed and not."""

from __future__ import annotations

from typing import Any

import ollama

from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import OLLAMA, TEXT
from tests.helpers.rows import Mark

ASK: Any = [{"role": "user", "content": "Where is gold found?"}]


def test_chat(goldwash: Goldwash) -> None:
    """A chat answer comes whole and is logged with the counts that Ollama gives."""
    mark = Mark(goldwash)
    with ollama.Client(host=goldwash.url("ollama")) as client:
        got = client.chat(model="llama3.2", messages=ASK)
    assert got.message.content == TEXT
    mark.row({**OLLAMA["chat"].row, "is_stream": False})


def test_chat_stream(goldwash: Goldwash) -> None:
    """A stream of JSON lines gives the same text."""
    mark = Mark(goldwash)
    with ollama.Client(host=goldwash.url("ollama")) as client:
        parts = client.chat(model="llama3.2", messages=ASK, stream=True)
        assert "".join(part.message.content or "" for part in parts) == TEXT
    mark.row({**OLLAMA["chat_stream"].row, "is_stream": True})
