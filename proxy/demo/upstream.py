"""The demo's provider: one small server on a free loopback port that speaks the dialects of several, at a provider's pace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from aiohttp import web

from proxy.demo import wire
from proxy.demo.shop import tokens, topic_of

PROVIDERS = ("openai", "anthropic", "google", "cohere", "mistral", "ollama")
FIRST_PIECE = 0.12
"""Seconds to the first byte of an answer; real models take longer, but a demo should end soon."""
NEXT_PIECE = 0.012
"""Seconds between pieces of a stream: about 80 tokens a second."""
BAD_KEY = "sk-demo-revoked"


class DemoUpstream:
    """Starts and stops the server; remembers which prompts it has cached and whom it has sent away."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._seen: set[tuple[str, str]] = set()  # (model, shared prompt)
        self._sent_away: set[str] = set()  # questions that were refused once with 429
        self._serial = 0

    async def start(self) -> str:
        """Listens on a free port of 127.0.0.1; returns the base URL."""
        app = web.Application(client_max_size=1 << 22)
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Closes the port and what is still open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        answer = self._answer(request.path, request.headers.get("authorization", ""), body)
        await asyncio.sleep(FIRST_PIECE)
        return await _send(request, answer)

    def _answer(self, path: str, authorization: str, body: dict[str, Any]) -> wire.Answer:
        if authorization.endswith(BAD_KEY):
            return wire.unauthorised()
        ask = self._ask(path, body)
        if topic_of(ask.question).mood == "busy" and ask.question not in self._sent_away:
            self._sent_away.add(ask.question)
            return wire.rate_limited()
        if path.endswith("/chat/completions"):
            return wire.mistral_chat(ask) if "mistral" in ask.model or "ministral" in ask.model else wire.openai_chat(ask)
        if ":" in path:
            return wire.gemini(ask, streamed=path.endswith(":streamGenerateContent"))
        shelf = {
            "/v1/responses": wire.openai_responses,
            "/v1/embeddings": wire.openai_embeddings,
            "/v1/messages": wire.anthropic_messages,
            "/v2/chat": wire.cohere_chat,
            "/api/chat": wire.ollama_chat,
        }
        if path not in shelf:
            return wire.document({"error": {"message": f"the demo has no {path}", "type": "not_found"}}, 404)
        return shelf[path](ask)

    def _ask(self, path: str, body: dict[str, Any]) -> wire.Ask:
        self._serial += 1
        model = str(body.get("model") or path.rpartition("/")[2].partition(":")[0])
        shared = shared_prompt(body)
        cached = (model, shared) in self._seen
        self._seen.add((model, shared))
        texts = list(_texts({key: value for key, value in body.items() if key not in {"model", "encoding_format"}}))
        return wire.Ask(
            body=body,
            model=model,
            question=next((text for text in reversed(texts) if len(text) > 12), ""),
            prompt_tokens=sum(tokens(text) for text in texts) + 8,
            shared_tokens=tokens(shared) if shared else 0,
            cached=cached,
            serial=self._serial,
            now=int(time.time()),
        )


def demo_upstreams(base: str) -> dict[str, dict[str, Any]]:
    """`[upstreams]` tables that point the demo's providers at its own server, for the settings' overrides."""
    return {name: {"url": base, "egress_proxy": ""} for name in PROVIDERS}


def shared_prompt(body: dict[str, Any]) -> str:
    """The part of a request that every other request repeats: its system prompt, wherever the dialect puts it."""
    system = body.get("system") or body.get("instructions") or body.get("systemInstruction")
    if system is None:
        messages = body.get("messages") or []
        system = messages[0]["content"] if messages and messages[0].get("role") in {"system", "developer"} else ""
    return "\n".join(_texts(system))


def _texts(value: Any) -> list[str]:
    """All texts in a JSON value, in order, less the markers of role and type."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, dict):
        return [text for key, part in value.items() if key not in {"role", "type", "id", "tool_use_id", "tools"} for text in _texts(part)]
    return []


async def _send(request: web.Request, answer: wire.Answer) -> web.StreamResponse:
    headers = {"content-type": answer.content_type, "x-request-id": f"req_demo_{time.time_ns():x}"}
    if answer.retry_after is not None:
        headers["retry-after"] = str(answer.retry_after)
    if not answer.streamed:
        return web.Response(status=answer.status, headers=headers, body=answer.pieces[0])
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    pieces = answer.pieces[: len(answer.pieces) // 2] if answer.cut else answer.pieces
    with contextlib.suppress(ConnectionError):  # a customer may hang up: one of the demo's does
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(NEXT_PIECE)
        if answer.cut and request.transport is not None:
            request.transport.abort()
        else:
            await response.write_eof()
    return response
