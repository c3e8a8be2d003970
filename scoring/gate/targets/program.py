"""Asks a user's own program or app: the case as JSON on its standard input or by POST, and {text, tool_calls, context, usage} back.

So retrieval, tools and post-processing are tested too, and not the model alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from pydantic import ValidationError

from proxy.accounting.pricing import Pricer
from proxy.exchange import Reading, Usage
from proxy.streams.json_value import Unparsable, json_text, parse_json
from scoring.gate.reply import Reply
from scoring.gate.targets.endpoint import excerpt, seconds
from scoring.gate.targets.patience import Again, Patience, Refused
from scoring.gate.targets.requests import Prepared, for_program
from scoring.gate.targets.variants import Variant
from scoring.golden.case import Document, Observed, clean
from scoring.judge.client import AGAIN, HOPELESS

MOST: Final = 32 << 20
"""Bytes of an answer."""
FORM: Final = '{"text": …, "tool_calls": […], "context": […], "usage": {…}}'


class Command:
    """One variant of kind command: a process a case, without a shell."""

    def __init__(self, variant: Variant, pricer: Pricer, environ: Mapping[str, str] = os.environ, *, attempts: int = 4) -> None:
        self.patience = Patience(attempts)
        self._variant, self._pricer, self._environ = variant, pricer, environ

    async def ask(self, prepared: Prepared, run: int) -> Reply:
        """One run of one case."""
        given = json_text(for_program(prepared, self._variant, run)).encode("utf-8", "replace")

        async def once(number: int) -> Reply:
            return await self._once(given, number)

        return await self.patience.reply(once)

    async def _once(self, given: bytes, number: int) -> Reply:
        command, timeout = self._variant.target.command, self._variant.target.timeout
        began = time.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(self._environ),
                start_new_session=True,
            )
        except OSError as error:
            raise Refused(f"{command[0]} cannot be started ({error.strerror or error}): correct command", alike=True) from None
        try:
            async with asyncio.timeout(timeout):
                answer, said = await process.communicate(given)
        except TimeoutError:
            raise Again(f"{command[0]} gave no answer within {timeout:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with whatever it started
            if process.returncode is None:
                await process.wait()
        if process.returncode:
            raise Again(f"{command[0]} ended with exit code {process.returncode}: {excerpt(said[-400:])}")
        return replied(answer, self._variant, self._pricer, (time.monotonic() - began) * 1000, number)


class App:
    """One variant of kind app: a POST a case. One event loop; close the session yourself."""

    def __init__(self, session: aiohttp.ClientSession, variant: Variant, pricer: Pricer, *, attempts: int = 4) -> None:
        self.patience = Patience(attempts)
        self._session, self._variant, self._pricer = session, variant, pricer
        self._timeout = aiohttp.ClientTimeout(total=variant.target.timeout)

    async def ask(self, prepared: Prepared, run: int) -> Reply:
        """One run of one case."""
        given = json_text(for_program(prepared, self._variant, run)).encode("utf-8", "replace")

        async def once(number: int) -> Reply:
            return await self._once(given, number)

        return await self.patience.reply(once)

    async def _once(self, given: bytes, number: int) -> Reply:
        url = self._variant.target.base_url or ""
        headers = {"Content-Type": "application/json", "goldwash-purpose": "gate", **self._variant.target.headers}
        began = time.monotonic()
        try:
            async with self._session.post(url, data=given, headers=headers, timeout=self._timeout, allow_redirects=False) as response:
                answer = await response.read()
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise Again(f"no answer within {self._variant.target.timeout:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Again(f"nobody answers at {url} ({error.os_error.strerror or error}): start the app, or correct base_url") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Again(f"the connection broke ({type(error).__name__}: {error})"[:300]) from None
        if response.status >= 500 or response.status in AGAIN:
            retry = seconds(response.headers.get("Retry-After"))
            raise Again(f"status {response.status}: {excerpt(answer)}", retry, limited=response.status == 429)
        if response.status >= 300:
            raise Refused(f"status {response.status}: {excerpt(answer)}", alike=response.status in HOPELESS or response.status < 400)
        return replied(answer, self._variant, self._pricer, (time.monotonic() - began) * 1000, number)


def replied(answer: bytes, variant: Variant, pricer: Pricer, latency: float, number: int = 1) -> Reply:
    """What a program said. Raises Refused where it is not in the form that was asked for."""
    if len(answer) > MOST:
        raise Refused(f"the answer has {len(answer):,} bytes, and {MOST:,} is the most", alike=False)
    try:
        value = parse_json(answer)
    except Unparsable as error:
        raise Refused(f"the answer is no JSON ({error}): {excerpt(answer)}; it must be {FORM}", alike=True) from None
    reply = of_value(value, variant, pricer, latency_ms=round(latency, 3), tries=number)
    return replace(reply, raw=answer.decode("utf-8", "replace"))


def of_value(value: Any, variant: Variant, pricer: Pricer, *, latency_ms: float | None = None, tries: int = 1) -> Reply:
    """A Reply from the JSON values of a program. Raises Refused, which names the key."""
    if not isinstance(value, dict) or not ({"text", "tool_calls", "refusal", "error"} & value.keys()):
        raise Refused(f"the answer is not in the form {FORM}: {excerpt(json_text(value).encode())}", alike=True)
    if value.get("error"):
        return Reply(error=f"the program says: {value['error']}"[:500], tries=tries, latency_ms=latency_ms)
    said = {key: value[key] for key in ("text", "tool_calls", "refusal", "finish_reasons") if value.get(key) is not None}
    if isinstance(said.get("tool_calls"), list):
        said["tool_calls"] = [_call(one) for one in said["tool_calls"]]
    context = [{"text": one} if isinstance(one, str) else one for one in value.get("context") or ()]
    usage = value.get("usage") or {}
    try:
        answer = Observed.model_validate(clean(said))
        documents = tuple(
            Document.model_validate({key: item for key, item in clean(one).items() if key in Document.model_fields}) for one in context
        )
        tokens = Usage(input_tokens=_count(usage, "input_tokens"), output_tokens=_count(usage, "output_tokens"))
        cost = _money(usage)
    except (ValidationError, AttributeError, ValueError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise Refused(f"the answer is not in the form {FORM}: {why}", alike=True) from None
    model = value.get("model") or usage.get("model") or variant.target.model
    if cost is None and isinstance(model, str) and tokens.input_tokens is not None:
        reading = Reading(operation="chat", request_model=model, response_model=model, usage=tokens)
        price = pricer.price(reading, variant.target.upstream or "", "", datetime.now(UTC)).cost_usd
        cost = None if price is None else float(price)
    return Reply(
        answer=answer,
        context=documents,
        response_model=model if isinstance(model, str) else None,
        input_tokens=tokens.input_tokens,
        output_tokens=tokens.output_tokens,
        cost_usd=cost,
        latency_ms=latency_ms,
        tries=tries,
    )


def _call(value: Any) -> Any:
    """A tool call, in our form or in that of chat completions."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        inner = {"id": value.get("id"), "name": value["function"].get("name"), "arguments": value["function"].get("arguments")}
        return {key: item for key, item in inner.items() if item is not None}
    return value


def _count(usage: Mapping[str, Any], key: str) -> int | None:
    value = usage.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"usage.{key}: {value!r} is no number of tokens")
    return value


def _money(usage: Mapping[str, Any]) -> float | None:
    value = usage.get("cost_usd")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"usage.cost_usd: {value!r} is no sum of dollars")
    return float(value)
