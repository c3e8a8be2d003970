"""The official openai SDK through Goldwash by its base URL alone: chat, tools, responses, embeddings; streamed, not, and async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.helpers.goldwash import Goldwash
from tests.helpers.recordings import CALL, OPENAI, TEXT
from tests.helpers.rows import Mark, tool_calls

ASK: Any = [{"role": "user", "content": "Where is gold found?"}]


@pytest.fixture
def client(goldwash: Goldwash) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="sk-of-the-tests", base_url=f"{goldwash.url('openai')}/v1", max_retries=0) as client:
        yield client


def test_chat(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """A chat completion reaches the SDK whole and the log with its tokens and cost."""
    mark = Mark(goldwash)
    got = client.chat.completions.create(model="gpt-4o-mini", messages=ASK)
    assert got.choices[0].message.content == TEXT
    assert got.usage
    assert got.usage.prompt_tokens == 21
    row = mark.row({**OPENAI["chat"].row, "request_model": "gpt-4o-mini", "is_stream": False, "path": "/v1/chat/completions"})
    assert float(row["cost_usd"]) > 0
    assert row["price_source"]
    assert row["price_version"]


def test_tool_call(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """A tool call keeps its id, name and arguments on both sides."""
    mark = Mark(goldwash)
    got: Any = client.chat.completions.create(model="gpt-4o", messages=ASK)
    calls = got.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.arguments == CALL["arguments"]
    assert tool_calls(mark.row(OPENAI["chat_tool"].row)) == [{"id": "call_river", **CALL}]


def test_chat_stream(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """A streamed chat gives the same text and the usage of its last chunk."""
    mark = Mark(goldwash)
    with client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    mark.row({**OPENAI["chat_stream"].row, "is_stream": True})


def test_responses(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """The responses API works, with reasoning tokens inside the output."""
    mark = Mark(goldwash)
    assert client.responses.create(model="gpt-5-mini", input="Where?").output_text == TEXT
    mark.row({**OPENAI["responses"].row, "is_stream": False})


def test_responses_stream(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """A streamed response ends with response.completed and is complete in the log."""
    mark = Mark(goldwash)
    with client.responses.create(model="gpt-5-mini", input="Where?", stream=True) as stream:
        events = list(stream)
    assert events[-1].type == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    mark.row({**OPENAI["responses_stream"].row, "is_stream": True})


def test_embeddings(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """Embeddings come back as numbers and count as input alone."""
    mark = Mark(goldwash)
    got = client.embeddings.create(model="text-embedding-3-small", input="gold")
    assert list(got.data[0].embedding) == [0.25, -0.5, 0.125]
    mark.row({**OPENAI["embeddings"].row, "operation": "embeddings"})


def test_compressed_answer(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """A gzipped answer stays gzipped on its way and is read in the log."""
    mark = Mark(goldwash)
    got = client.chat.completions.with_raw_response.create(model="gpt-4.1-nano", messages=ASK)
    assert got.headers["content-encoding"] == "gzip"
    assert got.parse().choices[0].message.content == TEXT
    assert got.headers["goldwash-id"] == str(mark.row(OPENAI["zipped"].row)["exchange_id"])


def test_error_of_the_provider(goldwash: Goldwash, client: openai.OpenAI) -> None:
    """An error answer raises the SDK's own exception and is a row with the provider's words and no usage."""
    mark = Mark(goldwash)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-none", messages=ASK)
    assert caught.value.code == "model_not_found"
    row = mark.row(OPENAI["refused"].row)
    assert "does not exist" in row["error_message"]


def test_async_chat_and_stream(goldwash: Goldwash) -> None:
    """The async client works alike, ten at a time over shared connections, one row each."""
    mark = Mark(goldwash)

    async def one(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def many() -> list[str]:
        async with openai.AsyncOpenAI(api_key="sk-of-the-tests", base_url=f"{goldwash.url('openai')}/v1", max_retries=0) as client:
            whole = await client.chat.completions.create(model="gpt-4o-mini", messages=ASK)
            return [whole.choices[0].message.content or "", *await asyncio.gather(*(one(client) for _ in range(9)))]

    assert asyncio.run(many()) == [TEXT] * 10
    rows = mark.rows("openai")
    assert [row["ending"] for row in rows] == ["complete"] * 10
    assert {row["output_text"] for row in rows} == {TEXT}
