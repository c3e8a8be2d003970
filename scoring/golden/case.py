"""The golden case: one question that production taught, what right would be, and who says so; a line of `golden/*.jsonl`.

A line is canonical: keys sorted, unknown left out, so that two writers give the same bytes and `git diff` shows what changed. The id is a
hash of the normalised input, so that the same question asked twice is one case. Pure; `scoring.golden.store` touches the files.
"""

from __future__ import annotations

import difflib
import json
import math
import unicodedata
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from scoring.conversation import Message, messages
from scoring.gate.words import Status
from scoring.golden.blobs import taken_out

Split = Literal["representative", "boundary", "adversarial", "regression"]
"""Why a case is in the set; a `regression` case is a failure: what was observed must not pass its own checks."""
ExpectedSource = Literal["human", "judge_draft_accepted", "assertion", "rubric"]
IDENTITY: Final = 16
"""Hexadecimal digits of an id: two of a million cases share one by chance once in forty million sets."""
PASSING: Final = frozenset(
    "model stream stream_options user metadata store safety_identifier prompt_cache_key prompt_cache_retention service_tier".split()
)
"""Keys of a request's body that say who asks whom and how, and not what; two questions that differ in them alone are one case."""
HELD: Final = frozenset({"confirmed", "known_failing", "guarding"})
"""Statuses of cases that somebody confirmed."""


class BadCase(ValueError):
    """A case that cannot be used; its text names file, line, key and fix."""

    exit_code = 2


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Part):
    """What was asked, as it can be asked again."""

    dialect: str | None = None
    operation: str | None = None
    method: str | None = None
    path: str | None = None  # after the upstream's name
    headers: dict[str, str] = {}  # of an allow-list
    body: Any = None  # the request's JSON; long strings stand in blobs
    vars: dict[str, Any] = {}  # what a prompt under test is rendered with
    attachments: tuple[str, ...] = ()  # SHA-256 of each blob that the body refers to


class Document(_Part):
    """One retrieved text that was supplied with the question."""

    id: str | None = None
    text: str = ""
    title: str | None = None
    rank: int | None = None
    relevance: float | None = None
    source: str | None = None


class Call(_Part):
    """One tool call."""

    name: str
    arguments: Any = None  # text as the provider sent it, or JSON
    id: str | None = None


class Observed(_Part):
    """What production answered; never the expected answer."""

    text: str | None = None
    tool_calls: tuple[Call, ...] = ()
    refusal: str | None = None
    finish_reasons: tuple[str, ...] = ()


class Expected(_Part):
    """What right would be; all parts that are given hold."""

    text: str | None = None
    json_: Any = Field(default=None, alias="json")
    facts: tuple[str, ...] = ()
    tools: tuple[Call, ...] = ()
    label: str | None = None
    choice: Literal["A", "B", "tie"] | None = None
    refusal: bool | None = None
    retrieved_ids: tuple[str, ...] = ()
    test_file: str | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not dumped(self):
            raise ValueError("it says nothing: give text, json, facts, tools, label, choice, refusal, retrieved_ids or test_file")
        return self


class CaseCheck(_Part):
    """A deterministic check of the answer: a name of docs/golden.md or docs/checks.md, or module:function."""

    name: str = Field(min_length=1)
    options: dict[str, Any] = {}


class RubricItem(_Part):
    """One question for a judge, and the verdict that `observed` got."""

    name: str = Field(min_length=1)
    item: str = Field(min_length=1)
    question: str | None = None
    good: Literal["yes", "no"] = "yes"
    verdict: Literal["pass", "fail"] | None = None
    fingerprint: str | None = None


class Source(_Part):
    """Where the case was found."""

    exchange_id: str | None = None
    captured_at: str | None = None  # ISO 8601, UTC
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    prompt_version: str | None = None
    feature: str | None = None
    task: str | None = None
    tool: str | None = None  # the tool whose file it was imported from


