"""Measures what each check costs: CPU time a logged exchange, over made-up exchanges of several kinds whose answers average over 4 KB.

`python -m scoring.checks.speed` prints the table. What several checks share (parsing, reading the messages, the automaton's pass) has
lines of its own, so that the lines add up to the whole; the last lines are runs of their own over fresh exchanges. The prose is this
project's own documentation, cut and mixed by a fixed seed.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from scoring.checks import SHELF, Prepared, prepare, run
from scoring.checks.answers import leaked, opening, parsed, prose
from scoring.checks.near_duplicate import Duplicates, Options, sketch
from scoring.logged import LoggedExchange

ROOT: Final = Path(__file__).parents[2]
FAST: Final = (
    *("valid_json", "json_schema", "tool_arguments", "refusal", "fallback", "secret_leak", "personal_data", "prompt_injection"),
    *("empty", "truncated", "cost"),
)
"""Parsing, schema, tools, all that RE2 finds, ending and cost: what must run at 10,000 exchanges a second and core."""
_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "price": {"type": "number", "minimum": 0},
                    "state": {"enum": ["new", "old"]},
                    "note": {"type": "string"},
                },
                "required": ["name", "price", "state"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["title", "items"],
}
_TOOLS: Final = [
    {
        "name": name,
        "description": f"Tool {name}",
        "input_schema": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
            "required": ["query"],
        },
    }
    for name in ("search_orders", "read_file", "send_report")
]


class Cost(NamedTuple):
    """One line of the table."""

    name: str
    microseconds: float  # CPU a logged exchange


def exchanges(number: int, seed: int = 7) -> list[LoggedExchange]:
    """Made-up exchanges as a log holds them: retrieval, extraction, an agent's steps, chat."""
    chance = random.Random(seed)
    paragraphs = _paragraphs()
    makers = (_retrieval, _extraction, _agent, _chat, _chat)
    return [makers[place % len(makers)](place, paragraphs, chance) for place in range(number)]


def measure(number: int, seed: int) -> tuple[list[Cost], float, float]:
    """One round over exchanges of its own: the lines, and µs an exchange of the fast group and of the whole default set."""
    checks = prepare([line.name for line in SHELF])
    made = exchanges(number, seed)
    gc.collect()  # the garbage of making them is not the checks'
    lines = [
        Cost("parse request and response", _each(made, lambda one: (one.request, one.response))),
        Cost("read messages, tools, documents", _each(made, lambda one: (one.messages, one.tools, one.answer_format, one.documents))),
        Cost("read the answer as JSON", _each(made, lambda one: one.once(parsed) if one.answer_format else None)),
        Cost("take code out of the answer", _each(made, lambda one: one.once(prose))),
        Cost("all patterns over the answer (RE2)", _each(made, lambda one: (one.once(opening), one.once(leaked)))),
    ]
    lines += [Cost(check.name, _each(made, _only(check))) for check in checks]
    lines.append(Cost("near_duplicate", _each(made, _grouping(Duplicates()))))
    fast = prepare(FAST)
    fast_cost = _passing(exchanges(number, seed + 1), lambda one: (one.response, run(one, fast)))
    grouped = _grouping(Duplicates())
    whole_cost = _passing(exchanges(number, seed + 2), lambda one: (one.response, run(one, checks), grouped(one)))
    return lines, fast_cost, whole_cost


def table(number: int = 500, rounds: int = 7) -> str:
    """The table as Markdown: of several rounds the one whose whole was quickest, since other work on the machine only ever adds."""
    measure(number, 0)  # compiles patterns, schemas and the language model
    measured = [measure(number, 10 * turn) for turn in range(1, rounds + 1)]
    lines, _, whole = min(measured, key=lambda one: one[2])
    fast = min(fast for _, fast, _ in measured)
    made = exchanges(number)
    size = sum(len(one.text_bytes) for one in made) / len(made)
    rows = "\n".join(f"| {line.name} | {line.microseconds:.1f} |" for line in lines)
    return (
        f"{number:,} made-up exchanges a round, answers of {size:,.0f} bytes on average, CPU time of one core, "
        f"the best of {rounds} rounds.\n\n"
        f"| | µs an exchange |\n|---|---|\n{rows}\n| **sum** | **{sum(line.microseconds for line in lines):.1f}** |\n\n"
        f"Parsing, schema, tools, patterns, ending and cost together: {1e6 / fast:,.0f} exchanges/s a core. "
        f"The whole default set: {1e6 / whole:,.0f} exchanges/s a core.\n"
    )


def _each(made: Sequence[LoggedExchange], work: Callable[[LoggedExchange], Any]) -> float:
    start = time.process_time()
    for one in made:
        work(one)
    return (time.process_time() - start) / len(made) * 1e6


def _passing(made: list[LoggedExchange], work: Callable[[LoggedExchange], Any]) -> float:
    """As the night does it: an exchange is let go when its checks are done."""
    number = len(made)
    gc.collect()
    start = time.process_time()
    while made:
        work(made.pop())
    return (time.process_time() - start) / number * 1e6


def _only(check: Prepared) -> Callable[[LoggedExchange], Any]:
    one = (check,)
    return lambda exchange: run(exchange, one)


