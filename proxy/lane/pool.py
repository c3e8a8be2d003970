"""Connections to upstreams: dialled with certificate checks, kept alive, reused last-in first-out, bounded a provider."""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from proxy.lane.routing import Origin
from proxy.lane.upstream import UpstreamConnection

if TYPE_CHECKING:
    from proxy.lane.exchange import LiveExchange
    from proxy.lane.lane import Lane


class Unreachable(Exception):
    """No connection to the upstream. `kind` is the error_type of the row; the message says which host and why."""

    def __init__(self, kind: str, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status


class Pool:
    """All connections of one worker to one origin."""

    def __init__(self, lane: Lane, origin: Origin, limit: int, connect_timeout: float, idle_timeout: float) -> None:
        self.lane = lane
        self.origin = origin
        self._limit = limit
        self._connect_timeout = connect_timeout
        self._idle_timeout = idle_timeout
        self._idle: list[UpstreamConnection] = []
        self._waiting: collections.deque[LiveExchange] = collections.deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = 0  # connections and dials under way
        self.dialled = 0
        self.reused = 0
        self.abrupt = False  # whether the upstream has closed a connection just after an answer, without announcing it

    def acquire(self, exchange: LiveExchange) -> UpstreamConnection | None:
        """A connection for the exchange, or None: then `exchange.connected` or `exchange.unreachable` is called later."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.still_open():
                self.reused += 1
                return connection
            self.lost(connection)
            connection.close()
        if self.open < self._limit:
            self._dial(exchange)
        else:
            self._waiting.append(exchange)
        return None

    def release(self, connection: UpstreamConnection) -> None:
        """Take a connection back that ended its exchange cleanly."""
        while self._waiting:
            exchange = self._waiting.popleft()
            if exchange.waits:
                self.reused += 1
                exchange.connected(connection)
                return
        connection.rested_since = self.lane.tick
        self._idle.append(connection)

    def proven(self, connection: UpstreamConnection) -> None:
        """Note that a connection has served its first exchange: what TLS told on it makes the next one cheaper."""
        if self.origin.tls:
            context = self.lane.tls_context(self.origin.ca_file)
            context.remember(self.origin.host, connection.transport.get_extra_info("ssl_object"))

    def closed(self, connection: UpstreamConnection) -> None:
        """Note that a connection is gone."""
        self.open -= 1
        if connection.idle:
            with contextlib.suppress(ValueError):
                self._idle.remove(connection)
                self.lost(connection)
        self._next()

    def lost(self, connection: UpstreamConnection) -> None:
        """Note that the upstream closed a connection behind our back: one that does so within a second or two is not trusted again."""
        if self.lane.tick - connection.rested_since <= 1:
            self.abrupt = True

    def _next(self) -> None:
        while self._waiting and self.open < self._limit:
            exchange = self._waiting.popleft()
            if exchange.waits:
                self._dial(exchange)

    @property
    def is_used(self) -> bool:
        """Whether it holds a connection, or somebody waits for one."""
        return bool(self.open or self._waiting)

    def sweep(self, tick: int) -> None:
        """Close connections that have rested longer than the idle time-out."""
        idle = self._idle
        while idle and tick - idle[0].rested_since > self._idle_timeout:
            idle.pop(0).close()

    def close(self) -> None:
        """Close what is idle and stop dialling."""
        for connection in self._idle[:]:
            connection.close()
        for task in self._tasks:
            task.cancel()

    def _dial(self, exchange: LiveExchange) -> None:
        self.open += 1
        task = self.lane.loop.create_task(self._connect(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, exchange: LiveExchange) -> None:
        try:
            try:
                async with asyncio.timeout(self._connect_timeout):
                    connection = await dial(self)
            except Exception as error:
                raise unreachable(self.origin, error, self._connect_timeout) from error
        except Unreachable as error:
            self.open -= 1
            if exchange.waits:
                exchange.unreachable(error.status, error.kind, str(error))
            self._next()
            return
        except asyncio.CancelledError:
            self.open -= 1
            raise
        self.dialled += 1
        if exchange.waits:
            exchange.connected(connection)
        elif connection.transport is not None:
            self.release(connection)


async def dial(pool: Pool) -> UpstreamConnection:
    """Open one connection, through the egress proxy where there is one. Raises OSError, ssl.SSLError, TimeoutError, Unreachable."""
    origin, loop = pool.origin, pool.lane.loop
    context = pool.lane.tls_context(origin.ca_file) if origin.tls else None
    host, port = origin.connect_to or (origin.host, origin.port)
    if origin.egress_proxy is None:
        _, protocol = await loop.create_connection(
            lambda: UpstreamConnection(pool), host, port, ssl=context, server_hostname=origin.host if context else None
        )
        return protocol
    tunnel = await _connect_tunnel(loop, origin.egress_proxy, host, port)
    connection = UpstreamConnection(pool)
    if context is None:
        tunnel.set_protocol(connection)
        connection.connection_made(tunnel)
    else:
        secured = await loop.start_tls(tunnel, connection, context, server_hostname=origin.host)
        if secured is None:
            raise ConnectionResetError("the connection was closed during the TLS handshake")
        connection.connection_made(secured)
    return connection


class _TunnelAnswer(asyncio.Protocol):
    """Waits for the egress proxy's answer to CONNECT."""

    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered
        self._held = b""

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._answered.done() and (b"\r\n\r\n" in self._held or len(self._held) > 16384):
            self._answered.set_result(self._held)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("it closed the connection"))


