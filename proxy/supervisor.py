"""Keeps everything of one machine running: workers on shared sockets, the log service, and nobody left behind.

The listening sockets belong to the supervisor, so that a worker that dies or is renewed loses no waiting connection. Children
hold one end of a pipe, the leash: when the supervisor is killed its end closes and they stop by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import structlog

from config.options import is_loopback
from config.settings import ConfigError, Settings
from proxy import keys
from proxy.tls import server_tls

BACKLOG: Final = 8192
FIRST_BACKOFF: Final = 0.2
LAST_BACKOFF: Final = 10.0
LAST_WORKER_BACKOFF: Final = 2.0  # clients wait in the backlog meanwhile
# A child that has lived this long was well: its next death starts with the first back-off again.
WELL_SECONDS: Final = 5.0
READY_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 20.0  # what those that watch may take to finish what they do
START_AGAIN: Final = 64
"""Exit code of a child that asks to be started again, for a reason that it has told itself."""
LOAD_SECONDS: Final = 120.0  # what the log service may take at the end to load what is spooled


# Reads of 256 KB would each be mapped, faulted in and unmapped again by glibc's defaults; kept, they are the same warm pages.
# Arrow's own allocator reserves a GiB at a time, untouched: the log service's bound (RLIMIT_DATA) counts it, and every query would fail.
MALLOC: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


WATCHERS: Final = "goldwash.children"
"""Entry points of this group are modules to run as `python -m MODULE --leash FD` beside the log service; the name is what they are called.

So the floors above add theirs, and nothing here imports upwards."""


class CannotStart(Exception):
    """Something of this machine is in the way; the message says what, and what to do."""

    exit_code = 1


def prepare_data_dir(data_dir: Path) -> int:
    """Make the data directory ours alone, and lock it. Returns the lock's descriptor. Raises CannotStart."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        data_dir.chmod(0o700)
        (data_dir / "spool").mkdir(exist_ok=True, mode=0o700)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"{data_dir}: cannot be used as data_dir: {error.strerror}; choose another in goldwash.toml") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise CannotStart(f"{data_dir}: another goldwash (pid {owner}) uses this data_dir; stop it, or set another data_dir") from error
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        keys.key_secret(data_dir)
    except OSError as error:
        os.close(lock)
        raise CannotStart(f"{data_dir}: cannot be written: {error.strerror}; free disk space or choose another data_dir") from error
    return lock


def check_door(settings: Settings) -> None:
    """Whether strangers would be served: beyond loopback there must be keys, or a word of the operator. Raises CannotStart."""
    host = settings.proxy.host
    try:
        known = keys.load(settings.data_dir)
    except keys.KeysUnreadable as error:
        raise CannotStart(str(error)) from error
    if not is_loopback(host) and not settings.proxy.open_to_network and not known:
        raise CannotStart(f'[proxy] host = "{host}" lets everybody on the network in, and there is no proxy key: {keys.NO_KEYS}')


