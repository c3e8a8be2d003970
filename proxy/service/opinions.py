"""What the outside may tell the log of an exchange (feedback, scores, documents that never passed): checked, then framed for the spool."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from proxy.spool import frames

MOST: Final = 1000
"""Items of one call."""

Name = Field(min_length=1, max_length=200)
Text = Field(default=None, max_length=1_000_000)
Short = Field(default=None, max_length=1000)


class Invalid(ValueError):
    """A body that cannot be taken; names the key and what is wrong with it."""


class _About(BaseModel):
    """What it is about: our exchange id (the `goldwash-id` header) or the provider's own response id."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: UUID | None = None  # of this record: a client that repeats a call with the same id adds nothing
    exchange_id: UUID | None = None
    response_id: str | None = Short
    properties: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _about_something(self) -> _About:
        if self.exchange_id is None and self.response_id is None and not getattr(self, "session_id", None):
            raise ValueError("say what it is about: exchange_id (the goldwash-id header of the answer) or response_id (the provider's own)")
        return self


class Feedback(_About):
    """What a user or an app thought of an answer."""

    name: str = Field(default="feedback", min_length=1, max_length=200)
    score: float | None = None
    value: str | bool | int | float | None = None
    comment: str | None = Text
    source: str | None = Short
    user_id: str | None = Short
    session_id: str | None = Short

    @model_validator(mode="after")
    def _says_something(self) -> Feedback:
        if self.score is None and self.value is None and self.comment is None:
            raise ValueError("say something: score (a number), value (a word) or comment")
        return self


class Score(_About):
    """What a check, a judge or a person measured."""

    name: str = Name
    kind: str = Field(default="external", min_length=1, max_length=200)
    value: float | None = None
    label: str | None = Short
    passed: bool | None = None
    unscored: str | None = Short  # why there is no value
    reason: str | None = Text
    evidence: str | None = Text
    scorer: str | None = Short
    scorer_version: str | None = Short
    fingerprint: str | None = Short
    run_id: str | None = Short
    request_model: str | None = Short
    response_model: str | None = Short
    judge_exchange_id: UUID | None = None
    cost_usd: float | None = Field(default=None, ge=0)
    stratum: str | None = Short
    inclusion_probability: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _says_something(self) -> Score:
        if self.value is None and self.passed is None and self.label is None and self.unscored is None:
            raise ValueError("say value, passed or label; or unscored with the reason why there is none")
        return self


class Document(BaseModel):
    """One retrieved document."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str = Name
    rank: int | None = None
    relevance: float | None = None
    title: str | None = Short
    source: str | None = Short
    text: str | None = Field(default=None, max_length=4_000_000)
    properties: dict[str, Any] | None = None


class Context(_About):
    """What was retrieved for an exchange."""

    documents: list[Document] = Field(min_length=1, max_length=MOST)


_FEEDBACK: Final = TypeAdapter(list[Feedback])
_SCORES: Final = TypeAdapter(list[Score])
_CONTEXTS: Final = TypeAdapter(list[Context])

Kind = Literal["feedback", "scores", "contexts"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """One row to be: the table, and its columns as JSON."""

    record_id: bytes
    name: str
    json: bytes

    @property
    def id(self) -> str:
        """The record's id, as the log shows it."""
        return str(UUID(bytes=self.record_id))

    def frame(self, now_ns: int) -> bytes:
        """The payload for Spool.append; now_ns: Unix time."""
        return frames.record(self.record_id, now_ns, self.name, self.json)


def parse(kind: Kind, body: Any) -> list[Opinion]:
    """Opinions from the JSON of a call: one object, or a list of up to MOST. Raises Invalid."""
    items = body if isinstance(body, list) else [body]
    if not 0 < len(items) <= MOST:
        raise Invalid(f"a call takes 1 to {MOST} items, this one has {len(items)}: send them in parts")
    try:
        if kind == "feedback":
            return [_opinion(kind, item, item) for item in _FEEDBACK.validate_python(items)]
        if kind == "scores":
            return [_opinion(kind, item, item) for item in _SCORES.validate_python(items)]
        return [opinion for item in _CONTEXTS.validate_python(items) for opinion in _documents(item)]
    except ValidationError as error:
        raise Invalid(_sentence(error, isinstance(body, list))) from error


def _opinion(kind: str, about: _About, said: BaseModel) -> Opinion:
    return Opinion(about.id.bytes if about.id else uuid7(), kind, said.model_dump_json(exclude_none=True, exclude={"id"}).encode())


def _documents(context: Context) -> Sequence[Opinion]:
    about = context.model_dump(mode="json", include={"exchange_id", "response_id", "properties"}, exclude_none=True)
    opinions = []
    for n, document in enumerate(context.documents):
        row = {**about, **document.model_dump(mode="json", exclude={"id"}, exclude_none=True), "document_id": document.id}
        row["properties"] = {**about.get("properties", {}), **(document.properties or {})} or None
        record_id = uuid7() if context.id is None else ((context.id.int + n) % (1 << 128)).to_bytes(16, "big")
        opinions.append(Opinion(record_id, "contexts", _JSON.dump_json(row)))
    return opinions


_JSON: Final = TypeAdapter(dict[str, Any])


def _sentence(error: ValidationError, many: bool) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in (first["loc"] if many else first["loc"][1:]))
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        what = "there is no such key; what it says can go under properties"
    return f"{key}: {what}" if key else what


def uuid7() -> bytes:
    """A UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, the rest random."""
    random = secrets.randbits(74)
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return value.to_bytes(16, "big")
