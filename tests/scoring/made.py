"""Fills a log with made-up exchanges of a past day, quickly, for tests and measurements of scoring."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from proxy.log.attach import Log
from proxy.log.columns import BODIES, EXCHANGES, batch, insert

SYLLABLES = "gol da ri ve pan gra sto cla slu nug ban win cam map bri tra val sum ro bo mi san let har pri sca flo mu".split()
WORDS = tuple("".join(random.Random(number).choices(SYLLABLES, k=2 + number % 3)) for number in range(3000))
"""As many as people use: with few of them all texts would be each other's duplicates."""
DAY = date(2026, 3, 2)


def exchange_id(at: datetime, number: int) -> str:
    """A UUIDv7 of that time, the same for the same number."""
    random_bits = random.Random(number).getrandbits(74)
    value = (int(at.timestamp() * 1000) & (1 << 48) - 1) << 80 | 0x7 << 76 | (random_bits >> 62) << 64 | 0b10 << 62
    return str(UUID(int=value | random_bits & (1 << 62) - 1))


def prose(chance: random.Random, size: int) -> str:
    """About so many characters of sentences."""
    sentences = []
    length = 0
    while length < size:
        words = chance.choices(WORDS, k=chance.randint(6, 14))
        sentences.append(" ".join(words).capitalize() + ".")
        length += len(sentences[-1]) + 1
    return " ".join(sentences)


def row(number: int, size: int = 400, **columns: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """One exchange of chat completions with its bodies, by column; `columns` replace what is made up.

    `question` and `answer` are words of its own, unless columns hold output_text or request_body.
    """
    chance = random.Random(number)
    at = columns.pop("accepted_at", datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) + timedelta(seconds=number * 0.7 % 86_000))
    question = columns.pop("question", f"What of the {chance.choice(WORDS)} and the {chance.choice(WORDS)}, number {number}?")
    answer = columns.pop("answer", prose(chance, size))
    request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
    made: dict[str, Any] = {
        "exchange_id": exchange_id(at, number),
        "accepted_at": at,
        "ended_at": at + timedelta(seconds=1),
        "provider": "openai",
        "dialect": "openai.chat",
        "operation": "chat",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "ending": "complete",
        "is_stream": False,
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "response_id": f"chatcmpl-{number}",
        "input_tokens": 20,
        "output_tokens": len(answer) // 4,
        "usage_source": "provider",
        "cost_usd": "0.0001",
        "finish_reasons": ["stop"],
        "output_text": answer,
        "duration_ms": 1000.0,
        "request_bytes": len(json.dumps(request)),
        "response_bytes": len(answer) + 200,
        "feature": f"feature-{number % 4}",
        "prompt_version": "v1",
        "properties": [],
        "purpose": "app",
        **columns,
    }
    choice = {"index": 0, "message": {"role": "assistant", "content": made["output_text"]}, "finish_reason": "stop"}
    bodies = {
        "exchange_id": made["exchange_id"],
        "accepted_at": at,
        "request_body": made.pop("request_body", json.dumps(request)),
        "response_body": json.dumps({"id": made["response_id"], "model": made["response_model"], "choices": [choice]}),
    }
    return made, bodies


def store(data_dir: Path, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Put rows into the log of a data directory; nobody may hold it open."""
    log = Log.open("goldwash.duckdb", data_dir)
    db = log.cursor()
    for table, columns, which in (("exchanges", EXCHANGES, 0), ("small_bodies", BODIES, 1)):
        for start in range(0, len(rows), 5000):
            page = [[_value(one[which].get(column.name), column.name) for column in columns] for one in rows[start : start + 5000]]
            db.register("arriving", batch(columns, page))
            db.execute(insert(table, columns, "arriving"))
            db.unregister("arriving")
    db.close()
    log.close()


def fill(data_dir: Path, number: int, size: int = 400) -> str:
    """So many made-up exchanges on DAY; the day in ISO form."""
    for start in range(0, number, 20_000):
        store(data_dir, [row(n, size) for n in range(start, min(number, start + 20_000))])
    return DAY.isoformat()


def _value(value: Any, name: str) -> Any:
    if name == "exchange_id" and isinstance(value, str):
        return UUID(value).bytes
    if isinstance(value, datetime):
        return int(value.timestamp() * 1e6)
    if name == "cost_usd" and value is not None:
        from decimal import Decimal

        return Decimal(str(value)).quantize(Decimal("1e-12"))
    return value
