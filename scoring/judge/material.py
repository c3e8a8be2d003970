"""What of an exchange, or of a whole trace, the judge is shown: labelled passages, cut to a length with the middle left out and said so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from scoring.conversation import Message
from scoring.logged import LoggedExchange

MOST: Final = 60_000
"""Characters shown in all: some 15,000 tokens."""
SHARES: Final = {"instructions": 0.15, "conversation": 0.3, "context": 0.3, "steps": 0.3, "answer": 0.4}
"""Part of MOST that each kind of passage may take at least; what one does not need goes to the others."""


class Passage(NamedTuple):
    """One labelled piece of what is judged."""

    label: str  # instructions | conversation | context | steps | answer
    text: str


@dataclass(frozen=True, slots=True)
class Material:
    """All that is judged in one call."""

    passages: tuple[Passage, ...]
    has: frozenset[str]  # context | tools | question: what rubric items may need
    left_out: int  # characters that were cut away

    @property
    def text(self) -> str:
        """Everything that a quote may be taken from."""
        return "\n".join(passage.text for passage in self.passages)


def of_exchange(exchange: LoggedExchange, most: int = MOST) -> Material:
    """The material of a single exchange."""
    said = list(exchange.messages)
    system = "\n\n".join(message.text for message in said if message.role == "system" and message.text)
    talk = "\n\n".join(_turns(message for message in said if message.role != "system"))
    return _cut(
        [
            Passage("instructions", system),
            Passage("conversation", talk),
            Passage("context", _context([exchange])),
            Passage("answer", _answer(exchange)),
        ],
        _has([exchange]),
        most,
    )


def of_trace(steps: Sequence[LoggedExchange], most: int = MOST) -> Material:
    """The material of a trace, its exchanges in order of time: how it began, every step's own words, the last answer."""
    if len(steps) == 1:
        return of_exchange(steps[0], most)
    first = steps[0]
    system = "\n\n".join(message.text for message in first.messages if message.role == "system" and message.text)
    talk = "\n\n".join(_turns(message for message in first.messages if message.role != "system"))
    told: list[str] = []
    for number, step in enumerate(steps, 1):
        if number > 1:
            told += _turns(message for message in step.incoming if message.role != "system")
        if number < len(steps):
            told.append(f"[step {number}] {_answer(step)}")
    return _cut(
        [
            Passage("instructions", system),
            Passage("conversation", talk),
            Passage("context", _context(steps)),
            Passage("steps", "\n\n".join(told)),
            Passage("answer", _answer(steps[-1])),
        ],
        _has(steps),
        most,
    )


def _turns(messages: Iterator[Message] | Sequence[Message]) -> Iterator[str]:
    for message in messages:
        if message.text:
            yield f"[{message.role}] {message.text}"
        for call in message.calls:
            yield f"[{message.role} calls {call.name}] {call.arguments}"
        for result in message.results:
            yield f"[result{' (error)' if result.is_error else ''}] {result.text}"
        if message.attachments:
            yield f"[{message.attachments} attachment(s) that are not shown]"


def _context(steps: Sequence[LoggedExchange]) -> str:
    seen: dict[str, None] = {}
    for step in steps:
        for document in step.contexts:  # those in the request stand in the conversation already
            title = f"[document {document.document_id or len(seen) + 1}{': ' + document.title if document.title else ''}]"
            seen.setdefault(f"{title} {document.text}")
    return "\n\n".join(seen)


def _answer(exchange: LoggedExchange) -> str:
    parts = [exchange.text] if exchange.text else []
    parts += [f"[calls {call.name}] {call.arguments}" for call in exchange.calls]
    if exchange.refusal:
        parts.append(f"[refusal] {exchange.refusal}")
    return "\n".join(parts)


def _has(steps: Sequence[LoggedExchange]) -> frozenset[str]:
    found = set()
    if any(step.documents or step.results for step in steps):
        found.add("context")
    if any(step.calls or step.tools[0] for step in steps):
        found.add("tools")
    if any(step.question for step in steps):
        found.add("question")
    return frozenset(found)


def _cut(passages: list[Passage], has: frozenset[str], most: int) -> Material:
    kept = [passage for passage in passages if passage.text]
    total = sum(len(passage.text) for passage in kept)
    if total <= most:
        return Material(tuple(kept), has, 0)
    wanted = {passage.label: int(SHARES[passage.label] * most) for passage in kept}
    share = {label: min(size, len(text)) for (label, text), size in zip(kept, wanted.values(), strict=True)}
    spare = most - sum(share.values())
    for label, text in sorted(kept, key=lambda passage: passage.label != "answer"):
        more = max(-share[label] + 200, min(spare, len(text) - share[label]))
        share[label] += more
        spare -= more
    shown = tuple(Passage(label, _middle_out(text, share[label])) for label, text in kept)
    return Material(shown, has, total - sum(min(len(text), share[label]) for label, text in kept))


def _middle_out(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    head = size * 2 // 3
    tail = size - head
    return f"{text[:head]}\n[… {len(text) - size:,} characters are left out here …]\n{text[len(text) - tail :]}"