async def _connect_tunnel(loop: asyncio.AbstractEventLoop, proxy: str, host: str, port: int) -> asyncio.Transport:
    parts = urlsplit(proxy)
    secure = parts.scheme == "https"
    where = f"{parts.hostname}:{parts.port or (443 if secure else 3128)}"
    answered: asyncio.Future[bytes] = loop.create_future()
    try:
        transport, _ = await loop.create_connection(
            lambda: _TunnelAnswer(answered),
            parts.hostname or "",
            parts.port or (443 if secure else 3128),
            ssl=ssl.create_default_context() if secure else None,
        )
    except OSError as error:
        raise Unreachable("egress_proxy_error", f"the egress proxy {where} cannot be reached: {error}") from error
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(pair.encode()).decode())
    transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    try:
        answer = await answered
    except BaseException as error:
        transport.abort()
        if isinstance(error, OSError):
            raise Unreachable("egress_proxy_error", f"the egress proxy {where} did not answer CONNECT {target}: {error}") from error
        raise
    status = answer.partition(b"\r\n")[0].split(b" ", 2)
    if len(status) < 2 or status[1] != b"200":
        transport.abort()
        shown = b" ".join(status[1:]).decode("latin-1")[:80]
        raise Unreachable("egress_proxy_error", f"the egress proxy {where} refused CONNECT {target}: {shown}")
    return transport


def unreachable(origin: Origin, error: Exception, timeout: float) -> Unreachable:
    """Any failure to connect as one that says which host and why."""
    if isinstance(error, Unreachable):
        return error
    host, port = origin.connect_to or (origin.host, origin.port)
    where = f"{host}:{port}"
    if isinstance(error, TimeoutError):
        return Unreachable("connect_timeout", f"no connection to {where} within {timeout:g} s", 504)
    if isinstance(error, socket.gaierror):
        return Unreachable("name_not_resolved", f"the name {host} cannot be resolved: {error.strerror or error}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            "tls_error", f"the certificate of {where} does not pass: {error.verify_message or error}; for a private CA set ca_file"
        )
    if isinstance(error, ssl.SSLError):
        return Unreachable("tls_error", f"no TLS connection to {where}: {error.reason or error}")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable("connection_refused", f"{where} refused the connection")
    return Unreachable("connect_error", f"no connection to {where}: {error}")
