"""One exchange as scoring sees it: a row of the log with its bodies, read lazily, so that checks, judge and export share one noun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, Self, TypeVar

from proxy.providers.fields import items, mapping
from proxy.streams.json_value import Unparsable, json_text, parse_json
from scoring import conversation, marked, wanted
from scoring.conversation import Call, Document, Message, ToolResult
from scoring.wanted import AnswerFormat, Tool

Found = TypeVar("Found")

GENERATIVE: Final = frozenset({"chat", "text_completion", "generate_content", "invoke_agent"})
"""`operation`s whose answer is text or tool calls."""
MOST_BODY: Final = 16 << 20  # characters of a body that are parsed; larger ones are files, not conversations


@dataclass(frozen=True, kw_only=True)
class LoggedExchange:
    """A row of `exchanges` with its row of `bodies`, and what else is known of it. None = not known; texts are as stored, redacted."""

    exchange_id: str
    accepted_at: datetime | None = None
    provider: str | None = None
    dialect: str | None = None
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    status: int | None = None
    ending: str | None = None
    is_stream: bool | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: Decimal | None = None
    finish_reasons: tuple[str, ...] = ()  # the provider's own words, one a choice
    tool_calls: str | None = None  # JSON `[{id, name, arguments}]`
    output_text: str | None = None
    reasoning_text: str | None = None
    refusal: str | None = None
    terminal: bool | None = None
    error_type: str | None = None
    error_message: str | None = None
    duration_ms: float | None = None
    time_to_first_chunk_ms: float | None = None
    feature: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    task: str | None = None
    prompt_version: str | None = None
    environment: str | None = None
    properties: tuple[tuple[str, str], ...] = ()
    trace_id: str | None = None
    span_id: str | None = None
    purpose: str | None = None
    retry_of: str | None = None
    system_fingerprint: str | None = None
    request_truncated: bool | None = None
    response_truncated: bool | None = None
    request_body: str | None = field(default=None, repr=False)
    response_body: str | None = field(default=None, repr=False)
    request_body_coding: str | None = None  # None: text; see proxy.log.rows
    response_body_coding: str | None = None
    contexts: tuple[Document, ...] = ()  # rows of `contexts`: retrieved documents that never passed the proxy
    matched: frozenset[str] = frozenset()  # tasks whose SQL condition holds for this row
    previous: LoggedExchange | None = field(default=None, repr=False, compare=False)  # of the same trace
    next: LoggedExchange | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_row(cls, row: Mapping[str, Any], contexts: Iterable[Document] = ()) -> Self:
        """Of a row that was asked for with `SELECTION`, as Arrow, JSON or DuckDB itself give it; unknown columns are left alone."""
        known = {name: row[name] for name in _NAMES if name in row}
        known["exchange_id"] = str(known["exchange_id"])
        for name, convert in _CONVERTED:
            if name in known:
                known[name] = convert(known[name])
        known["contexts"] = tuple(contexts)
        known["matched"] = frozenset(name.removeprefix(MATCH) for name, value in row.items() if value is True and name.startswith(MATCH))
        return cls(**known)

    def once(self, work: Callable[[LoggedExchange], Found]) -> Found:
        """What `work` finds in this exchange, worked out once however many checks ask for it."""
        results: dict[Any, Any] = self._results
        if work not in results:
            results[work] = work(self)
        found: Found = results[work]
        return found

    @cached_property
    def _results(self) -> dict[Any, Any]:
        return {}

    @cached_property
    def request(self) -> Any:
        """The request's JSON; None where it is none, or was cut off."""
        return _json(self.request_body, self.request_body_coding)

    @cached_property
    def response(self) -> Any:
        """The response's JSON; None for streams (read the columns) and whatever else is no JSON document."""
        return None if self.is_stream else _json(self.response_body, self.response_body_coding)

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """What the request said, in order."""
        return conversation.messages(self.request)

    @cached_property
    def incoming(self) -> tuple[Message, ...]:
        """The messages since the model last spoke: what is new in this request."""
        said = self.messages
        for place in range(len(said) - 1, -1, -1):
            if said[place].role == "assistant":
                return said[place + 1 :]
        return said

    @cached_property
    def question(self) -> str:
        """The user's last words; '' where there are none."""
        for message in reversed(self.messages):
            if message.role == "user" and message.text:
                return message.text
        return ""

    @cached_property
    def retrieved(self) -> tuple[Document, ...]:
        """The documents reported beside the traffic, less those that were relevant and not retrieved: they have no rank, others do."""
        if all(document.rank is None for document in self.contexts):
            return self.contexts
        return tuple(document for document in self.contexts if document.rank is not None)

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """The documents the model had: reported beside the traffic, or found in the request."""
        return self.retrieved + conversation.documents(self.request, self.messages) + marked.documents(self.messages)

    @cached_property
    def results(self) -> tuple[ToolResult, ...]:
        """The tool results the request carries, all of its history."""
        return tuple(result for message in self.messages for result in message.results)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The texts an answer of retrieval rests on: documents and tool results; empty where nothing was supplied."""
        return tuple(document.text for document in self.documents if document.text) + tuple(
            result.text for result in self.results if result.text
        )

    @property
    def has_attachments(self) -> bool:
        """Whether the request carries images, files or sounds: what the model saw is then not all here."""
        return any(message.attachments for message in self.messages)

    @cached_property
    def request_text(self) -> str:
        """All text of the request and of the documents beside it."""
        parts = [message.text for message in self.messages if message.text]
        for message in self.messages:
            parts += [call.arguments for call in message.calls]
        parts += [result.text for result in self.results]
        parts += [document.text for document in (*self.retrieved, *conversation.documents(self.request, self.messages))]
        return "\n".join(parts)

    @cached_property
    def tools(self) -> tuple[tuple[Tool, ...], bool]:
        """The functions offered, and whether these are all there are."""
        return wanted.tools(self.request)

    @cached_property
    def answer_format(self) -> AnswerFormat | None:
        """The JSON format that was asked for."""
        return wanted.answer_format(self.request)

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """The tool calls of the answer."""
        if not self.tool_calls:
            return ()
        called = [mapping(call) for call in items(_json(self.tool_calls, None))]
        return tuple(
            Call(
                call["id"] if isinstance(call.get("id"), str) else None,
                str(call.get("name") or ""),
                call["arguments"] if isinstance(call.get("arguments"), str) else json_text(call.get("arguments")),
            )
            for call in called
        )

    @cached_property
    def is_answer(self) -> bool:
        """Whether a model was asked to generate and its answer came: only then is there something to check."""
        return self.operation in GENERATIVE and self.error_type is None and (self.status is None or self.status < 400)

    @cached_property
    def is_whole(self) -> bool:
        """Whether the answer came to its end: nobody hung up, nothing broke, and the log has all of it."""
        return self.ending in (None, "complete") and not self.response_truncated

    @cached_property
    def text(self) -> str:
        """The answer's text without white space around it; '' where there is none."""
        return (self.output_text or "").strip()

    @cached_property
    def text_bytes(self) -> bytes:
        """The answer's text in UTF-8, for the automata."""
        return self.text.encode("utf-8", "replace")


