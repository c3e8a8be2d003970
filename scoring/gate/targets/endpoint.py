"""Asks an endpoint what a case asked: the recorded step with its history, over HTTP, answers read by the proxy's own readers.

Normally through this Goldwash's own proxy, with purpose `gate`, so that each call is logged and priced and never sampled as production.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from config.options import is_loopback
from config.settings import Settings
from config.targets import Target
from proxy.accounting.pricing import Pricer
from proxy.exchange import Captured, Reading
from proxy.reading import read
from proxy.streams.json_value import Unparsable, json_text, parse_json
from scoring.gate.reply import Reply
from scoring.gate.results import BadInput
from scoring.gate.targets.patience import Again, Patience, Refused
from scoring.gate.targets.requests import Prepared
from scoring.gate.targets.variants import Variant
from scoring.golden.case import GoldenCase, Observed, clean
from scoring.judge.client import AGAIN, HOPELESS, base_url, tls

KEYS: Final = {"google": "GEMINI_API_KEY", "google-vertex": "VERTEX_ACCESS_TOKEN", "cohere": "CO_API_KEY", "x-ai": "XAI_API_KEY"}
"""Environment variables with a provider's key, where the name is not NAME_API_KEY."""
MAKERS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "cohere": "cohere",
    "mistral": "mistral",
    "ollama": "ollama",
}
"""The upstream of a case that names no provider, by the first word of its dialect."""
RAW: Final = 200_000
"""Characters of an answer's raw bytes that are kept beside what was read of it."""


class Place(NamedTuple):
    """Where a request goes."""

    url: str
    upstream: str  # its name, for prices; "" where nobody knows
    upstream_url: str
    headers: tuple[tuple[str, str], ...]
    is_ours: bool  # a Goldwash on this machine, whose log may know what for
    key: str | None  # the provider's; it stands in the headers too


