"""Plays the demo's traffic through a running proxy, then asks the log what it cost: the newcomer's first five minutes, in ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from proxy.demo.script import Request, Scene, count, scenes

AT_ONCE = 6
"""Conversations that run side by side: enough to look alive, few enough to leave a laptop alone."""

COST_BY_MODEL = """
SELECT provider,
       coalesce(response_model, request_model) AS model,
       count(*) AS exchanges,
       count(*) FILTER (WHERE ending <> 'complete' OR status >= 400) AS failed,
       sum(input_tokens) AS input_tokens,
       sum(cache_read_tokens) AS cached,
       sum(output_tokens) AS output_tokens,
       sum(cost_usd) AS cost_usd
FROM exchanges
GROUP BY ALL
ORDER BY cost_usd DESC NULLS LAST, exchanges DESC
""".strip()

NEXT = "SELECT feature, user_id, ending, status, error_type FROM exchanges WHERE ending <> 'complete' OR status >= 400"


class DemoError(Exception):
    """The demo could not be played; its text is one sentence with the fix."""


async def play(proxy_url: str, admin_url: str, console: Console, data_dir: Path | None = None) -> None:
    """Sends every scene through the proxy, waits until all can be queried, and prints cost by model and what to try next.

    data_dir: where the demo's log lies, if it stays up long enough to be asked by hand.
    Raises DemoError where the proxy or the admin port does not answer as it should.
    """
    console.print(
        f"\n[bold]The Copper Kettle opens[/]: {count()} exchanges of a tea shop's bot, made up, through {proxy_url}", soft_wrap=True
    )
    timeout = aiohttp.ClientTimeout(total=60, connect=5)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        await _play_all(session, proxy_url, console)
        rows = await query(session, admin_url, COST_BY_MODEL)
    console.print(cost_table(rows))
    console.print(_next_thing(proxy_url, data_dir), highlight=False, soft_wrap=True)


async def _play_all(session: aiohttp.ClientSession, proxy_url: str, console: Console) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("playing", total=count())
        try:
            async with asyncio.TaskGroup() as group:
                for scene in scenes():
                    group.create_task(_play_scene(session, proxy_url, scene, gate, lambda: progress.advance(bar)))
        except ExceptionGroup as several:  # all scenes meet the same trouble: the first to say so is enough
            raise several.exceptions[0] from several


async def _play_scene(session: aiohttp.ClientSession, proxy_url: str, scene: Scene, gate: asyncio.Semaphore, played: Any) -> None:
    async with gate:
        for request in scene:
            status, wait = await _send(session, proxy_url, request)
            played()
            if status == 429 and request.again:
                await asyncio.sleep(wait)
                await _send(session, proxy_url, request)
                played()


async def _send(session: aiohttp.ClientSession, proxy_url: str, request: Request) -> tuple[int, float]:
    """Sends one request and reads its answer; returns the status and the seconds to wait before trying again."""
    headers = {"content-type": "application/json", "user-agent": "copper-kettle/1.0", **request.headers}
    body = json.dumps(request.body, ensure_ascii=False).encode()
    async with _reached(proxy_url), session.post(proxy_url + request.path, data=body, headers=headers) as answer:
        try:
            if request.hang_up:
                for _ in range(4):
                    await answer.content.readany()
                answer.close()
            else:
                await answer.read()
        except aiohttp.ClientPayloadError:
            pass  # the scene whose stream breaks off: the log says `partial`
        if answer.status >= 500:
            raise DemoError(f"{request.path} got {answer.status} from the proxy, which the demo's provider never sends: see what `up` says")
        return answer.status, float(answer.headers.get("retry-after", 0))


@contextlib.asynccontextmanager
async def _reached(url: str) -> AsyncIterator[None]:
    """The seam where the client's many errors become one sentence."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DemoError(f"the demo could not reach {url}: {error or type(error).__name__}; is `up` still running?") from error


async def query(session: aiohttp.ClientSession, admin_url: str, sql: str) -> list[dict[str, Any]]:
    """Rows of a query on the log, after all that was spooled has been loaded; raises DemoError where the log refuses."""
    async with _reached(admin_url), session.post(f"{admin_url}/api/flush", json={}) as flushed:
        await _refused(flushed, "flush")
    async with _reached(admin_url), session.post(f"{admin_url}/api/sql", json={"sql": sql, "format": "json"}) as answer:
        await _refused(answer, "query")
        found = await answer.json()
    rows = found["rows"] if isinstance(found, dict) else found
    return [row if isinstance(row, dict) else dict(zip(found["columns"], row, strict=True)) for row in rows]


async def _refused(answer: aiohttp.ClientResponse, what: str) -> None:
    if answer.status >= 400:
        raise DemoError(
            f"the log refused the demo's {what} with {answer.status}: {(await answer.text())[:300]}; `goldwash doctor` says why"
        )


def cost_table(rows: list[dict[str, Any]]) -> Table:
    """Cost by model, for people, within 80 columns; an unknown figure is a dash, never 0."""
    table = Table(
        title="What it cost, by model (tokens, USD)",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("provider/model", no_wrap=True)
    for name in ("calls", "failed", "input", "cached", "output"):
        table.add_column(name, justify="right")
    table.add_column("USD", justify="right", no_wrap=True)
    for row in rows:
        counts = (row[name] for name in ("exchanges", "failed", "input_tokens", "cached", "output_tokens"))
        table.add_row(f"{row['provider']}/{row['model'] or '–'}", *map(_whole, counts), _money(row["cost_usd"]))
    known = [Decimal(str(row["cost_usd"])) for row in rows if row["cost_usd"] is not None]
    table.add_section()
    calls, failed = (sum(int(row[name]) for row in rows) for name in ("exchanges", "failed"))
    table.add_row("all", _whole(calls), _whole(failed), "", "", "", _money(sum(known)) if known else "–")
    if len(known) < len(rows):
        table.caption = "– is not known: the provider did not say, or nobody sells that model."
    return table


def _whole(value: Any) -> str:
    return "–" if value is None else f"{int(value):,}"


def _money(value: Any) -> str:
    return "–" if value is None else f"{float(value):.6f}"


def _next_thing(proxy_url: str, data_dir: Path | None) -> str:
    look = (
        "\n[bold]Next[/], while this runs, ask what went wrong, in another terminal:\n"
        f'  GOLDWASH_DATA_DIR={data_dir} .venv/bin/goldwash sql "{NEXT}"\n'
    )
    first = "stop this, " if data_dir else ""  # without anybody watching it has ended by itself
    return (look if data_dir else "") + (
        f"\n[bold]Your own traffic[/]: {first}run scripts/up, and point an SDK at it; your key stays where it is:\n"
        f"  export OPENAI_BASE_URL={proxy_url}/openai/v1\n"
        f"  export ANTHROPIC_BASE_URL={proxy_url}/anthropic\n"
    )
