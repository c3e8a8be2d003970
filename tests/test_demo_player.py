"""The demo's player sends every scene and shows what it cost, or says in a sentence why it cannot."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest
from aiohttp import ClientConnectionResetError, ClientPayloadError, ClientSession, web
from rich.console import Console

from proxy.demo import player
from proxy.demo.player import DemoError, cost_table, play
from proxy.demo.script import count
from proxy.demo.upstream import DemoUpstream


class Between:
    """Stands where the proxy stands: passes requests on by their first segment, and answers SQL from a table of what passed."""

    def __init__(self) -> None:
        self.upstream = DemoUpstream()
        self.log = duckdb.connect()
        self.log.execute(
            "CREATE TABLE exchanges (provider VARCHAR, request_model VARCHAR, response_model VARCHAR, ending VARCHAR, status INT, "
            "input_tokens INT, cache_read_tokens INT, output_tokens INT, cost_usd DECIMAL(24, 12))"
        )
        self.paths: list[str] = []

    async def start(self) -> str:
        """Its base URL, which serves as both the proxy's and the admin's."""
        self.base = await self.upstream.start()
        app = web.Application()
        app.router.add_post("/api/flush", self._flush)
        app.router.add_post("/api/sql", self._sql)
        app.router.add_post("/{path:.*}", self._pass)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return "http://{}:{}".format(*self.runner.addresses[0][:2])

    async def stop(self) -> None:
        """Closes all."""
        await self.runner.cleanup()
        await self.upstream.stop()
        self.log.close()

    async def _flush(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _sql(self, request: web.Request) -> web.Response:
        found = self.log.execute((await request.json())["sql"])
        names = [column[0] for column in found.description]
        rows = [
            [float(v) if name == "cost_usd" and v is not None else v for name, v in zip(names, row, strict=True)]
            for row in found.fetchall()
        ]
        return web.json_response([dict(zip(names, row, strict=True)) for row in rows])

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        parts = [part for part in request.path_qs.split("/") if part and not part.startswith("~")]
        self.paths.append(request.path)
        row = (parts[0], "some-model", "complete", 200, 10, 0, 5, None if parts[0] == "ollama" else 0.01)
        self.log.execute("INSERT INTO exchanges SELECT $1, $2, NULL, $3, $4, $5, $6, $7, $8", row)
        url = f"{self.base}/{'/'.join(parts[1:])}"
        body, headers = await request.read(), {"authorization": request.headers.get("authorization", "")}
        async with ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            response = web.StreamResponse(status=answer.status, headers={"retry-after": "0"})
            await response.prepare(request)
            try:
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            except (ClientPayloadError, ClientConnectionResetError):  # either side may break off: two scenes do
                if request.transport:
                    request.transport.abort()
        return response


@pytest.fixture
async def between() -> AsyncIterator[tuple[Between, str]]:
    """One, started, with its URL."""
    passing = Between()
    yield passing, await passing.start()
    await passing.stop()


async def test_all_scenes_are_played_and_their_cost_is_shown(between, monkeypatch):
    """Every request passes once (the rate-limited one twice), and the table and the next step are printed."""
    passing, url = between
    monkeypatch.setattr("proxy.demo.upstream.NEXT_PIECE", 0.001)
    monkeypatch.setattr("proxy.demo.upstream.FIRST_PIECE", 0.001)
    written = io.StringIO()
    await play(url, url, Console(file=written, width=80), Path("there"))
    assert len(passing.paths) == count()
    text = written.getvalue()
    assert "What it cost, by model" in text
    assert "anthropic" in text
    assert "GOLDWASH_DATA_DIR=there" in text
    assert "OPENAI_BASE_URL" in text


async def test_an_unreachable_proxy_is_said_in_a_sentence(unused_tcp_port):
    """Nothing listens: DemoError, not a traceback of the client."""
    url = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(DemoError, match="could not reach"):
        await play(url, url, Console(file=io.StringIO()))


async def test_a_refusing_log_is_said_in_a_sentence(between):
    """An answer of 4xx to the query reaches the reader with what the log said."""
    passing, url = between
    async with ClientSession() as session:
        with pytest.raises(DemoError, match="refused the demo's query with 500"):
            await player.query(session, url, "SELECT nothing")
    assert passing.paths == []


def test_an_unknown_cost_is_a_dash():
    """NULL is not 0, and is said to be unknown."""
    row = {
        "provider": "ollama",
        "model": None,
        "exchanges": 1,
        "failed": 0,
        "input_tokens": None,
        "cached": None,
        "output_tokens": 3,
        "cost_usd": None,
    }
    written = io.StringIO()
    Console(file=written, width=140).print(cost_table([row]))
    assert "0.000000" not in written.getvalue()
    assert "not known" in written.getvalue()
