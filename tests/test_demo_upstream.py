"""The demo's provider speaks its dialects as the real ones do: the project's own readers, made for real traffic, understand it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from proxy.demo.script import Request, scenes
from proxy.demo.shop import HANDBOOK, tokens
from proxy.demo.upstream import DemoUpstream, demo_upstreams
from proxy.exchange import Captured, Reading
from proxy.reading import read


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    """The base URL of a running one."""
    demo = DemoUpstream()
    yield await demo.start()
    await demo.stop()


async def exchange(base: str, request: Request) -> tuple[int, Reading]:
    """Sends a scene's request straight to the provider and reads the answer as the log service would."""
    name, _, rest = request.path.removeprefix("/").partition("/")
    rest = rest.partition("/")[2] if rest.startswith("~") else rest
    body = json.dumps(request.body).encode()
    async with aiohttp.ClientSession() as session, session.post(f"{base}/{rest}", data=body, headers=request.headers) as answer:
        try:
            answered = await answer.read()
        except aiohttp.ClientPayloadError:
            answered = b""
        path, _, query = f"/{rest}".partition("?")
        captured = Captured(
            upstream=name,
            dialect_hint=None,
            upstream_url=base,
            method="POST",
            path=path,
            query=query,
            request_headers=(("content-type", "application/json"),),
            request_body=body,
            request_truncated=False,
            status=answer.status,
            response_headers=tuple((key.lower(), value) for key, value in answer.headers.items()),
            response_body=answered,
            response_truncated=False,
        )
    return answer.status, read(captured)


async def test_every_scene_is_understood(upstream, monkeypatch):
    """Each answer gives a dialect, a model and usage, but for the one that is meant to be refused or to break off."""
    monkeypatch.setattr("proxy.demo.upstream.NEXT_PIECE", 0)
    monkeypatch.setattr("proxy.demo.upstream.FIRST_PIECE", 0)
    statuses, unknown = [], []
    for scene in scenes():
        for request in scene:
            status, reading = await exchange(upstream, request)
            statuses.append(status)
            if status == 200 and not (reading.dialect and reading.usage and reading.usage.input_tokens):
                unknown.append(request)
            if status == 200 and "embeddings" not in request.path and request not in unknown and reading.refusal is None:
                assert reading.output_text or reading.tool_calls
    assert [request.body["messages"][-1]["content"] for request in unknown] == ["Tell me the history of the shop."]
    assert sorted(set(statuses)) == [200, 401, 429]


async def test_the_handbook_is_cached_from_its_second_use_on(upstream):
    """The first Anthropic request writes the prompt cache, the next one reads it; input_tokens counts both."""
    request = next(r for scene in scenes() for r in scene if "anthropic" in r.path)
    _, first = await exchange(upstream, request)
    _, second = await exchange(upstream, request)
    assert first.usage is not None
    assert second.usage is not None
    assert (first.usage.cache_write_tokens, first.usage.cache_read_tokens) == (tokens(HANDBOOK), 0)
    assert (second.usage.cache_write_tokens, second.usage.cache_read_tokens) == (0, tokens(HANDBOOK))
    assert first.usage.input_tokens == second.usage.input_tokens
    assert tokens(HANDBOOK) >= 1024


async def test_a_rate_limit_goes_away(upstream):
    """The wholesale question is refused once with the time to wait, then answered."""
    request = next(r for scene in scenes() for r in scene if r.again)
    assert [(await exchange(upstream, request))[0] for _ in range(2)] == [429, 200]


async def test_an_unknown_path_is_said(upstream):
    """What the demo does not speak gets 404 in JSON."""
    status, reading = await exchange(upstream, Request("/openai/v1/fine_tuning", {}))
    assert status == 404
    assert "demo" in (reading.error_message or "")


def test_the_upstreams_of_the_settings_point_at_it():
    """Each provider of the script has its table."""
    tables = demo_upstreams("http://127.0.0.1:1")
    assert {request.path.split("/")[1] for scene in scenes() for request in scene} == set(tables)
    assert tables["openai"]["url"] == "http://127.0.0.1:1"
