"""The official anthropic SDK through Goldwash by its base URL alone: messages, streamed, not, and async."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic

from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import ANTHROPIC, CALL, TEXT
from tests.helpers.rows import Mark, tool_calls

ASK: Any = [{"role": "user", "content": "Where is gold found?"}]


def test_messages(goldwash: Goldwash) -> None:
    """A message comes whole; its input tokens in the log include what was read from and written to the cache."""
    mark = Mark(goldwash)
    with anthropic.Anthropic(api_key="sk-ant-of-the-tests", base_url=goldwash.url("anthropic"), max_retries=0) as client:
        got: Any = client.messages.create(model="claude-haiku-4-5", max_tokens=64, messages=ASK)
    assert got.content[0].text == TEXT
    row = mark.row({**ANTHROPIC["messages"].row, "is_stream": False, "request_model": "claude-haiku-4-5"})
    assert float(row["cost_usd"]) > 0


def test_messages_stream(goldwash: Goldwash) -> None:
    """A streamed message gives text and a tool call to the SDK, and both to the log."""
    mark = Mark(goldwash)
    with (
        anthropic.Anthropic(api_key="sk-ant-of-the-tests", base_url=goldwash.url("anthropic"), max_retries=0) as client,
        client.messages.stream(model="claude-haiku-4-5", max_tokens=64, messages=ASK) as stream,
    ):
        assert "".join(stream.text_stream) == TEXT
        final: Any = stream.get_final_message()
    assert final.content[1].input == {"river": "Yukon", "depth": 2}
    row = mark.row({**ANTHROPIC["messages_stream"].row, "is_stream": True})
    assert tool_calls(row) == [{"id": "toolu_river", **CALL}]


def test_async_stream(goldwash: Goldwash) -> None:
    """The async client streams the same."""
    mark = Mark(goldwash)

    async def ask() -> str:
        async with (
            anthropic.AsyncAnthropic(api_key="sk", base_url=goldwash.url("anthropic"), max_retries=0) as client,
            client.messages.stream(model="claude-haiku-4-5", max_tokens=64, messages=ASK) as stream,
        ):
            return "".join([piece async for piece in stream.text_stream])

    assert asyncio.run(ask()) == TEXT
    mark.row(ANTHROPIC["messages_stream"].row)