def listen(host: str, port: int, count: int, key: str) -> list[socket.socket]:
    """`count` listening sockets on one address, one a worker. Raises CannotStart."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    def bound(to: int, *, shared: bool) -> socket.socket:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            made.bind((host, to))
            if not shared:
                made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
        return made

    try:
        first = bound(port, shared=False)  # a shared socket would bind beside another program's without a word
        if count == 1:
            return [first]
        port = first.getsockname()[1]
        first.close()
        sockets = [bound(port, shared=True) for _ in range(count)]
        for each in sockets:
            each.listen(BACKLOG)
    except OSError as error:
        why = f"{host}:{port} cannot be listened on: {error.strerror}; stop who uses it, or set another [{key}] port"
        raise CannotStart(why) from error
    return sockets


class Child:
    """One process, started again whenever it dies."""

    def __init__(
        self, supervisor: Supervisor, name: str, module: str, arguments: list[str], fds: tuple[int, ...], *, readies: bool
    ) -> None:
        self.name = name
        self._supervisor = supervisor
        # -P: a folder named config or proxy where the operator stands must not be taken for ours.
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._fds = fds
        self._readies = readies
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.deaths = 0
        self.last_code: int | None = None
        self.stopping = False
        self._is_renewed = False  # it was told to end so that it starts again
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep it running from now on."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        backoff = FIRST_BACKOFF
        while not self.stopping:
            began = time.monotonic()
            await self._spawn()
            assert self.process is not None
            self.last_code = await self.process.wait()
            self.ready.clear()
            if self.stopping:
                return
            is_planned, self._is_renewed = self._is_renewed or self.last_code == START_AGAIN, False
            self.deaths += not is_planned
            if time.monotonic() - began > WELL_SECONDS:
                backoff = FIRST_BACKOFF
            if is_planned:
                self._supervisor.tell("child_starts_again", child=self.name)
            else:
                self._supervisor.tell("child_died", child=self.name, code=self.last_code, restart_in=backoff)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LAST_WORKER_BACKOFF if self._readies else LAST_BACKOFF)

    async def _spawn(self) -> None:
        leash = self._supervisor.leash
        fds = [*self._fds, leash]
        command = [*self._command, "--leash", str(leash)]
        read_end = write_end = -1
        if self._readies:
            read_end, write_end = os.pipe()
            fds.append(write_end)
            command += ["--ready", str(write_end)]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            pass_fds=fds,
            start_new_session=True,
            cwd=Path(__file__).parent.parent,
            env=MALLOC | os.environ,
        )
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(self._supervisor.settings.dump().encode())
            await self.process.stdin.drain()
            self.process.stdin.close()
        if self._readies:
            os.close(write_end)
            loop = asyncio.get_running_loop()

            def told() -> None:
                loop.remove_reader(read_end)
                if os.read(read_end, 1):
                    self.ready.set()
                os.close(read_end)

            loop.add_reader(read_end, told)

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def renew(self) -> None:
        """SIGTERM, so that it starts again with the settings that are in force then."""
        self._is_renewed = self.process is not None and self.process.returncode is None
        self.signal(signal.SIGTERM)

    async def stop(self, seconds: float) -> bool:
        """SIGTERM, and SIGKILL after the limit. Whether it ended by itself."""
        self.stopping = True
        self.signal(signal.SIGTERM)
        clean = True
        if self.process is not None:
            try:
                await asyncio.wait_for(self.process.wait(), seconds)
            except TimeoutError:
                clean = False
                self._supervisor.tell("child_killed", child=self.name, after=seconds)
                self.signal(signal.SIGKILL)
                await self.process.wait()
        if self._task is not None:
            self._task.cancel()
        return clean


class Supervisor:
    """See the module. `tell(event, **facts)` reports what happens to whoever shows it."""

    def __init__(self, settings: Settings, tell: Callable[..., None] | None = None) -> None:
        self.settings = settings
        self.tell = tell or structlog.get_logger("supervisor").info
        cert, key = settings.proxy.tls_cert, settings.proxy.tls_key
        try:
            server_tls(cert, key)
        except OSError as error:  # ssl.SSLError is one: found here, once, and not by each worker again and again
            raise CannotStart(f"[proxy] tls_cert {cert} and tls_key {key} cannot be used together: {error.strerror or error}") from error
        check_door(settings)
        self._lock = prepare_data_dir(settings.data_dir)
        count = settings.proxy.workers or os.cpu_count() or 1
        self.sockets = listen(settings.proxy.host, settings.proxy.port, count, "proxy")
        self.port: int = self.sockets[0].getsockname()[1]
        probe = listen(settings.admin.host, settings.admin.port, 1, "admin")[0]
        self.admin_port: int = probe.getsockname()[1]
        probe.close()
        self.settings = settings.model_copy(update={"admin": settings.admin.model_copy(update={"port": self.admin_port})})
        self.leash, self._leash_end = os.pipe()
        self.service: Child | None = None
        self.workers: list[Child] = []
        self.watchers: list[Child] = []

    def _worker(self, index: int) -> Child:
        fd = self.sockets[index].fileno()
        return Child(self, f"worker {index}", "proxy.worker", ["--index", str(index), "--listen", str(fd)], (fd,), readies=True)

    async def start(self) -> None:
        """Start the log service and the workers; return when the workers accept. A log that cannot be opened stops no traffic."""
        self.service = Child(self, "log service", "proxy.service", [], (), readies=False)
        self.service.start()
        self.workers = [self._worker(index) for index in range(len(self.sockets))]
        for worker in self.workers:
            worker.start()
        try:
            async with asyncio.timeout(READY_SECONDS):
                for worker in self.workers:
                    await worker.ready.wait()
        except TimeoutError:
            raise CannotStart(f"no worker was ready within {READY_SECONDS:g} s; see the messages above") from None
        await self._watch()

    async def _watch(self) -> None:
        """Bring the watchers to the settings: started, ended, or started again with what is new."""
        if not self.settings.alerts.watch:
            gone, self.watchers = self.watchers, []
            await asyncio.gather(*(watcher.stop(WATCH_SECONDS) for watcher in gone))
        elif self.watchers:
            for watcher in self.watchers:
                watcher.renew()
        else:
            points = sorted(entry_points(group=WATCHERS), key=lambda point: point.name)
            self.watchers = [Child(self, point.name, point.value, [], (), readies=False) for point in points]
            for watcher in self.watchers:
                watcher.start()

    async def renew(self, settings: Settings) -> None:
        """Replace every worker by one with these settings; running streams end on the old ones."""
        kept = {"host": self.settings.proxy.host, "port": self.settings.proxy.port, "workers": self.settings.proxy.workers}
        changed = [key for key, value in kept.items() if getattr(settings.proxy, key) != value]
        if changed or settings.data_dir != self.settings.data_dir:
            self.tell("needs_restart", keys=[*changed, *(["data_dir"] if settings.data_dir != self.settings.data_dir else [])])
        log_changed = any(getattr(settings, s) != getattr(self.settings, s) for s in ("log", "sql", "prices", "spool", "redaction"))
        self.settings = settings.model_copy(
            update={
                "data_dir": self.settings.data_dir,
                "proxy": settings.proxy.model_copy(update=kept),
                "admin": self.settings.admin,
            }
        )
        old, self.workers = self.workers, [self._worker(index) for index in range(len(self.sockets))]
        for worker in old:
            worker.stopping = True  # a death from now on is not replaced: its successor is on the way
        for worker in self.workers:
            worker.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                for worker in self.workers:
                    await worker.ready.wait()
        await asyncio.gather(*(worker.stop(self.settings.proxy.drain_timeout + 5) for worker in old))
        if log_changed and self.service is not None:
            self.service.renew()
        await self._watch()
        self.tell("renewed", workers=len(self.workers))

    async def stop(self) -> bool:
        """Drain: no new connections, streams finish, what is spooled is loaded. Whether all of it ended by itself."""
        for each in self.sockets:
            each.close()
        drained = (worker.stop(self.settings.proxy.drain_timeout + 5) for worker in self.workers)
        clean = all(await asyncio.gather(*drained, *(watcher.stop(WATCH_SECONDS) for watcher in self.watchers)))
        if self.service is not None:
            clean = await self.service.stop(LOAD_SECONDS) and clean
        os.close(self._leash_end)
        os.close(self._lock)
        return clean

    def kill(self) -> None:
        """The second Ctrl-C: end at once; what is spooled is loaded at the next start."""
        for child in (*self.workers, *self.watchers, *([self.service] if self.service else [])):
            child.stopping = True
            child.signal(signal.SIGKILL)


async def run(
    settings: Settings,
    reload: Callable[[], Settings],
    tell: Callable[..., None],
    while_up: Callable[[Supervisor, asyncio.Event], Any],
) -> int:
    """Run until SIGTERM or Ctrl-C. `while_up(supervisor, stopping)` is awaited beside it. Returns the exit code."""
    supervisor = Supervisor(settings, tell)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            tell("stopping_at_once")
            supervisor.kill()
        stopping.set()

    def renew() -> None:
        try:
            fresh = reload()
        except ConfigError as error:
            tell("config_refused", why=str(error), kept="the settings in force")
            return
        task = loop.create_task(supervisor.renew(fresh))
        renewals.add(task)
        task.add_done_callback(renewals.discard)

    renewals: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGHUP, renew)
    code = 0
    shown: asyncio.Task[Any] | None = None
    try:
        await supervisor.start()
        shown = loop.create_task(while_up(supervisor, stopping))
        await stopping.wait()
    except CannotStart as error:
        tell("cannot_start", why=str(error))
        code = error.exit_code
    finally:
        stopping.set()
        tell("draining")
        clean = await supervisor.stop()
        if shown is not None:
            shown.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await shown
        tell("stopped", clean=clean)
    return code
