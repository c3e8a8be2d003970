"""An exchange as a turn of a conversation: who spoke, what is new in it, and keys by which turns are told to belong together. Pure.

Apps send the whole history, or only the last message and keep the rest elsewhere; they trim answers before they send them back, and put
the time of day into system prompts. So texts are compared by keys over their letters and digits, and system prompts without digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from proxy.providers.fields import mapping, text
from scoring.conversation import Message
from scoring.logged import LoggedExchange

MOST: Final = 8_000
"""Characters of a question or an answer that are kept for comparing."""
KEYED: Final = 2_000
_NOISE: Final = re.compile(r"[\W_]+")
_DIGITS: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange, made light: no bodies."""

    exchange_id: str
    at: datetime  # when it was asked
    ended: datetime  # when its answer was there, or as far as is known
    person: str  # whose it is: a session, else a user, else a conversation of an unnamed one
    session: str | None
    is_named: bool  # the person is known by a session or user id, not by the conversation alone
    feature: str | None
    prompt: str  # key of all that was said, the system's words apart
    context: str  # key of what was said before the last question; '' = nothing
    system: str  # key of the system's words, digits left out
    history_answer: str | None  # key of the last answer that the request carries
    answer_key: str | None  # key of this exchange's own answer
    question: str  # the user's last words
    fresh: str  # the user's words since the model last spoke; '' = none: a step of an agent
    answer: str
    is_answered: bool  # whole, with words and without tool calls: something a user can react to
    is_failed: bool  # no answer came, or not a whole one, and not because the client went
    is_gone: bool  # the client went before the answer was whole
    is_retry: bool  # the app or its library said that it tries again
    retry_of: str | None
    response_id: str | None = None  # the provider's own
    after_response: str | None = None  # the response that the request goes on from, where the provider keeps the history (Responses API)


def turn(exchange: LoggedExchange, ended: datetime | None, api_key: str | None = None) -> Turn | None:
    """The turn of an exchange; None where what was said cannot be read, or nobody said anything."""
    said = [message for message in exchange.messages if message.role != "system"]
    asked = [number for number, message in enumerate(said) if message.role == "user" and message.text.strip()]
    if exchange.accepted_at is None or not asked:
        return None
    last = asked[-1]
    before = text(mapping(exchange.request).get("previous_response_id"))
    kept = [f"after:{before}"] if before else []
    answers = [message.text for message in said if message.role == "assistant" and message.text.strip()]
    system = " ".join(message.text for message in exchange.messages if message.role == "system")
    calls = bool(exchange.tool_calls and exchange.tool_calls.strip() not in ("", "[]", "null"))
    properties = dict(exchange.properties)
    gone = exchange.ending == "client_gone"
    failed = not gone and (
        exchange.ending in ("partial", "upstream_error", "lost") or exchange.error_type is not None or (exchange.status or 200) >= 400
    )
    named = exchange.session_id or exchange.user_id
    opening = _key([said[asked[0]].text])
    return Turn(
        exchange_id=exchange.exchange_id,
        at=exchange.accepted_at,
        ended=max(ended or exchange.accepted_at, exchange.accepted_at),
        person=f"session {exchange.session_id}" if exchange.session_id else f"user {named}" if named else f"talk {api_key or ''} {opening}",
        session=exchange.session_id,
        is_named=named is not None,
        feature=exchange.feature,
        prompt=_key([*kept, *_parts(said)]),
        context=_key([*kept, *_parts(said[:last])]) if last or kept else "",
        system=_key([_DIGITS.sub("", system)[:KEYED]]),
        history_answer=text_key(answers[-1]) if answers else None,
        answer_key=text_key(exchange.text) if exchange.text else None,
        question=said[last].text[:MOST],
        fresh="\n".join(message.text for message in _since_model(said) if message.role == "user" and message.text)[:MOST],
        answer=exchange.text[:MOST],
        is_answered=exchange.is_answer and exchange.is_whole and bool(exchange.text) and not calls,
        is_failed=failed,
        is_gone=gone,
        is_retry=exchange.retry_of is not None or properties.get("retry_count", "0") not in ("", "0"),
        retry_of=exchange.retry_of,
        response_id=exchange.response_id,
        after_response=before,
    )


def text_key(words: str) -> str:
    """A key of a text's letters and digits, however it was wrapped, quoted or trimmed at its end."""
    return _hash(_NOISE.sub(" ", words[: KEYED * 2]).strip().casefold()[:400])


def _since_model(said: Sequence[Message]) -> Sequence[Message]:
    for place in range(len(said) - 1, -1, -1):
        if said[place].role == "assistant":
            return said[place + 1 :]
    return said


def _parts(said: Iterable[Message]) -> Iterable[str]:
    for message in said:
        yield f"{message.role}:{message.attachments}:{message.text}"
        for call in message.calls:
            yield f"call:{call.name}:{call.arguments}"
        for result in message.results:
            yield f"result:{result.text}"


def _key(parts: Iterable[str]) -> str:
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(" ".join(part.split()).encode("utf-8", "replace") + b"\0")
    return digest.hexdigest()


def _hash(words: str) -> str:
    return blake2b(words.encode("utf-8", "replace"), digest_size=12).hexdigest()
