"""Asks a judge over HTTP through the proxy itself, so that each call is logged and priced, and is never sampled (purpose `judge`).

Rate limits, server errors, time-outs, pages of HTML and errors inside an answer are tried again, later each time; what stays without an
answer is told with its reason. Where call after call fails alike, the judge is given up for the run instead of asked a thousand times.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import aiohttp
import orjson

from config.scoring import Judge
from config.settings import Settings
from proxy.accounting.pricing import Pricer
from proxy.exchange import Reading
from scoring.judge import wire
from scoring.judge.fingerprint import impostor
from scoring.judge.prompt import Question

MOST_BYTES: Final = 8 << 20
"""Of one answer: with 64 calls at once that is half a gigabyte at worst."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries; doubled each time, with jitter, unless the judge says how long."""
AGAIN: Final = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may be another one in a moment."""
HOPELESS: Final = frozenset({401, 402, 403, 404, 405, 407})
"""Statuses that every call will get: a wrong key, address or account."""
GIVE_UP: Final = 20
"""Calls failed in a row, all their tries included, after which a judge counts as down."""
GIVE_UP_HOPELESS: Final = 3


class Unanswered(Exception):
    """A call that got no usable answer; the text says why. `alike`: other calls will fare the same."""

    def __init__(self, why: str, *, alike: bool, tries: int = 1) -> None:
        super().__init__(why)
        self.alike = alike
        self.tries = tries


class Down(Exception):
    """The judge is given up for this run; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge answered to one call."""

    text: str | None  # its words
    reading: Reading
    exchange_id: str | None  # of the call itself, in the log
    cost_usd: Decimal | None  # of this call; None = no price is known
    tries: int
    fault: str | None  # why it must not be believed: another model answered, or the answer was cut off


@dataclass(slots=True)
class Health:
    """How a judge behaves in this run."""

    calls: int = 0  # answered
    tries: int = 0  # requests, the repeated ones too
    failed: int = 0
    unpriced: int = 0
    cost_usd: Decimal = Decimal(0)
    answered_as: dict[str, int] = field(default_factory=dict)
    down: str | None = None
    in_a_row: int = 0


class Client:
    """One judge. One event loop; close the session yourself."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        judge: Judge,
        settings: Settings,
        pricer: Pricer,
        environ: Mapping[str, str] = os.environ,
        *,
        attempts: int = 5,
        give_up: int = GIVE_UP,
    ) -> None:
        """environ: where the API key is found. Raises Down where the upstream is not configured."""
        self.judge, self.health = judge, Health()
        self._session, self._pricer, self._attempts, self._give_up = session, pricer, attempts, give_up
        upstream = settings.upstreams.get(judge.upstream)
        if upstream is None:
            raise Down(f"there is no upstream {judge.upstream!r}: add [upstreams.{judge.upstream}] url = … or correct [judge] upstream")
        self._upstream_url = upstream.base_url(wire.path(judge)) or ""
        self._url = f"{base_url(settings)}/{judge.upstream}{wire.path(judge)}"
        self._ssl = tls(settings)
        key = environ.get(judge.key_env or wire.KEYS[judge.dialect])
        self._headers = {**wire.headers(judge, key), "goldwash-purpose": "judge", "Accept-Encoding": "identity"}
        if proxy_key := environ.get(judge.proxy_key_env):
            self._headers["goldwash-key"] = proxy_key
        self._timeout = aiohttp.ClientTimeout(total=judge.timeout)
        self._not_before = 0.0

    async def ask(self, question: Question, about: str) -> Reply:
        """The answer to one question about the exchange or trace `about`. Raises Unanswered, Down."""
        request = wire.body(self.judge, question)
        headers = {**self._headers, "goldwash-property-judged": about}
        for number in range(1, self._attempts + 1):
            if self.health.down:
                raise Down(self.health.down)
            await self._gate()
            self.health.tries += 1
            try:
                reply = await self._once(request, headers, number)
            except _Again as again:
                if number == self._attempts:
                    raise self._failed(Unanswered(f"{again} ({number} tries)", alike=True, tries=number)) from None
                await self._pause(number, again)
            except Unanswered as error:
                raise self._failed(error) from None
            else:
                self._answered(reply)
                return reply
        raise AssertionError("a try ends with an answer or an error")

    async def _once(self, request: bytes, headers: Mapping[str, str], number: int) -> Reply:
        at_ns = time.time_ns()
        try:
            async with self._session.post(
                self._url, data=request, headers=headers, ssl=self._ssl, timeout=self._timeout, allow_redirects=False
            ) as response:  # a redirect would take key and text past the proxy to whatever it names
                answer = await _whole(response)
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise _Again(f"no answer within {self.judge.timeout:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise _Again(f"the proxy does not answer at {self._url} ({error.os_error.strerror or error}): run `goldwash up`") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Again(f"the connection broke ({type(error).__name__}: {error})"[:300]) from None
        status, kind = response.status, response.headers.get("Content-Type", "")
        if status >= 500 or status in AGAIN:
            raise _Again(f"status {status}: {_excerpt(answer)}", _seconds(response.headers.get("Retry-After")), limited=status == 429)
        if status >= 300:
            raise Unanswered(f"status {status}: {_excerpt(answer)}", alike=status in HOPELESS or status < 400, tries=number)
        if not _is_json(answer):
            raise _Again(f"status {status}, but the body is no JSON ({kind or 'no content type'}): {_excerpt(answer)}")
        return self._read(request, status, kind, answer, response.headers.get("goldwash-id"), at_ns, number)

    def _read(self, request: bytes, status: int, kind: str, answer: bytes, exchange_id: str | None, at_ns: int, number: int) -> Reply:
        call = wire.captured(self.judge, self._upstream_url, request, status, kind or "application/json", answer, at_ns)
        found = wire.reading(call)
        if found.error_type is not None:
            raise _Again(f"an error inside the answer: {found.error_type}: {found.error_message or ''}"[:300])
        price = self._pricer.price(found, self.judge.upstream, self._upstream_url, datetime.fromtimestamp(at_ns / 1e9, UTC))
        text = wire.said(found)
        fault = impostor(self.judge, found.response_model)
        if fault is None and {"length", "max_tokens"} & set(found.finish_reasons):
            fault = f"the answer was cut off at max_tokens = {self.judge.max_tokens}"
        if fault is None and text is None and found.refusal:
            fault = f"the judge refused: {found.refusal[:200]}"
        return Reply(text, found, exchange_id, price.cost_usd, number, fault)

    def _answered(self, reply: Reply) -> None:
        health = self.health
        health.calls += 1
        health.in_a_row = 0
        name = reply.reading.response_model or "(said nothing)"
        health.answered_as[name] = health.answered_as.get(name, 0) + 1
        if reply.cost_usd is None:
            health.unpriced += 1
        else:
            health.cost_usd += reply.cost_usd

    def _failed(self, error: Unanswered) -> Unanswered:
        health = self.health
        health.failed += 1
        if error.alike:
            health.in_a_row += 1
            if health.in_a_row >= (GIVE_UP_HOPELESS if error.tries == 1 else self._give_up):
                health.down = f"{health.in_a_row} calls in a row failed, the last with {error}"
        return error

    async def _gate(self) -> None:
        """Wait while the judge has asked everybody to."""
        while (wait := self._not_before - time.monotonic()) > 0:  # noqa: ASYNC110  a time, and it may move meanwhile
            await asyncio.sleep(wait)

    async def _pause(self, number: int, again: _Again) -> None:
        pause = min(FIRST_PAUSE * 2.0 ** (number - 1), LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        if again.seconds is not None:
            pause = max(pause, min(again.seconds, LONGEST_PAUSE))
        if again.limited:  # who asks now makes it worse for all
            self._not_before = max(self._not_before, time.monotonic() + pause)
        await asyncio.sleep(pause)


class _Again(Exception):
    """A try that may go better later."""

    def __init__(self, why: str, seconds: float | None = None, *, limited: bool = False) -> None:
        super().__init__(why)
        self.seconds, self.limited = seconds, limited


def session(concurrency: int) -> aiohttp.ClientSession:
    """A session for that many calls at once. Needs a running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=30), auto_decompress=True, trust_env=False
    )


def base_url(settings: Settings) -> str:
    """Where the proxy takes clients on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.proxy.host, settings.proxy.host)
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.proxy.tls_cert else 'http'}://{host}:{settings.proxy.port}"


def tls(settings: Settings) -> ssl.SSLContext | bool:
    """Trusts the proxy's own certificate, whatever name it bears: it was read from our own disk."""
    if settings.proxy.tls_cert is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.proxy.tls_cert))
    context.check_hostname = False
    return context


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to MOST_BYTES; what is longer is cut and so no JSON."""
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) > MOST_BYTES:
            response.close()
            break
    return bytes(found[:MOST_BYTES])


def _is_json(answer: bytes) -> bool:
    try:
        orjson.loads(answer)
    except orjson.JSONDecodeError:
        return False
    return True


def _seconds(value: Any) -> float | None:
    """Retry-After in its form with seconds; dates are rare and not worth a wrong clock."""
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return None


def _excerpt(answer: bytes) -> str:
    text = " ".join(answer[:400].decode("utf-8", "replace").split())
    return text[:160] + ("…" if len(text) > 160 else "") or "(empty)"
