"""Watch production without `up`: alert rules, notifications and exports, beside a log service until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from config.settings import Settings

LOCK: Final = "watch.lock"
PATIENCE: Final = 15.0
"""Seconds that a predecessor may take to let go, and that the jobs may take to finish at the end."""

NICENESS: Final = 10
"""As the log service's readers: where cores are short, traffic and loading go first."""


class WatchedAlready(Exception):
    """Another watcher is at work on this data directory."""

    exit_code = 1


@click.command()
@config_option
@click.option("--leash", type=int, default=-1, hidden=True, help="A pipe whose end says that the supervisor is gone.")
def watch(config: Path | None, leash: int) -> int:
    """Evaluate the alert rules every minute, tell of what they find, and send exports: what `up` runs as its watcher."""
    from config.settings import Settings
    from proxy import logs

    logs.set_up(os.environ.get("GOLDWASH_LOG_LEVEL", "info"))
    logs.hook()
    os.umask(0o077)
    with contextlib.suppress(OSError):  # before any thread is made, which takes it on
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICENESS))
    settings = Settings.from_dump(sys.stdin.buffer.read()) if leash >= 0 else load_settings(config)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return asyncio.run(keep(settings, leash))


async def keep(settings: Settings, leash: int) -> int:
    """Run the jobs until SIGTERM, Ctrl-C, or the end of the leash. Raises WatchedAlready."""
    import structlog

    from scoring.watch import Watch

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if leash >= 0 else stopped.set)  # the supervisor tells its child
    if leash >= 0:
        loop.add_reader(leash, stopped.set)  # readable = end of file: the supervisor is gone
    log = structlog.get_logger("watch")
    lock = await _taken(settings.data_dir, stopped)
    if lock is None:
        return 0
    try:
        watching = Watch(settings)
        watching.start()
        log.info("watching", jobs=len(watching.jobs), rules=str(settings.alerts.rules or "shipped"))
        await stopped.wait()
        clean = await asyncio.to_thread(watching.stop, PATIENCE)
        log.info("stopped", clean=clean)
    finally:
        os.close(lock)
    return 0


async def _taken(data_dir: Path, stopped: asyncio.Event) -> int | None:
    """The lock that one watcher of a data directory holds, waited for a little; None = told to stop meanwhile."""
    lock = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if asyncio.get_running_loop().time() > until:
                owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
                os.close(lock)
                raise WatchedAlready(
                    f"{data_dir}: another watcher (pid {owner}) is at work here; stop it, or set [alerts] watch = false for `up`"
                ) from None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), 0.5)
            if stopped.is_set():
                os.close(lock)
                return None
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock


def main() -> None:
    """Entry point of the supervisor's child: `python -m scoring.commands.watch --leash FD`, the settings as JSON on standard input."""
    from proxy import cli

    cli.main(["watch", *sys.argv[1:]])


if __name__ == "__main__":
    main()
