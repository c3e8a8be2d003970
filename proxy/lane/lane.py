"""The lane of one worker: what all its connections share, and the second hand that moves its time-outs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from config.settings import Settings
from proxy.keys import provider_key_hash
from proxy.lane.capture import Capture
from proxy.lane.client import ClientConnection
from proxy.lane.exchange import LiveExchange
from proxy.lane.headers import HeaderPolicy
from proxy.lane.ids import Ids
from proxy.lane.keyring import KeyRing
from proxy.lane.pool import Pool
from proxy.lane.request import Refused, RequestReader
from proxy.lane.routing import Route, Router
from proxy.lane.sigv4 import Signer
from proxy.lane.tee import Tee
from proxy.lane.tls import UpstreamContext, upstream_tls

# Seconds without a byte of a request's body after which the client counts as gone.
CLIENT_BODY_TIMEOUT: Final = 300
# Hashes of provider keys are remembered, so that a key costs one look-up; bounded, since keys come from clients.
MAX_KEYS: Final = 4096
MAX_KEY: Final = 4096  # bytes: longer ones are hashed each time
# Clients name regions, and each is a pool of its own: those that hold no connection are let go of beyond this many.
MAX_POOLS: Final = 256


# How a browser shows its key where it can set no header (OpenAI's realtime API).
_SUBPROTOCOL_KEY: Final = b"openai-insecure-api-key."
# When a worker stops, a kept-alive connection may have its next request on the way: it gets this long to arrive.
GRACE_SECONDS: Final = 1.0


class Lane:
    """See the module. `tick` counts seconds since the start; nothing on the request path reads a clock for a time-out."""

    def __init__(self, settings: Settings, capture: Capture, key_secret: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.capture = capture
        self.loop = loop
        self.router = Router(settings.upstreams)
        self.headers = HeaderPolicy(settings.proxy.log_headers)
        self.keys = KeyRing(settings, key_secret)
        self.requests = RequestReader(self.router, self.headers, self.key_hash, self.keys.admit)
        self.body_cap = int(settings.spool.body_cap_mb * 1_048_576)
        self.max_head = settings.proxy.max_head_bytes
        self.id_header = settings.proxy.goldwash_id_header
        self.client_head_timeout = settings.proxy.client_head_timeout
        self.client_idle_timeout = settings.proxy.client_idle_timeout
        self.client_body_timeout = CLIENT_BODY_TIMEOUT
        self.finishes_for_gone_clients = settings.proxy.on_client_gone == "finish"
        self.refuses_unlogged = settings.proxy.on_log_failure == "refuse"
        self.no_tee = Tee(0, keep=True, whole=True)  # the answer of an exchange that has none yet; nothing is ever added
        self.ids = Ids()
        self.clients: set[ClientConnection] = set()
        self.orphans: set[LiveExchange] = set()  # their clients have gone and on_client_gone is "finish"
        self.draining = False
        self.tick = 0
        self.refused = 0
        self.handed_over = 0
        self._log = structlog.get_logger("lane")
        self._pools: dict[str, Pool] = {}
        self._contexts: dict[str | None, UpstreamContext] = {}
        self._signers: dict[tuple[str | None, str | None], Signer] = {}
        self._key_secret = key_secret
        self._keys: dict[bytes, bytes] = {}
        self._aiohttp: Callable[[], asyncio.Protocol] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def accept_connection(self) -> ClientConnection:
        """Protocol factory of the listener."""
        return ClientConnection(self)

    def serve_own_paths(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """Where connections that ask for /goldwash/… go: aiohttp's own protocol."""
        self._aiohttp = factory

    def hand_over(self, client: ClientConnection, data: bytes) -> None:
        """Give a connection, with what it has sent, to aiohttp for good."""
        self.handed_over += 1
        self.clients.discard(client)
        if self._aiohttp is None:
            raise Refused(404, "unknown_upstream", "nothing is served under /goldwash/ here")
        protocol = self._aiohttp()
        transport = client.transport
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def key_hash(self, credential: bytes) -> bytes:
        """A keyed hash of a provider key: counts by key, tells nothing of it."""
        known = self._keys.get(credential)
        if known is None:
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            key = credential
            if credential.startswith(b"AWS4-HMAC-SHA256"):  # only the access key id stays the same between requests
                key = credential.partition(b"Credential=")[2].partition(b"/")[0]
            elif credential[:7].lower() == b"bearer ":
                key = credential[7:]
            elif _SUBPROTOCOL_KEY in credential:
                key = credential.partition(_SUBPROTOCOL_KEY)[2].partition(b",")[0]
            known = provider_key_hash(key, self._key_secret).encode()
            if len(credential) <= MAX_KEY:
                self._keys[credential] = known
        return known

    def signer(self, route: Route) -> Signer:
        """Who signs requests to this upstream again. Raises Refused where the operator has not set that up."""
        settings = route.settings
        if settings.sigv4 != "resign":
            raise Refused(
                403,
                "sigv4_not_configured",
                f"upstream {route.name}: a SigV4 signature covers the host and path of this proxy, so AWS would refuse it; use a Bedrock "
                f'API key (AWS_BEARER_TOKEN_BEDROCK), or set sigv4 = "resign" under [upstreams.{route.name}], with AWS credentials where '
                "Goldwash runs",
            )
        key = (settings.aws_profile, settings.region)
        signer = self._signers.get(key)
        if signer is None:
            try:
                signer = self._signers[key] = Signer(settings.aws_profile, settings.region)
            except Exception as error:
                raise Refused(403, "sigv4_not_configured", f"upstream {route.name}: requests cannot be signed: {error}") from error
        return signer

    def pool(self, route: Route) -> Pool:
        """The connections to a route's origin."""
        pool = self._pools.get(route.pool_key)
        if pool is None:
            settings = route.settings
            pool = Pool(self, route.origin, settings.max_connections, settings.connect_timeout, settings.idle_timeout)
            self._pools[route.pool_key] = pool
        return pool

    def tls_context(self, ca_file: str | None) -> UpstreamContext:
        """The context of all upstreams that this CA is for (None: the system's CAs alone)."""
        context = self._contexts.get(ca_file)
        if context is None:
            context = self._contexts[ca_file] = upstream_tls(ca_file)
        return context

    @property
    def active(self) -> int:
        """Exchanges under way."""
        return sum(client.is_busy for client in self.clients) + len(self.orphans)

    @property
    def connections(self) -> dict[str, int]:
        """Upstream connections: open now, dialled and reused so far."""
        pools = self._pools.values()
        return {"open": sum(p.open for p in pools), "dialled": sum(p.dialled for p in pools), "reused": sum(p.reused for p in pools)}

    def start(self) -> None:
        """Start the second hand."""
        self._timer = self.loop.call_later(1, self._sweep)

    def _sweep(self) -> None:
        self._timer = self.loop.call_later(1, self._sweep)
        self.tick += 1
        try:
            self.capture.tick()
            if self.keys.look():
                self.requests.forget()
            for client in list(self.clients):
                client.check_time(self.tick)
            for exchange in list(self.orphans):
                exchange.check_time(self.tick)
            for pool in self._pools.values():
                pool.sweep(self.tick)
            if len(self._pools) > MAX_POOLS:
                self._pools = {key: pool for key, pool in self._pools.items() if pool.is_used}
        except Exception:  # a fault here must not stop the clock
            self._log.exception("sweep_failed")

    async def drain(self, seconds: float) -> int:
        """Let what is under way finish, up to a limit; then end it. Returns how many exchanges were cut."""
        self.draining = True  # answers from now on say Connection: close
        began = self.loop.time()
        while (self.clients or self.orphans) and self.loop.time() < began + seconds:
            if self.loop.time() > began + GRACE_SECONDS:
                for client in list(self.clients):
                    client.drain()
            await asyncio.sleep(0.02)
        cut = self.active
        for client in list(self.clients):
            client.end_for_shutdown()
        for exchange in list(self.orphans):
            exchange.end_for_shutdown()
        for pool in self._pools.values():
            pool.close()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.sleep(0.05)  # let last answers leave
        return cut