class Endpoint:
    """One variant of kind endpoint. One event loop; close the session yourself."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        variant: Variant,
        settings: Settings,
        pricer: Pricer,
        environ: Mapping[str, str] = os.environ,
        *,
        attempts: int = 4,
    ) -> None:
        self.patience = Patience(attempts)
        self._session, self._variant, self._settings, self._pricer, self._environ = session, variant, settings, pricer, environ
        self._tls = tls(settings)
        self._timeout = aiohttp.ClientTimeout(total=variant.target.timeout)

    async def ask(self, prepared: Prepared, run: int) -> Reply:
        """One run of one case. Raises BadInput where it cannot be sent at all."""
        place = place_of(prepared, self._variant, self._settings, self._environ)
        body = json_text(prepared.body).encode("utf-8", "replace")

        async def once(number: int) -> Reply:
            return await self._once(prepared, place, body, number)

        return without(await self.patience.reply(once), place.key)

    async def _once(self, prepared: Prepared, place: Place, body: bytes, number: int) -> Reply:
        at_ns, began = time.time_ns(), time.monotonic()
        try:
            async with self._session.post(
                place.url,
                data=body,
                headers=place.headers,
                ssl=self._tls if place.is_ours else True,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                answer = await response.read()
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise Again(f"no answer within {self._variant.target.timeout:g} s") from None
        except aiohttp.ClientConnectorError as error:
            fix = ": run `goldwash up`, or set base_url in the target" if place.is_ours and self._variant.target.base_url is None else ""
            raise Again(f"nobody answers at {place.url} ({error.os_error.strerror or error}){fix}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Again(f"the connection broke ({type(error).__name__}: {error})"[:300]) from None
        latency = (time.monotonic() - began) * 1000
        status = response.status
        if status >= 500 or status in AGAIN:
            raise Again(f"status {status}: {excerpt(answer)}", seconds(response.headers.get("Retry-After")), limited=status == 429)
        if status >= 300:
            raise Refused(f"status {status}: {excerpt(answer)}", alike=status in HOPELESS or status < 400)
        call = Captured(
            upstream=place.upstream or "gate",
            dialect_hint=None,
            upstream_url=place.upstream_url,
            method="POST",
            path=prepared.path or "/",
            query="",
            request_headers=(("content-type", "application/json"),),
            request_body=body,
            request_truncated=False,
            status=status,
            response_headers=tuple((name.lower(), value) for name, value in response.headers.items()),
            response_body=answer,
            response_truncated=False,
            accepted_at_ns=at_ns,
        )
        return self._reply(call, place, latency, response.headers.get("goldwash-id"), number)

    def _reply(self, call: Captured, place: Place, latency: float, exchange_id: str | None, number: int) -> Reply:
        found = read(call)
        if found.error_type is not None:
            raise Again(f"an error inside the answer: {found.error_type}: {found.error_message or ''}"[:300])
        if found.terminal is False:
            raise Again("the answer broke off before its end")
        if found.dialect is None or _says_nothing(found):
            raise Again(f"status {call.status}, but no answer of a model is in it: {excerpt(call.response_body)}")
        price = self._pricer.price(found, place.upstream, place.upstream_url, datetime.fromtimestamp(call.accepted_at_ns / 1e9, UTC))
        return Reply(
            answer=observed(found),
            response_model=found.response_model,
            system_fingerprint=found.system_fingerprint,
            input_tokens=found.usage.input_tokens if found.usage else None,
            output_tokens=found.usage.output_tokens if found.usage else None,
            cost_usd=None if price.cost_usd is None else float(price.cost_usd),
            latency_ms=round(latency, 3),
            raw=call.response_body[:RAW].decode("utf-8", "replace"),
            exchange_id=exchange_id,
            tries=number,
        )


def observed(found: Reading) -> Observed:
    """What was read, in the words of a golden case."""
    return Observed.model_validate(
        clean(
            {
                "text": found.output_text,
                "tool_calls": [{"name": one.name, "arguments": one.arguments, "id": one.id} for one in found.tool_calls],
                "refusal": found.refusal,
                "finish_reasons": list(found.finish_reasons),
            }
        )
    )


def place_of(prepared: Prepared, variant: Variant, settings: Settings, environ: Mapping[str, str]) -> Place:
    """Where a case is asked, with which key. Raises BadInput where nobody says where."""
    case, target = prepared.case, variant.target
    path = prepared.path or "/"
    ours = base_url(settings)
    if target.base_url is None:
        name = target.upstream or upstream_of(case, settings)
        upstream = settings.upstreams.get(name or "")
        if name is None or upstream is None:
            missing = f"there is no upstream {name!r}" if name else f"case {case.id} names no provider"
            raise BadInput(f"[target.{variant.name}]: {missing}: set upstream (a name of [upstreams]) or base_url in the target")
        url, upstream_url, is_ours, is_known = f"{ours}/{name}{path}", upstream.base_url(path) or "", True, True
    else:
        url = joined(target.base_url, path)
        own = urlsplit(url).path.split("/")[1] if _same_place(target.base_url, ours) else ""
        is_ours = _same_place(target.base_url, ours) or is_loopback(urlsplit(url).hostname or "")
        if own in settings.upstreams:
            name, upstream_url, is_known = own, settings.upstreams[own].base_url(path) or "", True
        else:
            there = next((known for known, one in settings.upstreams.items() if one.url and _same_place(target.base_url, one.url)), None)
            name, upstream_url, is_known = target.upstream or there or "", target.base_url, there is not None
    key = _key(target, name or "", environ, is_known=is_known)
    headers = _headers(case, target, name or "", key, environ, is_ours=is_ours)
    return Place(url, name or "", upstream_url, tuple(headers.items()), is_ours, key)


def without(reply: Reply, key: str | None) -> Reply:
    """A reply without the key, which an endpoint may give back in an error: replies are kept and shown."""
    if not key or key not in f"{reply.error} {reply.raw}":
        return reply
    hidden = "(the key)"
    return replace(reply, error=reply.error and reply.error.replace(key, hidden), raw=reply.raw and reply.raw.replace(key, hidden))


def upstream_of(case: GoldenCase, settings: Settings) -> str | None:
    """The upstream that a case was asked of, or the maker of its dialect."""
    if case.source.provider in settings.upstreams:
        return case.source.provider
    return MAKERS.get((case.input.dialect or "").partition(".")[0])


def joined(base: str, path: str) -> str:
    """Base and path, what both name once: `https://api.example.com/v1` and `/v1/chat/completions`."""
    parts = urlsplit(base)
    before = [part for part in parts.path.split("/") if part]
    after = [part for part in path.split("/") if part]
    shared = next((n for n in range(min(len(before), len(after)), 0, -1) if before[-n:] == after[:n]), 0)
    return f"{parts.scheme}://{parts.netloc}/{'/'.join([*before, *after[shared:]])}"


def _same_place(one: str, other: str) -> bool:
    left, right = urlsplit(one), urlsplit(other)
    hosts = {left.hostname or "", right.hostname or ""}
    same = len(hosts) == 1 or all(is_loopback(host) for host in hosts)
    return same and bool(right.hostname) and (left.port or _usual(left.scheme)) == (right.port or _usual(right.scheme))


def _usual(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _key(target: Target, upstream: str, environ: Mapping[str, str], *, is_known: bool) -> str | None:
    """The provider's key; one that nobody named goes only where it belongs."""
    if target.key_file is not None:
        try:
            return target.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"key_file = {str(target.key_file)!r}: cannot be read ({error}): correct the path") from error
    if target.key_env is not None:
        return environ.get(target.key_env)
    if not is_known or not upstream:
        return None
    return environ.get(KEYS.get(upstream, f"{upstream.upper().replace('-', '_')}_API_KEY"))


def _headers(
    case: GoldenCase, target: Target, upstream: str, key: str | None, environ: Mapping[str, str], *, is_ours: bool
) -> dict[str, str]:
    maker = (case.input.dialect or "").partition(".")[0]
    found = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    found |= {name: value for name, value in case.input.headers.items() if name not in ("content-type", "accept")}
    if maker == "anthropic":
        found.setdefault("anthropic-version", "2023-06-01")
    if key:
        if upstream == "azure":
            found["api-key"] = key
        elif maker == "anthropic":
            found["x-api-key"] = key
        elif maker == "gemini" and upstream != "google-vertex":
            found["x-goog-api-key"] = key
        else:
            found["Authorization"] = f"Bearer {key}"
    if is_ours:
        found["goldwash-purpose"] = "gate"
        found["goldwash-property-golden-case"] = case.id
        if proxy_key := environ.get(target.proxy_key_env):
            found["goldwash-key"] = proxy_key
    return {**found, **target.headers}


def _says_nothing(found: Reading) -> bool:
    return not (found.output_text or found.tool_calls or found.refusal or found.finish_reasons)


def seconds(value: str | None) -> float | None:
    """Retry-After in its form with seconds; dates are rare and not worth a wrong clock."""
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None


def excerpt(answer: bytes) -> str:
    """The beginning of an answer, for a message."""
    try:
        document = parse_json(answer)
        error = document.get("error") if isinstance(document, dict) else None
        answer = json_text(error).encode() if error else answer
    except Unparsable:
        pass
    text = " ".join(answer[:400].decode("utf-8", "replace").split())
    return text[:160] + ("…" if len(text) > 160 else "") or "(empty)"
