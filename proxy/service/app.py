"""The log service's own HTTP on the admin port: health, metrics, SQL, flush, feedback, scores, context, snapshot, the web page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import duckdb
import structlog
from aiohttp import web

from config.settings import Settings
from proxy.log.attach import Log
from proxy.log.forgetting import Found, Subject, forget
from proxy.log.guard import Refused
from proxy.log.rewriting import clean_lake, mark
from proxy.service import exposition, figures, opinions, page, standing
from proxy.service.assembly import subject_of
from proxy.service.door import HEADERS, door, failure
from proxy.service.formats import CONTENT_TYPES
from proxy.service.loading import FlushFailed, Loading
from proxy.service.readers import Answer, Limits, QueryError, Readers
from proxy.service.run import OwnRun
from proxy.service.snapshots import snapshot
from proxy.spool import barrier
from proxy.spool.bound import SpoolFull
from proxy.spool.reader import runs

MAX_BODY: Final = 16 << 20
"""Bytes of a POST; documents of a context are the largest."""
CHUNK: Final = 256 << 10
SLOW_CLIENT: Final = 60.0
"""Seconds that a client may take over CHUNK bytes of an answer."""
FLUSH_TIMEOUT: Final = 120.0
HANG_UP_CHECK: Final = 0.2

logger = structlog.get_logger("service")


@dataclass(slots=True)
class Service:
    """What the handlers work with. One event loop."""

    settings: Settings
    log: Log
    loading: Loading
    readers: Readers
    run: OwnRun
    census: figures.Census
    limits: Limits
    begin_anew: Callable[[], None]
    queries: Counter[str] = field(default_factory=Counter)
    spool_dir: Path = field(init=False)
    census_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    snapshot_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.spool_dir = self.settings.data_dir / "spool"


SERVICE: Final = web.AppKey("service", Service)


def build_app(
    log: Log,
    loading: Loading,
    readers: Readers,
    run: OwnRun,
    settings: Settings,
    token: str | None,
    begin_anew: Callable[[], None] = lambda: None,
) -> web.Application:
    """The application. token: asked for on every address but the probes; None = loopback rules (see door).

    begin_anew: ends the service so that it starts again, on a file that is written anew.
    """
    app = web.Application(middlewares=[door(settings, token), _mapped], client_max_size=MAX_BODY)
    app[SERVICE] = Service(
        settings,
        log,
        loading,
        readers,
        run,
        figures.Census(log.cursor, log.file),
        Limits(settings.sql.max_rows, settings.sql.timeout),
        begin_anew,
    )
    app.add_routes(
        [
            web.get("/", _page),
            web.get("/healthz", _health),
            web.get("/readyz", _ready),
            web.get("/metrics", _metrics),
            web.post("/api/flush", _flush),
            web.post("/api/sql", _sql),
            web.post("/api/snapshot", _snapshot),
            web.post("/api/forget", _forget),
            web.post("/api/feedback", _taken("feedback")),
            web.post("/api/scores", _taken("scores")),
            web.post("/api/context", _taken("contexts")),
        ]
    )
    return app


@web.middleware
async def _mapped(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Errors as JSON with their status; what nobody expected is logged and told without its insides."""
    try:
        return cast(web.StreamResponse, await handler(request))
    except Refused as error:
        return failure(400, str(error), error.hint)
    except QueryError as error:
        return failure(error.status, str(error), error.hint)
    except opinions.Invalid as error:
        return failure(400, str(error), "docs/api.md has the keys")
    except SpoolFull as error:
        return failure(507, str(error), "free disk space under data_dir, then send it again")
    except (web.HTTPException, asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:
        logger.exception("a request to the admin port failed", path=request.path)
        return failure(500, f"this failed inside: {type(error).__name__}", "the log of the service has the details")


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    seen = await asyncio.to_thread(figures.workers, service.spool_dir)
    error = service.loading.progress.last_error
    if not seen.accepting:
        return web.json_response({"status": "no worker accepts yet"}, status=503)
    if error is not None:
        return web.json_response({"status": f"the log refuses rows: {error}"}, status=503)
    return web.json_response({"status": "ready", "workers": seen.accepting})


async def _metrics(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    async with service.census_lock:
        try:
            counts = await asyncio.to_thread(service.census.refresh)
        except duckdb.Error as error:  # the other figures matter most just then
            logger.warning("the log cannot be counted", error=str(error))
            counts = figures.Counts()
    seen = await asyncio.to_thread(figures.workers, service.spool_dir)
    found = figures.figures(counts, service.loading.progress, service.spool_dir, seen, dict(service.queries))
    now = time.time()
    found += await asyncio.to_thread(standing.prices, datetime.fromtimestamp(now, UTC))
    if service.settings.otel.endpoint:
        found += await asyncio.to_thread(standing.export, service.settings.data_dir, now)
    content_type = exposition.wanted(request.headers.get("Accept", ""))
    return web.Response(text=exposition.render(found, content_type), headers={"Content-Type": content_type})


async def _flush(request: web.Request) -> web.Response:
    began = time.monotonic()
    unread = await _flushed(request.app[SERVICE])
    return web.json_response({"status": "flushed", "seconds": round(time.monotonic() - began, 3), "unread": list(unread)})


async def _flushed(service: Service) -> tuple[str, ...]:
    """Wait until all that was spooled is in the log. Raises QueryError."""
    alive = [run.name for run in runs(service.spool_dir) if run.alive()]
    await asyncio.gather(*(barrier.passed(run) for run in alive if run != service.run.name))
    try:
        return await asyncio.wait_for(asyncio.wrap_future(service.loading.flush()), FLUSH_TIMEOUT)
    except TimeoutError as late:
        error = service.loading.progress.last_error
        why = f"the log refuses rows: {error}" if error else f"the spool was not loaded within {FLUSH_TIMEOUT:g} s"
        raise QueryError(why, "the spool keeps everything; ask again", 503) from late
    except FlushFailed as error:
        raise QueryError(str(error), "the next start loads the rest", 503) from error


async def _body(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise QueryError(f"the body is no JSON: {error}", "send a JSON document", 400) from error


async def _sql(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    body = await _body(request)
    if not isinstance(body, dict) or not isinstance(body.get("sql"), str):
        raise QueryError("the body holds no statement", 'send {"sql": "SELECT …", "format": "json"}', 400)
    unknown = sorted(set(body) - {"sql", "format", "params"})
    if unknown:
        raise QueryError(f"the key {unknown[0]!r} is not known", "the keys are sql, format and params", 400)
    params = body.get("params")
    if params is not None and not isinstance(params, list | dict):
        raise QueryError("params is neither a list nor an object", "give [value, …] for $1, or {name: value} for $name", 400)
    try:
        answer = await _run(request, service, body["sql"], params, body.get("format") or "json")
    except (Refused, QueryError) as error:
        service.queries["refused" if isinstance(error, Refused) else str(error.status)] += 1
        raise
    service.queries["answered"] += 1
    return await _send(request, answer)


async def _run(request: web.Request, service: Service, sql: str, params: Any, name: Any) -> Answer:
    """Run a query, and stop it when the client hangs up: aiohttp goes on by itself."""
    stop = threading.Event()
    future = asyncio.wrap_future(service.readers.submit(sql, params, str(name), service.limits, stop))
    try:
        while not future.done():
            await asyncio.wait({future}, timeout=HANG_UP_CHECK)
            if request.transport is None or request.transport.is_closing():
                stop.set()
        return future.result()
    except asyncio.CancelledError:
        stop.set()
        raise


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            **HEADERS,
            "Content-Type": CONTENT_TYPES[answer.format],
            "Goldwash-Rows": str(answer.rows),
            "Goldwash-Truncated": "true" if answer.truncated else "false",
        }
    )
    response.content_length = answer.size
    try:
        await response.prepare(request)
        while chunk := answer.file.read(CHUNK):
            await asyncio.wait_for(response.write(chunk), SLOW_CLIENT)
        await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # gone; nothing is owed
    finally:
        answer.file.close()
    return response


async def _snapshot(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    if service.snapshot_lock.locked():
        raise QueryError("a snapshot is being made already", "wait for it", 409)
    async with service.snapshot_lock:
        began = time.monotonic()
        try:
            file = await asyncio.to_thread(snapshot, service.log, service.settings.data_dir)
        except duckdb.Error as error:
            raise QueryError(f"the snapshot could not be made: {error}", "check the disk space under data_dir", 500) from error
        return web.json_response({"path": str(file), "bytes": file.stat().st_size, "seconds": round(time.monotonic() - began, 3)})


async def _forget(request: web.Request) -> web.Response:
    """Erase (see proxy.log.forgetting); the service then starts again on a file that is written anew."""
    service = request.app[SERVICE]
    subject, dry_run = _subject(await _body(request), service.settings)
    await _flushed(service)
    data_dir = service.settings.data_dir

    def job() -> Found:
        if not dry_run:
            mark(data_dir)
        return forget(service.log, service.spool_dir, subject, dry_run=dry_run)

    found = await asyncio.wrap_future(service.loading.between(job))
    if not dry_run:
        logger.info("forgotten; the log is written anew", exchanges=found.exchanges, frames=found.frames)
        if service.log.file is None:
            await asyncio.wrap_future(service.loading.between(lambda: clean_lake(service.log, data_dir)))
        else:
            asyncio.get_running_loop().call_later(0.1, service.begin_anew)  # when the answer is out
    return web.json_response({"status": "counted" if dry_run else "erased", **found.json()})


def _subject(body: Any, settings: Settings) -> tuple[Subject, bool]:
    """What a body means. Raises QueryError."""
    if not isinstance(body, dict) or set(body) - {"user", "exchange", "before", "dry_run"} or len(set(body) - {"dry_run"}) != 1:
        raise QueryError("the body does not say what to forget", 'send one of {"user": …}, {"exchange": …}, {"before": "2026-11-01"}', 400)
    try:
        return subject_of(settings, body.get("user"), body.get("exchange"), body.get("before")), bool(body.get("dry_run"))
    except (ValueError, TypeError) as error:
        raise QueryError(f"this cannot be forgotten: {error}", "give text that is not empty, or a date such as 2026-11-01", 400) from error


def _taken(kind: opinions.Kind) -> Callable[[web.Request], Any]:
    async def take(request: web.Request) -> web.Response:
        service = request.app[SERVICE]
        said = opinions.parse(kind, await _body(request))
        now = time.time_ns()
        await service.run.append(opinion.frame(now) for opinion in said)
        return web.json_response({"status": "taken", "ids": [opinion.id for opinion in said]}, status=202)

    return take


async def _page(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    proxy, progress = service.settings.proxy, service.loading.progress
    seen = await asyncio.to_thread(figures.workers, service.spool_dir)
    today: Any = None
    last: Any = []
    with contextlib.suppress(duckdb.Error):  # the page says what else there is
        today, last = await asyncio.to_thread(_looked_up, service.log)
    scheme = "https" if proxy.tls_cert else "http"
    view = page.View(
        base_url=f"{scheme}://{proxy.host}:{proxy.port}" if proxy.port else None,
        accepting=bool(seen.accepting),
        lag=progress.lag(time.time()),
        loading_error=progress.last_error,
        today=today,
        last=last,
    )
    return web.Response(text=page.render(view), content_type="text/html", headers={"Content-Security-Policy": page.CSP})


def _looked_up(log: Log) -> tuple[Any, Any]:
    cursor = log.cursor()
    try:
        return cursor.execute(page.TODAY).fetchone(), cursor.execute(page.LAST).fetchall()
    finally:
        cursor.close()
