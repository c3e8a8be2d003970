"""Reads rubrics: files of atomic yes/no questions with an owner and a version; a mistake is told with file, line and fix.

    name = "grounded_answer"
    version = "2"
    owner = "search team"

    [[item]]
    id = "supported"
    question = "Is every factual claim of the answer supported by the supplied documents?"
    good = "yes"              # the answer that passes
    quote = "on_fail"         # when words of the judged text must be quoted: always | on_fail | never
    critical = true           # failing it fails the whole
    needs = ["context"]       # asked only where the exchange has it: context | tools | question

Source of the form: rubrics of atomic binary items written by people agree best with people (RubricBench, arXiv 2603.01562).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Need = Literal["context", "tools", "question"]
ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST_ITEMS: Final = 20
"""Questions of one rubric: more in one call and the last ones are answered carelessly."""


class BadRubric(ValueError):
    """A rubric file that cannot be used; its text names file, line and fix."""

    exit_code = 2


class Item(BaseModel):
    """One question that can be answered with yes or no from what the judge is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str = Field(min_length=10, max_length=2000)
    good: Literal["yes", "no"] = "yes"
    quote: Literal["always", "on_fail", "never"] = "on_fail"
    critical: bool = True
    needs: tuple[Need, ...] = ()

    @field_validator("id")
    @classmethod
    def _named(cls, value: str) -> str:
        if not ID.fullmatch(value):
            raise ValueError("write lower case letters, digits and _, such as is_supported")
        return value


class Rubric(BaseModel):
    """The questions of one task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = Field(min_length=1, max_length=40)
    owner: str = Field(min_length=1, max_length=200)
    about: str = Field(default="", max_length=2000)
    item: tuple[Item, ...] = Field(min_length=1, max_length=MOST_ITEMS)

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        return Item._named(value)  # noqa: SLF001  one rule for both names

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("item")
    @classmethod
    def _once(cls, value: tuple[Item, ...]) -> tuple[Item, ...]:
        ids = [item.id for item in value]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} stands twice: give each question its own")
        if not any(item.critical for item in value):
            raise ValueError("no item is critical, so nothing could ever fail: leave critical = true with at least one")
        return value

    def asked(self, has: frozenset[str]) -> tuple[Item, ...]:
        """The items that apply to an exchange that has these things."""
        return tuple(item for item in self.item if has.issuperset(item.needs))

    @property
    def hash(self) -> str:
        """Changes with any word of it."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:16]


def parse(text: str, file: str) -> Rubric:
    """A rubric from TOML. Raises BadRubric that names file, line and fix."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRubric(f"{file}: this is not valid TOML: {error}") from error
    try:
        return Rubric.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = tuple(first["loc"])
        raise BadRubric(f"{file}, line {_line(text, place)}: {_spelled(place)}: {_fix(first, place)}") from error


def load(path: Path) -> Rubric:
    """The rubric in a file. Raises BadRubric."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRubric(f"{path}: cannot be read as UTF-8 text ({error}); correct the path or the file") from error


def load_all(directories: Iterable[Path]) -> dict[str, Rubric]:
    """Rubrics by name; a directory that stands earlier wins, so that one's own rubric replaces a shipped one. Raises BadRubric."""
    found: dict[str, Rubric] = {}
    for directory in directories:
        here: dict[str, Path] = {}
        for path in sorted(directory.glob("*.toml")):
            rubric = load(path)
            if rubric.name in here:
                raise BadRubric(f"{path}, line 1: name: {here[rubric.name].name} has the name {rubric.name!r} already: rename one")
            here[rubric.name] = path
            found.setdefault(rubric.name, rubric)
    return found


def _fix(error: Any, place: tuple[int | str, ...]) -> str:
    known = Item.model_fields if len(place) > 1 and place[0] == "item" else Rubric.model_fields
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        return f"there is no such key; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(known)}"
    if error["type"] == "missing":
        return f"it is missing; add {place[-1]} = …" if place[-1] != "item" else "there is no question; add a table [[item]]"
    return str(error["msg"]).removeprefix("Value error, ")


def _spelled(place: tuple[int | str, ...]) -> str:
    if len(place) > 1 and isinstance(place[1], int):
        return f"item {place[1] + 1}" + "".join(f" {part}" for part in place[2:3])
    return str(place[0]) if place else "the rubric"


def _line(text: str, place: tuple[int | str, ...]) -> int:
    """The line a key stands on, from 1; of its table where the key is not there."""
    lines = text.splitlines()
    first, last = 0, len(lines)
    headers = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*item\s*\]\]", line)]
    if len(place) > 1 and isinstance(place[1], int) and place[1] < len(headers):
        first = headers[place[1]]
        last = headers[place[1] + 1] if place[1] + 1 < len(headers) else len(lines)
    elif headers:
        first, last = (headers[0], headers[0] + 1) if place == ("item",) else (0, headers[0])
    key = next((part for part in reversed(place) if isinstance(part, str)), "")
    found = next((n for n in range(first, last) if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", lines[n])), first)
    return found + 1
