"""The common ground of all formats: a case as chat messages, one expected answer and texts of context, and back. Pure.

Every format that has room for metadata carries the whole case in it, under `goldwash`. What stands in the tool's own fields counts
where it differs from what we would have written there: somebody edited it in that tool.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from proxy.streams.json_value import json_text
from scoring.conversation import Message
from scoring.golden.case import BadCase, Document, Expected, GoldenCase, Input, Source, as_json, canonical, dumped, identity, of

CARRIED: Final = "goldwash"
"""The key of metadata under which the whole case travels."""
QUESTIONS: Final = ("question", "query", "q", "input", "prompt", "text", "message", "user_input")
"""Names that datasets give to what a user asks."""
ANSWERS: Final = ("text", "answer", "output", "expected", "expected_response", "response", "content", "ideal", "target", "reference")
"""Names that datasets give to the right answer."""
CONTEXTS: Final = ("context", "contexts", "documents", "retrieval_context", "retrieved_context")
EDITABLE: Final = ("input", "context", "observed", "expected", "checks", "tags", "split")
"""What can be edited in another tool."""

Row = dict[str, Any]


def chat(case: GoldenCase) -> list[Row]:
    """The input as chat messages in OpenAI's form, whatever dialect it was asked in."""
    body = case.input.body
    if isinstance(body, dict) and isinstance(body.get("messages"), list) and (case.input.dialect or "openai").startswith("openai"):
        return list(body["messages"])
    return [one for message in case.said for one in _messages(message)]


