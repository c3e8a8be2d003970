"""The official cohere SDK through Goldwash by its base URL alone: v2 chat, streamed and not."""

from __future__ import annotations

from typing import Any

import cohere

from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import COHERE, TEXT
from tests.helpers.rows import Mark

ASK: Any = [{"role": "user", "content": "Where is gold found?"}]
MODEL = "command-a-03-2025"


def client_of(goldwash: Goldwash) -> cohere.ClientV2:
    return cohere.ClientV2(api_key="key-of-the-tests", base_url=goldwash.url("cohere"))


def test_chat(goldwash: Goldwash) -> None:
    """A chat answer comes whole and is logged with usage."""
    mark = Mark(goldwash)
    with client_of(goldwash) as client:
        got = client.chat(model=MODEL, messages=ASK)
    assert got.message.content[0].text == TEXT
    row = mark.row({**COHERE["chat"].row, "is_stream": False, "request_model": MODEL})
    assert row["usage_source"] == "provider"
    assert row["input_tokens"]
    assert row["output_tokens"]


def test_chat_stream(goldwash: Goldwash) -> None:
    """A streamed chat gives the same text and ends with message-end."""
    mark = Mark(goldwash)
    with client_of(goldwash) as client:
        events = list(client.chat_stream(model=MODEL, messages=ASK))
    assert "".join(event.delta.message.content.text for event in events if event.type == "content-delta") == TEXT
    row = mark.row({**COHERE["chat_stream"].row, "is_stream": True})
    assert row["input_tokens"]
    assert row["output_tokens"]
