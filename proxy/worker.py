"""One worker process: the lane on a socket it was handed, its spool, and nothing of the log.

Started by the supervisor as `python -m proxy.worker --index N --listen FD --leash FD --ready FD` with the settings as JSON on
standard input. It ends when it is told to (SIGTERM: drain) or when the leash, a pipe the supervisor holds, is let go.
"""

from __future__ import annotations

# isort: off
from proxy import compiled

COMPILED = compiled.use()  # before anything of the lane is imported
# isort: on

import argparse
import asyncio
import gc
import os
import resource
import signal
import socket
import sys
import time
from typing import Any, Final

import structlog
import uvloop
from aiohttp import web

from config.settings import Settings
from proxy import logs
from proxy.app import build_app
from proxy.lane.capture import Capture
from proxy.lane.lane import Lane
from proxy.spool import barrier
from proxy.spool.bound import Bound
from proxy.spool.gauge import Gauge
from proxy.spool.writer import LAST_SEGMENT, Spool
from proxy.tls import server_tls

# Connections waiting to be accepted; the kernel caps it at net.core.somaxconn.
BACKLOG: Final = 8192
# Segments that a worker's share of [spool] max_gb must hold: one is written, one is the next, one is in reserve, the others wait.
SEGMENTS_AT_LEAST: Final = 8
# When the supervisor has been killed, streams get this long at most: whoever restarts it wants the port.
ORPHAN_DRAIN_SECONDS: Final = 5.0


def _counts(lane: Lane, started: float) -> dict[str, Any]:
    capture = lane.capture
    return {
        "pid": os.getpid(),
        "started": started,
        "at": time.time(),
        **capture.counts,
        "refused": lane.refused,
        "handed_over": lane.handed_over,
        "connections": len(lane.clients),
        "active": lane.active,
        "upstream": lane.connections,
        "draining": lane.draining,
        "tasks": len(asyncio.all_tasks()),
    }


async def serve(settings: Settings, index: int, listener: socket.socket, leash: int, ready: int) -> None:
    """Run until told to stop, then drain."""
    log = structlog.get_logger("worker").bind(worker=index)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.loop_fault)
    stopped: asyncio.Future[float] = loop.create_future()

    def stop(seconds: float) -> None:
        if not stopped.done():
            stopped.set_result(seconds)

    loop.add_signal_handler(signal.SIGTERM, stop, settings.proxy.drain_timeout)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches the whole terminal; the supervisor tells us
    if leash >= 0:
        loop.add_reader(leash, lambda: stop(ORPHAN_DRAIN_SECONDS))  # readable = end of file: the supervisor is gone

    host = "".join(c if c.isalnum() or c in ".-" else "-" for c in socket.gethostname())[:80] or "host"
    fsync = settings.spool.fsync
    directory = settings.data_dir / "spool"
    bound = Bound(directory, int(settings.spool.max_gb * 1e9))
    share = bound.bytes // (settings.proxy.workers or os.cpu_count() or 1)
    segment_bytes = min(settings.spool.segment_mb << 20, max(share // SEGMENTS_AT_LEAST, LAST_SEGMENT))
    spool = Spool(directory, host, f"w{index}", segment_bytes, syncs=fsync != "never", bound=bound)
    gauge = Gauge(spool.path)
    capture = Capture(spool, syncs_each=fsync == "each")
    capture.tell_each(os.environ.get("GOLDWASH_LOG_LEVEL", "").lower() == "debug")
    lane = Lane(settings, capture, (settings.data_dir / "key.secret").read_bytes(), loop)
    runner = web.AppRunner(build_app(lane), access_log=None, handle_signals=False)
    await runner.setup()
    lane.serve_own_paths(runner.server)  # type: ignore[arg-type]
    tls = server_tls(settings.proxy.tls_cert, settings.proxy.tls_key)
    server = await loop.create_server(lane.accept_connection, sock=listener, backlog=BACKLOG, ssl=tls)
    barrier_server = await barrier.answer(spool.run)
    lane.start()
    started = time.time()
    gauge.write(_counts(lane, started))

    async def show() -> None:
        while True:
            await asyncio.sleep(1)
            gauge.write(_counts(lane, started))

    tasks = [loop.create_task(show())]
    if fsync == "interval":
        tasks.append(loop.create_task(capture.sync_every(settings.spool.fsync_interval)))
    # Start-up's objects live for ever: the collector need not look at them, nor at every few hundred requests' worth of garbage.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    if ready >= 0:
        os.write(ready, b"1")
        os.close(ready)
    seconds = await stopped
    server.close()
    cut = await lane.drain(seconds)
    for task in tasks:
        task.cancel()
    await runner.cleanup()
    if barrier_server is not None:
        barrier_server.close()
    gauge.write(_counts(lane, started))
    gauge.close()
    capture.close()
    log.info("worker_stopped", cut=cut)


def main() -> None:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--index", "--listen", "--leash", "--ready"):
        parser.add_argument(name, type=int, default=-1)
    arguments = parser.parse_args()
    logs.set_up(os.environ.get("GOLDWASH_LOG_LEVEL", "info"), carries_keys=True)
    logs.hook()
    settings = Settings.from_dump(sys.stdin.buffer.read())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors a stream; the soft limit is often 1,024
    listener = socket.socket(fileno=arguments.listen)
    listener.setblocking(False)
    uvloop.run(serve(settings, arguments.index, listener, arguments.leash, arguments.ready))


if __name__ == "__main__":
    main()
