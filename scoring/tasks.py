"""The kinds of work that exchanges belong to, read from config/tasks.toml and an operator's own file over it.

A task says which checks run with which options, which rubric the judge gets, what is measured, and whether the unit is one exchange or
the whole trace. A mistake is told with file, line, key and fix.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

import config.scoring
from scoring.checks import SHELF, Prepared, near_duplicate, prepare
from scoring.checks.options import BadOptions, options_of
from scoring.logged import LoggedExchange
from scoring.metrics import METRICS

SHIPPED: Final = Path(config.scoring.__file__).parent / "tasks.toml"
PLACE: Final = Path("config") / "tasks.toml"
"""An operator's own file, beside the main configuration file."""
RUBRICS: Final = Path(config.scoring.__file__).parent / "rubrics"
"""Rubrics that come with goldwash, one for each shipped task."""
NEAR_DUPLICATE: Final = "near_duplicate"
Shape = Literal["documents", "tools", "json"]


class BadTasks(ValueError):
    """A file of tasks that cannot be used; its text names file, line, key and fix."""

    exit_code = 2


class Match(BaseModel):
    """One way to belong to a task: all keys that are set hold. Names take * and ?, and one of a list suffices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    sql: str | None = Field(default=None, min_length=1, max_length=4000)
    shape: tuple[Shape, ...] = ()

    @field_validator("feature", "task", "path", "model", "shape", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("sql")
    @classmethod
    def _one_condition(cls, value: str | None) -> str | None:
        if value is not None and (";" in value or "--" in value or value.count("(") != value.count(")")):
            raise ValueError("write one condition over columns of exchanges, such as \"feature = 'search' AND input_tokens > 1000\"")
        return value

    @property
    def rank(self) -> int:
        """What is asked first: tables that name something, then those that know a shape, then the one that takes all."""
        if self.feature or self.task or self.path or self.model or self.sql:
            return 0
        return 1 if self.shape else 2

    def fits(self, exchange: LoggedExchange, column: str) -> bool:
        """Whether an exchange belongs here; `column` names the condition's result in its row."""
        return (
            _named(self.feature, exchange.feature)
            and _named(self.task, exchange.task)
            and _named(self.path, exchange.path)
            and _named(self.model, exchange.request_model)
            and (self.sql is None or column in exchange.matched)
            and all(_SHAPES[shape](exchange) for shape in self.shape)
        )


class _Table(BaseModel):
    """A [tasks.NAME] table as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str = ""
    unit: Literal["exchange", "trace"] = "exchange"
    rubric: str | None = None
    metrics: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    top: int = Field(default=10, ge=1, le=1000)
    enabled: bool = True
    match: tuple[Match, ...] = ()
    checks: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("metrics")
    @classmethod
    def _measured(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, METRICS, "metric")

    @field_validator("without")
    @classmethod
    def _on_the_shelf(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known(value, [*(line.name for line in SHELF), NEAR_DUPLICATE], "check")


class _File(BaseModel):
    """A file of tasks as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    tasks: dict[str, _Table] = Field(default_factory=dict)

    @field_validator("tasks", mode="before")
    @classmethod
    def _written_plainly(cls, value: Any) -> Any:
        for name in value if isinstance(value, dict) else ():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", name):
                raise ValueError(f"the name {name!r}: write lower-case letters, digits, _ and -")
        return value


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of work, ready for use."""

    name: str
    about: str
    unit: Literal["exchange", "trace"]
    rubric: str | None  # None: no judge is asked
    metrics: tuple[str, ...]
    top: int  # of recall_at_k
    checks: tuple[Prepared, ...]
    near_duplicate: near_duplicate.Options | None  # None: not looked for
    label_field: str  # of a JSON answer, for classification
    tables: Mapping[str, Mapping[str, Any]]  # by check, its options as they are written


@dataclass(frozen=True, slots=True)
class Tasks:
    """All tasks, in the order in which they are asked."""

    tasks: tuple[Task, ...]
    rules: tuple[tuple[Match, str, Task], ...]  # with the column that holds the result of its SQL condition

    def of(self, exchange: LoggedExchange) -> Task | None:
        """The task of an exchange; None where no rule takes it (the shipped ones take all)."""
        for rule, column, task in self.rules:
            if rule.fits(exchange, column):
                return task
        return None

    @property
    def sql_columns(self) -> str:
        """What a SELECT over `exchanges e` must also give, so that SQL conditions can be told: `, (…) IS TRUE AS "match:…"`, or ''."""
        return "".join(f', ({rule.sql}) IS TRUE AS "match:{column}"' for rule, column, _ in self.rules if rule.sql is not None)

    @property
    def rubrics(self) -> frozenset[str]:
        """Names of the rubrics that the tasks want."""
        return frozenset(task.rubric for task in self.tasks if task.rubric is not None)


def beside(main: Path | None) -> Tasks:
    """The tasks in force: those beside the main configuration file (or in the working directory) over the shipped ones. Raises BadTasks."""
    own = (main.parent if main else Path()) / PLACE
    return load(own if own.is_file() and own.resolve() != SHIPPED.resolve() else None)


def load(path: Path | None = None) -> Tasks:
    """The shipped tasks, with an operator's file over them. Raises BadTasks."""
    if path is None:
        return parse("", "")
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadTasks(f"{path}: cannot be read as UTF-8 text ({error}); correct the path or the file") from error