class Confirmation(_Part):
    """Somebody looked and said what is right."""

    by: Literal["human", "judge"]
    who: str = Field(min_length=1)
    verdict: Literal["pass", "fail"]
    at: str  # ISO 8601, UTC
    family: str | None = None  # of a judge
    note: str | None = None


class Redaction(_Part):
    """What was taken out before the case left the log; the same value has the same surrogate everywhere in the case."""

    policies: tuple[str, ...] = ()
    replaced: dict[str, int] = {}  # distinct values, by kind


def _from_text(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class GoldenCase(_Part):
    """One case. None = not known."""

    id: str = ""
    version: int = Field(default=1, ge=1)
    status: Status = "candidate"
    critical: bool = False
    slice: str | None = None
    split: Split = "regression"
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    cluster: str | None = None  # the conversation it was cut from
    tags: tuple[str, ...] = ()
    owner: str | None = None
    unit: Literal["step", "conversation"] = "step"
    input: Input
    context: tuple[Document, ...] = ()
    observed: Annotated[Observed | None, BeforeValidator(_from_text)] = None
    expected: Annotated[Expected | None, BeforeValidator(_from_text)] = None
    expected_source: ExpectedSource | None = None
    checks: tuple[CaseCheck, ...] = ()
    rubric: RubricItem | None = None
    source: Source = Source()
    confirmation: tuple[Confirmation, ...] = ()
    redaction: Redaction = Redaction()
    metadata: dict[str, Any] = {}  # what another tool knows of the case and we have no key for

    @field_validator("tags")
    @classmethod
    def _sorted(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _trusted(self) -> Self:
        right = identity(self.input, self.unit)
        if not self.id:
            object.__setattr__(self, "id", right)  # the one field that follows from another
        if self.critical and self.status in HELD and not any(one.by == "human" for one in self.confirmation):
            raise ValueError("critical: a case that no person confirmed is never critical: leave critical out, or have a person confirm it")
        if self.status in HELD and not self.confirmation:
            raise ValueError(f"status: it is {self.status} and confirmation says by nobody: make it a candidate and confirm it")
        return self

    @property
    def is_failure(self) -> bool:
        """Whether what was observed is wrong by the case's own account."""
        return self.split == "regression"

    @property
    def said(self) -> tuple[Message, ...]:
        """The messages of its input, whatever dialect they are in."""
        return messages(self.input.body)

    @property
    def question(self) -> str:
        """The user's last words; '' where there are none."""
        return next((message.text for message in reversed(self.said) if message.role == "user" and message.text), "")

    @property
    def judge_families(self) -> frozenset[str]:
        """Families of the judges that confirmed it: none of them may grade it."""
        return frozenset(one.family or one.who for one in self.confirmation if one.by == "judge")


def identity(asked: Input, unit: str = "step") -> str:
    """The id of an input: a hash of what is asked, without who asks whom, in Unicode's composed form."""
    body = {key: value for key, value in asked.body.items() if key not in PASSING} if isinstance(asked.body, dict) else asked.body
    body = taken_out(body, {})  # the same whether long strings stand in it or in blobs
    said = {"dialect": asked.dialect, "operation": asked.operation, "body": body, "vars": asked.vars, "unit": unit}
    normal = canonical(_normal(said)).encode("utf-8", "replace")
    return sha256(normal).hexdigest()[:IDENTITY]


def canonical(value: Any) -> str:
    """A JSON value as text: keys sorted, no spaces, characters as they are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def clean(value: Any) -> Any:
    """A JSON value that UTF-8 and JSON can hold: no half surrogate pairs, no NaN, no infinity."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {str(clean(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def dumped(part: BaseModel) -> dict[str, Any]:
    """A part as JSON values, without what is as it is by default."""
    said: dict[str, Any] = part.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return said


def as_json(case: GoldenCase) -> dict[str, Any]:
    """The case as JSON values; id, version, status, split, unit and weight always, everything else where it says something."""
    value: dict[str, Any] = {
        **{key: getattr(case, key) for key in ("id", "version", "status", "split", "unit", "weight", "critical")},
        **{key: getattr(case, key) for key in _PLAIN if getattr(case, key) not in (None, {}, ())},
        "input": dumped(case.input),
    }
    for key in _PARTS:
        part = getattr(case, key)
        if part is not None and (said := dumped(part)):
            value[key] = said
        elif part is not None and key == "observed":
            value[key] = {}  # it answered nothing, which is not the same as not known
    for key in ("context", "checks"):
        if getattr(case, key):
            value[key] = [{**_NEEDED[key](part), **dumped(part)} for part in getattr(case, key)]
    if case.confirmation:
        value["confirmation"] = [dumped(part) for part in case.confirmation]
    if case.rubric is not None:
        value["rubric"] = {**dumped(case.rubric), "good": case.rubric.good}
    return value


_PLAIN: Final = ("slice", "cluster", "tags", "owner", "expected_source", "metadata")
_PARTS: Final = ("observed", "expected", "source", "redaction")
_NEEDED: Final[dict[str, Any]] = {"context": lambda part: {"text": part.text}, "checks": lambda part: {"name": part.name}}


def line(case: GoldenCase) -> str:
    """The case as its line of a golden file, without the line's end."""
    return canonical(clean(as_json(case)))


def parse(text: str, place: str) -> GoldenCase:
    """A case from a line. Raises BadCase that names place, key and fix."""
    try:
        value = json.loads(text)  # and not a faster reader: whole numbers of any size must come back as they are
    except (ValueError, RecursionError) as error:
        why = str(error) or "nested too deep"
        raise BadCase(f"{place}: this is no JSON object ({why}): each line must hold one golden case") from error
    return of(value, place)


def of(value: Any, place: str) -> GoldenCase:
    """A case from JSON values. Raises BadCase; also where the id is not that of the input."""
    if not isinstance(value, dict):
        raise BadCase(f"{place}: a {type(value).__name__} is no golden case: each line must hold one JSON object")
    try:
        case = GoldenCase.model_validate(clean(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadCase(f"{place}: {_spelled(first['loc'])}{_fix(first)}") from error
    right = identity(case.input, case.unit)
    if case.id != right:
        raise BadCase(f"{place}: id: {case.id!r} is not the hash of this input: write {right!r}, or leave it out")
    return case


def lines_of(text: str, name: str) -> list[GoldenCase]:
    """All cases of a golden file. Raises BadCase that names the line; also where an id comes twice."""
    found: list[GoldenCase] = []
    seen: dict[str, int] = {}
    for number, one in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not one.strip():
            continue
        case = parse(one, f"{name}:{number}")
        if case.id in seen:
            raise BadCase(f"{name}:{number}: id: {case.id} stands in line {seen[case.id]} already: keep one of them")
        seen[case.id] = number
        found.append(case)
    return found


def text_of(cases: list[GoldenCase]) -> str:
    """A golden file: a line a case, sorted by id."""
    return "".join(f"{line(case)}\n" for case in sorted(cases, key=lambda one: one.id))


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    if isinstance(value, dict):
        return {clean(key): _normal(item) for key, item in value.items()}  # a key is no text: two must never become one
    return [_normal(item) for item in value] if isinstance(value, list) else clean(value)


def _spelled(place: tuple[int | str, ...]) -> str:
    return f"{'.'.join(str(part) for part in place)}: " if place else ""


def _fix(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        of_part: type[BaseModel] = _KINDS.get(error["loc"][0], GoldenCase) if len(error["loc"]) > 1 else GoldenCase
        known = [field.alias or name for name, field in of_part.model_fields.items()]
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        return f"there is no such key; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(known)}"
    if error["type"] == "missing":
        return "it is missing: add it"
    return str(error["msg"]).removeprefix("Value error, ")


_KINDS: Final[dict[Any, type[BaseModel]]] = {
    "input": Input,
    "context": Document,
    "observed": Observed,
    "expected": Expected,
    "checks": CaseCheck,
    "rubric": RubricItem,
    "source": Source,
    "confirmation": Confirmation,
    "redaction": Redaction,
}
