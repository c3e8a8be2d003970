"""Whether what came in bears marks of an attempt to take over the model: in the user's new words, a document, or a tool's result.

It tells of the input, not of the answer, and it informs: such patterns find about half of the attempts, and half of what they find is
harmless. Applies where something new came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scoring.checks.contract import Finding, Measured, excerpt
from scoring.checks.patterns import scanner
from scoring.logged import LoggedExchange

_MOST: Final = 64 << 10  # characters of new input that are searched

MEASURED: Final = Measured(hits=5, wrong=("x6631dd326d78", "xb3fcd4d2598a", "x9b1cb29b1e37", "xd1b8ecccfc39"))

_PASSED: Final = Finding(True, "no marks of an injection")


@dataclass(frozen=True, slots=True)
class Options:
    """None."""


def check(exchange: LoggedExchange, _options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.is_answer:
        return None
    incoming = exchange.once(_incoming)
    if not incoming:
        return None
    data = incoming.encode("utf-8", "replace")
    marks = scanner("incoming").occurring(data)
    if not marks:
        return _PASSED
    first = scanner("incoming").hits(data, marks[:1], 1)
    place = incoming.find(first[0].found) if first else 0
    names = ", ".join(mark.name for mark in marks)
    return Finding(
        False, f"marks of an injection in what was given to it ({names})", excerpt(incoming, place), validated=MEASURED.validated
    )


def _incoming(exchange: LoggedExchange) -> str:
    """What came in since the model last spoke, without the application's own system prompt."""
    parts: list[str] = []
    for message in exchange.incoming:
        if message.role != "system":
            parts.append(message.text)
        parts += [result.text for result in message.results]
        parts += [document.text for document in message.documents]
    parts += [document.text for document in exchange.retrieved]
    return "\n".join(filter(None, parts))[:_MOST]
