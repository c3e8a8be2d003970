"""The official mistralai SDK through Goldwash by its server URL alone: chat, streamed and not."""

from __future__ import annotations

from typing import Any

from mistralai.client import Mistral

from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import MISTRAL, TEXT
from tests.helpers.rows import Mark

ASK: Any = [{"role": "user", "content": "Where is gold found?"}]
MODEL = "mistral-small-2506"


def test_chat(goldwash: Goldwash) -> None:
    """A chat completion comes whole and is logged with its tokens."""
    mark = Mark(goldwash)
    with Mistral(api_key="key-of-the-tests", server_url=goldwash.url("mistral")) as client:
        got = client.chat.complete(model=MODEL, messages=ASK)
    assert got.choices[0].message.content == TEXT
    mark.row({**MISTRAL["chat"].row, "is_stream": False, "request_model": MODEL})


def test_chat_stream(goldwash: Goldwash) -> None:
    """A streamed chat gives the same text, with usage beside its last choice."""
    mark = Mark(goldwash)
    with (
        Mistral(api_key="key-of-the-tests", server_url=goldwash.url("mistral")) as client,
        client.chat.stream(model=MODEL, messages=ASK) as stream,
    ):
        text = "".join(str(event.data.choices[0].delta.content or "") for event in stream)
    assert text == TEXT
    mark.row({**MISTRAL["chat_stream"].row, "is_stream": True})