def _grouping(duplicates: Duplicates) -> Callable[[LoggedExchange], None]:
    options = Options()

    def take(one: LoggedExchange) -> None:
        found = sketch(one, options)
        if found is not None:
            duplicates.add(found)

    return take


def _paragraphs() -> list[str]:
    pages = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
    found = [part.strip() for page in pages for part in page.read_text(encoding="utf-8").split("\n\n")]
    return [part for part in found if len(part) > 120 and not part.startswith(("|", "<", "```"))]


def _words(paragraphs: list[str], chance: random.Random, size: int) -> str:
    found: list[str] = []
    while sum(map(len, found)) < size:
        words = chance.choice(paragraphs).split(" ")
        start = chance.randrange(max(1, len(words) - 40))
        found.append(" ".join(words[start : start + chance.randrange(30, 120)]))
    return "\n\n".join(found)


def _made(place: int, dialect: str, request: Any, response: Any, text: str, **more: Any) -> LoggedExchange:
    return LoggedExchange(
        exchange_id=f"0190{place:028x}",
        dialect=dialect,
        operation="chat",
        status=200,
        ending="complete",
        is_stream=False,
        request_body=orjson.dumps(request).decode(),
        response_body=orjson.dumps(response).decode(),
        output_text=text,
        cost_usd=Decimal("0.0123"),
        duration_ms=2_345.6,
        feature=f"feature {place % 5}",
        **more,
    )


def _retrieval(place: int, paragraphs: list[str], chance: random.Random) -> LoggedExchange:
    documents = [_words(paragraphs, chance, 1_500) for _ in range(4)]
    supplied = "\n".join(f'<document id="{number}">{text}</document>' for number, text in enumerate(documents, 1))
    answer = "\n\n".join(
        f"{_words(paragraphs, chance, 1_000)} In total {chance.randrange(100, 9_999):,} of {chance.randrange(10, 99)} [{number}]. "
        f'As it says: "{" ".join(documents[number - 1][100:180].replace(chr(34), "").split())}"'
        for number in (1, 2, 3, 4)
    )
    request = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Answer from the documents alone and cite them by number."},
            {
                "role": "user",
                "content": f"{supplied}\n\nQuestion {place}: what does it say of {chance.randrange(100)} things and why is that so?",
            },
        ],
    }
    response = {"choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]}
    return _made(place, "openai.chat", request, response, answer, finish_reasons=("stop",))


def _extraction(place: int, paragraphs: list[str], chance: random.Random) -> LoggedExchange:
    items = [
        {"name": f"item {number}", "price": round(chance.random() * 100, 2), "state": "new", "note": _words(paragraphs, chance, 60)[:60]}
        for number in range(36)
    ]
    answer = orjson.dumps({"title": f"Order {place}", "items": items}).decode()
    request = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"Extract the items of order {place}:\n{_words(paragraphs, chance, 2_000)}"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "order", "schema": _SCHEMA}},
    }
    response = {"choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]}
    return _made(place, "openai.chat", request, response, answer, finish_reasons=("stop",))


def _agent(place: int, paragraphs: list[str], chance: random.Random) -> LoggedExchange:
    said: list[dict[str, Any]] = [{"role": "user", "content": f"Task {place}: {_words(paragraphs, chance, 300)}"}]
    for step in range(3):
        call = {"type": "tool_use", "id": f"call-{step}", "name": "search_orders", "input": {"query": f"order {step}", "limit": 5}}
        result = {"type": "tool_result", "tool_use_id": f"call-{step}", "content": _words(paragraphs, chance, 1_000)}
        said += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    answer = _words(paragraphs, chance, 4_000)
    arguments = {"query": f"order {place}", "limit": 10}
    response = {
        "content": [{"type": "text", "text": answer}, {"type": "tool_use", "id": "call-9", "name": "read_file", "input": arguments}]
    }
    calls = orjson.dumps([{"id": "call-9", "name": "read_file", "arguments": orjson.dumps(arguments).decode()}]).decode()
    request = {"model": "claude-sonnet-4-5", "system": "You are an agent.", "messages": said, "tools": _TOOLS}
    return _made(place, "anthropic.messages", request, response, answer, finish_reasons=("tool_use",), tool_calls=calls)


def _chat(place: int, paragraphs: list[str], chance: random.Random) -> LoggedExchange:
    answer = (
        f"{_words(paragraphs, chance, 3_000)}\n\n```python\n{_words(paragraphs, chance, 600)}\n```\n\n{_words(paragraphs, chance, 1_500)}"
    )
    asked = f"Please explain to me, as of {place}, what this is about and how I should do it: {_words(paragraphs, chance, 400)}"
    request = {"contents": [{"role": "user", "parts": [{"text": asked}]}]}
    response = {"candidates": [{"content": {"role": "model", "parts": [{"text": answer}]}, "finishReason": "STOP"}]}
    return _made(place, "gemini.generateContent", request, response, answer, finish_reasons=("STOP",))


if __name__ == "__main__":
    sys.stdout.write(table(*map(int, sys.argv[1:])))