def parse(text: str, file: str) -> Tasks:
    """The shipped tasks with the TOML `text` over them. Raises BadTasks that names file, line, key and fix."""
    shipped = SHIPPED.read_text(encoding="utf-8")
    try:
        own = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadTasks(f"{file}: this is not valid TOML: {error}") from error
    try:
        _File.model_validate(own)  # by itself first, so that a mistake is told where it stands
        whole = _File.model_validate(_over(own, tomllib.loads(shipped)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = [str(part) for part in first["loc"]]
        raise BadTasks(f"{file}, line {_line(text, place)}: {'.'.join(place)}: {_fix(first, place)}") from error
    tasks: dict[str, Task] = {}
    rules: list[tuple[Match, str, Task]] = []
    for name, table in whole.tasks.items():
        if not table.enabled:
            continue
        try:
            tasks[name] = _task(name, table, whole.checks)
        except BadOptions as error:
            mine = error.check in own.get("tasks", {}).get(name, {}).get("checks", {})
            place = [*(["tasks", name] if mine else []), "checks", error.check, error.key]
            raise BadTasks(f"{file}, line {_line(text, place)}: {error}") from error
        rules += [(rule, f"{name}/{number}", tasks[name]) for number, rule in enumerate(table.match)]
    rules.sort(key=lambda one: one[0].rank)
    return Tasks(tuple(tasks.values()), tuple(rules))


def _task(name: str, table: _Table, common: Mapping[str, Mapping[str, Any]]) -> Task:
    options: dict[str, dict[str, Any]] = {line.name: {} for line in SHELF}
    options[NEAR_DUPLICATE] = {}
    for given in (common, table.checks):
        for check, values in given.items():
            options[check] = {**options.get(check, {}), **values}
    for check in table.without:
        options.pop(check, None)
    whole_day = options.pop(NEAR_DUPLICATE, None)
    try:
        duplicates = None if whole_day is None else options_of(near_duplicate.Options, whole_day)
    except BadOptions as error:
        raise BadOptions(f"check {NEAR_DUPLICATE}: {error}", check=NEAR_DUPLICATE, key=error.key) from error
    label_field = str(options.get("label", {}).get("field", ""))
    checks = prepare(options)
    written = {check: values for check, values in options.items() if values}
    return Task(name, table.about, table.unit, table.rubric, table.metrics, table.top, checks, duplicates, label_field, written)


def _over(own: Any, shipped: Any) -> Any:
    """Two trees as one: tables are merged key by key, everything else of the operator's replaces the shipped; the operator's come first."""
    if not (isinstance(own, dict) and isinstance(shipped, dict)):
        return own
    merged = {key: _over(value, shipped[key]) if key in shipped else value for key, value in own.items()}
    return {**merged, **{key: value for key, value in shipped.items() if key not in own}}


def _named(patterns: tuple[str, ...], value: str | None) -> bool:
    return not patterns or (value is not None and any(fnmatchcase(value.casefold(), pattern.casefold()) for pattern in patterns))


_SHAPES: Final = {
    "documents": lambda exchange: bool(exchange.documents),
    "tools": lambda exchange: bool(exchange.tools[0] or exchange.tool_calls),
    "json": lambda exchange: exchange.answer_format is not None,
}


def _known(value: tuple[str, ...], known: Mapping[str, Any] | Sequence[str], what: str) -> tuple[str, ...]:
    for name in value:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            raise ValueError(f"there is no {what} {name!r}; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(known)}")
    return value


def _fix(error: Any, place: list[str]) -> str:
    if error["type"] != "extra_forbidden":
        return str(error["msg"]).removeprefix("Value error, ")
    kind = Match if "match" in place[:-1] else _Table if len(place) > 1 and place[0] == "tasks" else _File
    near = difflib.get_close_matches(place[-1], kind.model_fields, n=1)
    return f"there is no such key; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(kind.model_fields)}"


def _line(text: str, place: list[str]) -> int:
    """The line, from 1, on which a key stands, or the nearest table above it that is written out."""
    names = [part for part in place if part and not part.isdigit()]
    numbers = [int(part) for part in place if part.isdigit()]
    lines = text.splitlines()
    tables = list(_tables(lines))
    for depth in range(len(names), 0, -1):
        of_name = [line for line, name in tables if name == ".".join(names[:depth])]
        if of_name:
            start = of_name[min(numbers[0], len(of_name) - 1)] if numbers else of_name[0]
            end = next((line for line, _ in tables if line > start), len(lines))
            key = names[depth] if depth < len(names) else names[-1]
            inside = (line for line in range(start, end) if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", lines[line]))
            return next(inside, start) + 1
    return next((number for number, line in enumerate(lines, 1) if names and line.lstrip().startswith(names[-1])), 1)


def _tables(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each table's line, from 0, and its dotted name without quotation marks."""
    for number, line in enumerate(lines):
        match = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$", line)
        if match:
            yield number, re.sub(r"[\"']", "", match[1]).replace(" ", "")
