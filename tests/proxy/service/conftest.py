"""A log service on a free port: real log, real spool, real loader, real sockets; and a worker that only says it lives."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from config.settings import Settings, load
from proxy.log.attach import Log
from proxy.service.app import build_app
from proxy.service.assembly import make_loader
from proxy.service.loading import Loading
from proxy.service.readers import Readers
from proxy.service.run import OwnRun
from proxy.spool import frames
from proxy.spool.gauge import Gauge
from proxy.spool.writer import Spool

CHAT = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}'
)


@dataclass
class Running:
    """A running log service and what stands around it."""

    url: str
    http: aiohttp.ClientSession
    log: Log
    loading: Loading
    readers: Readers
    settings: Settings

    async def post(self, path: str, body: Any, **options: Any) -> tuple[int, Any]:
        """(status, JSON) of a POST."""
        async with self.http.post(self.url + path, json=body, **options) as response:
            return response.status, await response.json()

    async def rows(self, sql: str) -> Any:
        """The rows of a query by /api/sql."""
        status, rows = await self.post("/api/sql", {"sql": sql})
        assert status == 200, rows
        return rows

    async def flush(self) -> None:
        """Wait until all that is spooled can be queried."""
        status, told = await self.post("/api/flush", {})
        assert status == 200, told


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Defaults in a directory of its own, on free ports."""
    return load(None, {"GOLDWASH_DATA_DIR": str(tmp_path / "data"), "GOLDWASH_ADMIN__PORT": "0", "GOLDWASH_SQL__TIMEOUT": "5"})


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(settings: Settings) -> Start:
    """Starts a service; options: token, host, loader (made from a log)."""

    @asynccontextmanager
    async def started(
        token: str | None = None, host: str = "127.0.0.1", loader: Callable[[Log, Settings], Any] = make_loader, **update: Any
    ) -> AsyncIterator[Running]:
        mine = settings.model_copy(update={"admin": settings.admin.model_copy(update={"host": host}), **update})
        log = Log.open(mine.log.address, mine.data_dir)
        run = OwnRun(mine.data_dir / "spool", syncs=True)
        readers = Readers(log.cursor, mine.data_dir)
        loading = Loading(loader(log, mine))
        loading.start()
        runner = web.AppRunner(
            build_app(log, loading, readers, run, mine, token), access_log=None, handle_signals=False, shutdown_timeout=1
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as http:
            try:
                yield Running(f"http://127.0.0.1:{port}", http, log, loading, readers, mine)
            finally:
                await runner.cleanup()
                readers.close()
                run.close()
                await asyncio.to_thread(loading.close, 5.0)
                log.close()

    return started


@pytest.fixture
async def service(start: Start) -> AsyncIterator[Running]:
    """A service on loopback, without a token."""
    async with start() as running:
        yield running


@pytest.fixture
def worker(settings: Settings) -> Iterator[Spool]:
    """A living worker's run with a fresh gauge."""
    spool = Spool(settings.data_dir / "spool", "here", "w0", 1 << 20)
    gauge = Gauge(spool.path)
    gauge.write({"pid": os.getpid(), "at": time.time() + 3600, "active": 3, "connections": 7, "refused": 2, "draining": False})
    yield spool
    gauge.close()
    spool.close()


def exchange(spool: Spool, exchange_id: bytes, text: bytes = ANSWER) -> None:
    """One whole chat in a run."""
    facts = b"openai\n\nhttps://api.openai.com\nPOST\n/v1/chat/completions\n\nk1\n"
    spool.append(frames.accepted(exchange_id, time.time_ns(), 0, facts, CHAT))
    head = b"\n\ncontent-type:application/json"
    spool.append(
        frames.finished(exchange_id, 0, 0, 200, 7_000_000, 9_000_000, len(CHAT), len(text), frames.NO_HASH, frames.NO_HASH, head, b"", text)
    )