MATCH: Final = "match:"
"""Columns of this prefix say which tasks' SQL conditions hold."""


def link(trace: Sequence[LoggedExchange]) -> None:
    """Tell the exchanges of one trace, in order of time, who comes before and after; do it before anything else looks at them."""
    for earlier, later in pairwise(trace):
        object.__setattr__(earlier, "next", later)  # a chain in both directions cannot be built from frozen ends
        object.__setattr__(later, "previous", earlier)


def _json(body: str | None, coding: str | None) -> Any:
    if not body or coding is not None or len(body) > MOST_BODY:
        return None
    try:
        return parse_json(body)
    except Unparsable:
        return None


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _money(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, str):  # MAP as JSON text
        value = _json(value, None)
    if isinstance(value, Mapping):
        value = value.items()
    return tuple((str(key), str(item)) for key, item in value or ())


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)


_CONVERTED: Final[tuple[tuple[str, Callable[[Any], Any]], ...]] = (
    ("accepted_at", _time),
    ("cost_usd", _money),
    ("finish_reasons", lambda value: tuple(value or ())),
    ("properties", _pairs),
    ("tool_calls", _text),
)
_BODIES: Final = ("request_body", "response_body", "request_body_coding", "response_body_coding")
_BESIDE: Final = frozenset({"contexts", "matched", "previous", "next"})
_NAMES: Final = tuple(one.name for one in fields(LoggedExchange) if one.name not in _BESIDE)

SELECTION: Final = ", ".join(
    f"b.{name}" if name in _BODIES else f"e.{name}::VARCHAR AS {name}" if name == "exchange_id" else f"e.{name}" for name in _NAMES
)
"""The columns of `exchanges e LEFT JOIN bodies b USING (exchange_id)` that make a LoggedExchange."""
