"""The process of the log service: opens the log, loads the spool, answers on the admin port, and drains when it is told to stop.

Started by the supervisor as `python -m proxy.service --leash FD` with the settings as JSON on standard input. It ends on SIGTERM, or
when the leash, a pipe that the supervisor holds, is let go. Workers come and go as they like: it sees them by their spool.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
import threading
import time
from typing import Final, NamedTuple

import duckdb
import structlog
import uvloop
from aiohttp import web

from config.options import is_loopback
from config.settings import ConfigError, Settings
from proxy import logs
from proxy.log import quack, rewriting
from proxy.log.attach import LAKE, Log, LogError, LogLocked
from proxy.service import state
from proxy.service.app import build_app
from proxy.service.assembly import make_loader, make_upkeep
from proxy.service.budgets import Budgets
from proxy.service.loading import Loading
from proxy.service.memory import grow, lacks_memory, machine_bytes, memory_bytes, needed
from proxy.service.readers import QueryError, Readers, untouched_bytes
from proxy.service.run import OwnRun
from proxy.service.snapshots import sweep
from proxy.spool.bound import usage
from proxy.supervisor import START_AGAIN

DRAIN: Final = 100.0
"""Seconds to load what is spooled after SIGTERM; the supervisor kills after 120."""
ORPHAN_DRAIN: Final = 5.0
"""The same where a successor wants the log: when the supervisor was killed, and at a restart of its own."""
LOCK_PATIENCE: Final = 30.0
"""Seconds to wait for a predecessor to let go of the log."""

log = structlog.get_logger("service")


def bound_memory(memory: int) -> None:
    """Let no query take the machine: text and lists inside one expression stand outside DuckDB's own limit, so the process gets one.

    An allocation over it fails that query alone, with an error; twice DuckDB's share and 2 GB for what the loader holds. The system
    counts what is reserved too, and DuckDB's allocator keeps every range it ever had: so what is not touched comes on top, found
    anew before each query; else the bound comes down to nothing with time, and all queries fail.
    """
    limit = 2 * memory + (2 << 30) + untouched_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))  # only the soft limit: it can be raised again


ROOMY: Final = 0.25
"""Share of [spool] max_gb beyond which loading no longer waits for a busy machine."""


def open_log(settings: Settings, memory: int) -> Log:
    """The log, waited for while a predecessor still holds it; memory: bytes for DuckDB. Raises LogError."""
    until = time.monotonic() + LOCK_PATIENCE
    told = False
    while True:
        try:
            write_anew(settings, memory)
            extra = quack.EXTENSIONS if settings.log.quack else ()
            return Log.open(settings.log.address, settings.data_dir, settings.log.data_path, f"{memory}B", extra=extra)
        except LogLocked as error:
            if time.monotonic() > until:
                raise
            if not told:
                log.warning("waiting for the log", why=str(error))
                told = True
            time.sleep(0.2)


def write_anew(settings: Settings, memory: int) -> None:
    """Write the log's file anew where something was forgotten; where that fails the log is served all the same, until the next start."""
    if not rewriting.pending(settings.data_dir) or settings.log.address.startswith(LAKE):
        return
    try:
        rewriting.rewrite(settings.data_dir, settings.data_dir / settings.log.address, f"{memory}B")
    except (duckdb.Error, OSError) as error:
        fix = "free as much disk as the log takes, then start again or run `goldwash forget` again"
        log.error("what was forgotten is out of the rows, and its bytes are still in the file", why=str(error), fix=fix)  # noqa: TRY400
    else:
        log.info("something was forgotten: the log was written anew")


def serve_quack(settings: Settings, opened: Log, readers: Readers) -> quack.Quack | None:
    """Quack, where it is configured and can listen; the log is served without it otherwise."""
    if not settings.log.quack:
        return None
    served = quack.Quack(opened.cursor(), readers.guard, settings.log.quack, state.make_token(settings.data_dir / quack.TOKEN))
    try:
        served.start()
    except duckdb.Error as error:
        log.warning("Quack does not serve; free its port, or set another [log] quack", address=settings.log.quack, error=str(error))
        return None
    return served


class Ended(NamedTuple):
    """How serving ended."""

    code: int  # 0, or START_AGAIN
    is_free: bool  # False where a query goes on that cannot be stopped


