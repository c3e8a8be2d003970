"""Asks one logged exchange again on a variant, and lays what it answered beside what was logged."""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import uvloop

from config.settings import Settings
from scoring.gate.headers import prices
from scoring.gate.reply import Reply
from scoring.gate.results import BadInput
from scoring.gate.targets.endpoint import Endpoint
from scoring.gate.targets.program import App, Command
from scoring.gate.targets.requests import prepare
from scoring.gate.targets.variants import Variant
from scoring.golden.capture import NotReplayable, replayable
from scoring.golden.case import Call, Document, GoldenCase, Input, Observed, Source, clean, dumped
from scoring.judge.client import session
from scoring.logged import LoggedExchange


def replayed(
    exchange: LoggedExchange, variant: Variant, settings: Settings, times: int, environ: Mapping[str, str] = os.environ
) -> list[Reply]:
    """What the variant answers to an exchange. Raises BadInput where it cannot be asked again."""
    prepared = prepare(case_of(exchange), variant, {})
    pricer, attempts = prices(settings), settings.gate.attempts

    async def ask() -> list[Reply]:
        async with session(times) as opened:
            asks: Command | App | Endpoint
            if variant.target.kind == "command":
                asks = Command(variant, pricer, environ, attempts=attempts)
            elif variant.target.kind == "app":
                asks = App(opened, variant, pricer, attempts=attempts)
            elif variant.target.kind == "endpoint":
                asks = Endpoint(opened, variant, settings, pricer, environ, attempts=attempts)
            else:
                raise BadInput(f"[target.{variant.name}] holds recorded answers to golden cases: choose one that can be asked")
            return list(await asyncio.gather(*(asks.ask(prepared, run) for run in range(1, times + 1))))

    return uvloop.run(ask())


def case_of(exchange: LoggedExchange) -> GoldenCase:
    """The exchange as a case, as it was logged. Raises BadInput, which says why it cannot be replayed."""
    try:
        body = replayable(exchange)
    except NotReplayable as error:
        raise BadInput(f"{exchange.exchange_id}: {error}") from error
    vars_ = {name.removeprefix("var-"): value for name, value in exchange.properties if name.startswith("var-")}
    return GoldenCase(
        input=Input(
            dialect=exchange.dialect,
            operation=exchange.operation,
            method=exchange.method,
            path=(exchange.path or "").partition("?")[0] or None,
            body=clean(body),
            vars=vars_,
        ),
        context=tuple(Document(id=one.document_id, text=one.text, title=one.title, rank=one.rank) for one in exchange.documents),
        observed=observed(exchange),
        source=Source(exchange_id=exchange.exchange_id, provider=exchange.provider, request_model=exchange.request_model),
    )


def observed(exchange: LoggedExchange) -> Observed:
    """What was answered then."""
    return Observed(
        text=clean(exchange.output_text),
        tool_calls=tuple(Call(name=clean(one.name), arguments=clean(one.arguments), id=one.call_id) for one in exchange.calls),
        refusal=clean(exchange.refusal),
        finish_reasons=exchange.finish_reasons,
    )


def differences(exchange: LoggedExchange, target: str, replies: Sequence[Reply]) -> dict[str, Any]:
    """Both sides as JSON values, a diff of the texts (of the first answer that came), and a sentence. Pure."""
    logged = {
        "exchange_id": exchange.exchange_id,
        "at": exchange.accepted_at.astimezone(UTC).isoformat(timespec="seconds") if exchange.accepted_at else None,
        "model": exchange.response_model or exchange.request_model,
        **_said(observed(exchange)),
        "input_tokens": exchange.input_tokens,
        "output_tokens": exchange.output_tokens,
        "cost_usd": None if exchange.cost_usd is None else float(exchange.cost_usd),
        "latency_ms": exchange.duration_ms,
    }
    shown = [
        {
            "exchange_id": reply.exchange_id,
            "model": reply.response_model,
            **_said(reply.answer),
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "cost_usd": reply.cost_usd,
            "latency_ms": reply.latency_ms,
            "error": reply.error,
        }
        for reply in replies
    ]
    first = next((reply for reply in replies if reply.error is None), None)
    diff = _diff(logged["text"] or "", first.answer.text or "") if first is not None else []
    return {"target": target, "logged": logged, "replayed": shown, "diff": diff, "sentence": _sentence(logged, first)}


def _said(answer: Observed) -> dict[str, Any]:
    calls = [dumped(call) for call in answer.tool_calls]
    return {"text": answer.text, "tool_calls": calls, "refusal": answer.refusal, "finish_reasons": list(answer.finish_reasons)}


def _diff(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "logged", "replayed", lineterm="", n=1)
    return list(lines)


def _sentence(logged: Mapping[str, Any], reply: Reply | None) -> str:
    if reply is None:
        return "No answer came."
    same = (reply.answer.text or "") == (logged["text"] or "")
    calls = [(call.name, call.arguments) for call in reply.answer.tool_calls]
    before = [(call.get("name"), call.get("arguments")) for call in logged["tool_calls"]]
    words = "the same text" if same else "another text"
    tools = "" if not calls and not before else ", the same tool calls" if calls == before else ", other tool calls"
    cost = ""
    if reply.cost_usd is not None and logged["cost_usd"]:
        cost = f"; ${reply.cost_usd:.6f} instead of ${logged['cost_usd']:.6f} ({reply.cost_usd / logged['cost_usd']:.2f} times)"
    return f"{words[0].upper()}{words[1:]}{tools}{cost}."
