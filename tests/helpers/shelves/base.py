"""What a recording is, and how the answers of a provider are written down: documents, events, lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.helpers.upstream import Answer, answer
from tests.helpers.wire import Headers

TEXT = "Gold is found where the river slows — grüße, 金."
"""Several bytes a character, so that a cut can fall inside one."""
WORDS = ["Gold is found", " where the river", " slows — grü", "ße, 金."]
CALL = {"name": "pan_for_gold", "arguments": '{"river":"Yukon","depth":2}'}


@dataclass(frozen=True)
class Recording:
    """One exchange: how it is asked for, what comes back, and its row."""

    path: str
    model: str | None  # as asked; None: any
    pieces: list[bytes]
    row: dict[str, Any]  # columns of `exchanges` that the log must hold
    stream: bool = False
    content_type: str = "application/json"
    headers: Headers = field(default_factory=list)
    status: int = 200

    @property
    def body(self) -> bytes:
        """The whole body as it passes."""
        return b"".join(self.pieces)

    def answer(self, delay: float = 0.0, piece: int | None = None) -> Answer:
        """The answer as a provider sends it: streams chunked, documents with their length."""
        headers = [("Content-Type", self.content_type), ("X-Request-Id", "req-of-the-tests"), *self.headers]
        framing = "chunked" if self.stream else "length"
        return answer(self.status, headers, self.pieces, framing=framing, delay=delay, piece=piece)


def document(value: object) -> list[bytes]:
    return [json.dumps(value, ensure_ascii=False).encode()]


def sse(*events: object, done: bool = False) -> list[bytes]:
    """Server-sent events with data alone."""
    lines = [f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode() for value in events]
    return [*lines, b"data: [DONE]\n\n"] if done else lines


def named_sse(*events: dict[str, Any]) -> list[bytes]:
    """Server-sent events that repeat their `type` as the event's name."""
    return [f"event: {value['type']}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode() for value in events]


def ndjson(*values: object) -> list[bytes]:
    return [json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values]


def row_of(provider: str, model: str, identifier: str | None, given: int, taken: int | None, **more: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "response_model": model,
        "response_id": identifier,
        "input_tokens": given,
        "output_tokens": taken,
        "usage_source": "provider",
        "ending": "complete",
        "status": 200,
        **more,
    }