async def serve(settings: Settings, opened: Log, leash: int, memory: int) -> Ended:
    """Run until told to stop, then drain."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.loop_fault)
    stopped: asyncio.Future[float] = loop.create_future()

    code = 0

    def stop(seconds: float) -> None:
        if not stopped.done():
            stopped.set_result(seconds)

    def start_again(seconds: float) -> None:
        nonlocal code
        code = code if stopped.done() else START_AGAIN
        stop(seconds)

    loop.add_signal_handler(signal.SIGTERM, stop, DRAIN)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches the whole terminal; the supervisor tells us
    if leash >= 0:
        loop.add_reader(leash, lambda: stop(ORPHAN_DRAIN) if not os.read(leash, 4096) else None)
    else:
        loop.add_signal_handler(signal.SIGINT, stop, DRAIN)

    data_dir = settings.data_dir
    bound_memory(memory)
    sweep(opened, data_dir)
    run = OwnRun(data_dir / "spool", syncs=settings.spool.fsync != "never")
    behind = threading.Event()

    def begin_anew() -> None:
        log.warning("every reader is held by a query that cannot be stopped; the log service starts again, nothing is lost")
        loop.call_soon_threadsafe(start_again, ORPHAN_DRAIN)

    def reopen() -> None:
        error = loading.progress.last_error or ""
        more = grow(data_dir, memory, error, machine_bytes())
        if more is not None:
            log.warning("large bodies need more memory than [sql] memory; the log service starts again with it", megabytes=more >> 20)
        elif lacks_memory(error) and not error.startswith("FATAL"):
            return  # there is no more to be had; it is tried again as it is
        log.warning("DuckDB must open the log again; the log service starts again, nothing is lost")
        loop.call_soon_threadsafe(start_again, 0.0)

    readers = Readers(
        opened.cursor,
        data_dir,
        memory_bytes=2 * memory + (1 << 30),
        behind=behind.is_set,
        before=lambda: bound_memory(memory),
        all_deaf=begin_anew,
    )
    relief = QueryError("the loader needed the memory that the query held", "run it again, or raise [sql] memory", 503)
    loading = Loading(
        make_loader(opened, settings),
        lambda: readers.interrupt(relief),
        make_upkeep(opened, settings),
        behind,
        reopen,
        Budgets(opened, data_dir).seen,
        lambda: usage(data_dir / "spool") < settings.spool.max_gb * 1e9 * ROOMY,
    )

    local = is_loopback(settings.admin.host) and not settings.admin.always_token
    token = None if local else state.make_token(state.token_file(settings))
    app = build_app(opened, loading, readers, run, settings, token, lambda: start_again(ORPHAN_DRAIN))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0, keepalive_timeout=75.0)
    await runner.setup()
    served: quack.Quack | None = None
    loading.start()  # a thread that only the block below ends
    try:
        site = web.TCPSite(runner, settings.admin.host, settings.admin.port, backlog=128)
        try:
            await site.start()
        except OSError as error:
            where = f"{settings.admin.host}:{settings.admin.port}"
            raise ConfigError(f"{where} cannot be listened on: {error.strerror}; stop who uses it, or set another [admin] port") from error
        port = runner.addresses[0][1]
        token_file = str(state.token_file(settings)) if token else None
        state.write(data_dir, state.State(os.getpid(), settings.admin.host, port, token_file))
        served = serve_quack(settings, opened, readers)
        gc.freeze()
        log.info("serving", host=settings.admin.host, port=port, log=opened.address)
        seconds = await stopped
    finally:
        if served is not None:
            await asyncio.to_thread(served.stop)
        await runner.cleanup()
        stopped_readers = await asyncio.to_thread(readers.close)
        run.close()  # sealed: the last round takes it whole
        drained = await asyncio.to_thread(loading.close, seconds if stopped.done() else 0.0)
        state.remove(data_dir)
    log.info("stopped", drained=drained)
    return Ended(code, stopped_readers)


def main() -> int:
    """Entry point of the process; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leash", type=int, default=-1)
    arguments = parser.parse_args()
    logs.set_up(os.environ.get("GOLDWASH_LOG_LEVEL", "info"))
    logs.hook()
    os.umask(0o077)  # the log, its WAL, snapshots and results are nobody else's
    settings = Settings.from_dump(sys.stdin.buffer.read())
    memory = needed(settings.data_dir, memory_bytes(settings.sql.memory))
    try:
        opened = open_log(settings, memory)
    except LogError as error:
        log.error("the log cannot be opened; traffic passes and is spooled", why=str(error))  # noqa: TRY400  a sentence is enough
        return error.exit_code
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ended = runner.run(serve(settings, opened, arguments.leash, memory))
            if not ended.is_free:
                os._exit(ended.code)  # a thread that cannot be stopped would keep the process
    except ConfigError as error:
        log.error("the log service cannot start", why=str(error))  # noqa: TRY400  as above
        return error.exit_code
    finally:
        with contextlib.suppress(Exception):
            opened.close()
    return ended.code