def _messages(message: Message) -> list[Row]:
    found: list[Row] = [
        {"role": "tool", "content": result.text, **({"tool_call_id": result.call_id} if result.call_id else {})}
        for result in message.results
    ]
    if message.text or message.calls or not found:
        one: Row = {"role": "user" if message.role == "tool" else message.role, "content": message.text}
        if message.calls:
            one["tool_calls"] = [
                {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.calls
            ]
        found.append(one)
    return found


def asked(messages: Any, vars_: dict[str, Any] | None = None) -> Input:
    """An input of chat messages, as another tool has them."""
    body = {"messages": messages} if messages else None
    return Input(dialect="openai.chat", operation="chat", method="POST", path="/v1/chat/completions", body=body, vars=vars_ or {})


def asked_with(fields: Any, place: str) -> tuple[Input, tuple[Document, ...]]:
    """Input and context of a tool's free object of inputs: messages, or a question, beside variables. Raises BadCase."""
    if isinstance(fields, str):
        return asked([{"role": "user", "content": fields}]), ()
    if isinstance(fields, list):
        return asked(fields), ()
    if not isinstance(fields, dict) or not fields:
        raise BadCase(f"{place}: the input is empty: a golden case needs messages, a question or variables")
    rest = dict(fields)
    context = documents(next((rest.pop(name) for name in CONTEXTS if name in rest), None))
    messages = rest.pop("messages", None)
    if isinstance(messages, str):
        messages = parsed(messages)
    if not isinstance(messages, list):
        name = next((name for name in QUESTIONS if isinstance(rest.get(name), str)), None)
        messages = [{"role": "user", "content": rest[name]}] if name else None
    else:
        rest.pop("question", None)
    return asked(messages, rest), context


def inputs(case: GoldenCase) -> Row:
    """The input as one object: messages, context where there is some, and variables."""
    return {**case.input.vars, "messages": chat(case), **({"context": texts(case)} if case.context else {})}


def texts(case: GoldenCase) -> list[str]:
    """The context's texts."""
    return [document.text for document in case.context]


def documents(value: Any) -> tuple[Document, ...]:
    """Context from texts, or from objects with a text."""
    found = []
    for one in value if isinstance(value, list) else [value] if value else []:
        if isinstance(one, dict):
            known = {key: item for key, item in one.items() if key in Document.model_fields}
            found.append(Document.model_validate({"text": json_text(one), **known} if "text" not in known else known))
        else:
            found.append(Document(text=str(one)))
    return tuple(found)


def answer(expected: Expected | None) -> str | None:
    """What is expected as one text, for tools that have only that; None where it is no text."""
    if expected is None:
        return None
    if expected.text is not None:
        return expected.text
    if expected.json_ is not None:
        return canonical(expected.json_)
    return expected.label or expected.choice or ("\n".join(expected.facts) or None)


def reference(expected: Expected | None) -> Row | None:
    """What is expected as an object, for tools whose reference is free JSON."""
    return dumped(expected) if expected is not None else None


def expected_of(value: Any) -> Expected | None:
    """What is expected, from another tool's reference answer."""
    if value in (None, "", {}, []):
        return None
    if isinstance(value, dict):
        if set(value) <= _OWN:
            return Expected.model_validate(value)
        said = next((value[name] for name in ANSWERS if name in value and isinstance(value[name], str)), None)
        if said is not None and len(value) == 1:
            return Expected(text=said)
        return Expected(json=value)
    return Expected(text=value) if isinstance(value, str) else Expected(json=value)


_OWN: Final = frozenset(field.alias or name for name, field in Expected.model_fields.items())


def carried(case: GoldenCase) -> Row:
    """The whole case for a tool's metadata, with the few facts that people filter by beside it."""
    facts = {
        "id": case.id,
        "split": case.split,
        "slice": case.slice,
        "status": case.status,
        "critical": case.critical,
        "exchange_id": case.source.exchange_id,
    }
    return {**{key: value for key, value in facts.items() if value is not None}, CARRIED: as_json(case)}


def facts_of(metadata: Any) -> Row:
    """A foreign row's metadata, without what we wrote beside the case ourselves."""
    return {key: value for key, value in metadata.items() if key != CARRIED} if isinstance(metadata, dict) else {}


def restored(row: Row, own: Any, write: Callable[[GoldenCase], Row], read: Callable[[Row, str], GoldenCase], place: str) -> GoldenCase:
    """The case of a row: what travelled under `goldwash` with what was edited beside it, or the row as it stands where nothing travelled.

    Raises BadCase.
    """
    if isinstance(own, str):
        own = parsed(own)
    if own is None:
        return read(row, place)
    case = of(own, f"{place}: {CARRIED}")
    written = write(case)
    if written == row:
        return case
    now, before = read(row, place), read(written, place)
    edits = {name: getattr(now, name) for name in EDITABLE if getattr(now, name) != getattr(before, name)}
    if not edits:
        return case
    changed = case.model_copy(update={**edits, "version": case.version + 1})
    return changed.model_copy(update={"id": identity(changed.input, changed.unit)})


def own_of(metadata: Any) -> Any:
    """What travelled in a row's metadata; None = nothing."""
    return metadata.get(CARRIED) if isinstance(metadata, dict) else None


def made(place: str, *, input: Input, tool: str, metadata: Row | None = None, **parts: Any) -> GoldenCase:  # noqa: A002  the case's word
    """A case of another tool's row, as a candidate: nobody has told us yet that it is confirmed. Raises BadCase."""
    given = {key: value for key, value in parts.items() if value is not None}
    kept = {key: value for key, value in (metadata or {}).items() if key not in _BESIDE}
    split = given.pop("split", "regression" if given.get("observed") is not None else "representative")
    try:
        return GoldenCase(input=input, source=Source(tool=tool), metadata=kept, split=split, **given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadCase(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


_BESIDE: Final = frozenset({"id", "split", "slice", "status", "critical", "exchange_id"})


def split_of(said: Any) -> str | None:
    """A tool's split, where it is one of ours."""
    return said if said in ("representative", "boundary", "adversarial", "regression") else None


def uuid_of(case: GoldenCase) -> str:
    """The case's id in the form of a UUID, for tools that want one (RFC 9562, version 8)."""
    value = int(case.id, 16)
    high, low = value >> 32, value & 0xFFFFFFFF
    return str(UUID(int=(high << 96) | (low & 0xFFFF0000) << 64 | 0x8 << 76 | 0b10 << 62 | (low & 0xFFFF) << 32))


def parsed(text: Any) -> Any:
    """The JSON in a text; None where there is none."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
