"""The shelf of assertions: checks that only a golden case can have, since they know what right would be there.

They have the one signature of scoring/checks, and stand beside that shelf in a case's `checks`. Unlike those they always apply: an
answer that is not there does not contain what it must. Texts are compared without the white space around them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, NamedTuple

from scoring.checks import Prepared, Result, prepare, run
from scoring.checks.answers import parsed
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import BadOptions, option, options_of
from scoring.golden.expressions import NotShared, compiled
from scoring.golden.run_checks import RUN_CHECKS, needs_run
from scoring.logged import LoggedExchange


def _one(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Equals:
    """Options of `equals`."""

    value: str = option("", "The whole answer.")
    ignore_case: bool = option(False, "Capitals do not matter.")


@dataclass(frozen=True, slots=True)
class Contains:
    """Options of `contains` and `not_contains`."""

    values: tuple[str, ...] = option((), "Texts that must occur, or must not.")
    ignore_case: bool = option(False, "Capitals do not matter.")
    need: Literal["all", "any"] = option("all", "For `contains`: whether one of them is enough.")

    def __post_init__(self) -> None:
        if not self.values or not all(self.values):
            raise ValueError('values is empty: write the texts, such as ["refund", "14 days"]')


@dataclass(frozen=True, slots=True)
class StartsWith:
    """Options of `starts_with`."""

    value: str = option("", "How the answer begins.")


@dataclass(frozen=True, slots=True)
class Regex:
    """Options of `regex` and `not_regex`."""

    pattern: str = option("", "RE2 expression, within what JavaScript shares.")

    def __post_init__(self) -> None:
        if not self.pattern:
            raise ValueError("pattern is empty: it would match everything")
        try:
            compiled(self.pattern)
        except NotShared as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class JsonEquals:
    """Options of `json_equals`."""

    value: Any = dataclasses.field(default=None, metadata={"sentence": "The JSON that the answer must be, keys in any order."})


@dataclass(frozen=True, slots=True)
class JsonFields:
    """Options of `json_fields`."""

    fields: Mapping[str, Any] = dataclasses.field(
        default_factory=dict, metadata={"sentence": "Path of a field (dots go down) → the value it must have."}
    )


@dataclass(frozen=True, slots=True)
class ToolsCalled:
    """Options of `tools_called`."""

    names: tuple[str, ...] = option((), "Tools that the answer must call, as often as they stand here; none: it must call none.")


def _equals(exchange: LoggedExchange, options: Equals) -> Finding:
    said, wanted = exchange.text, options.value.strip()
    same = said.casefold() == wanted.casefold() if options.ignore_case else said == wanted
    return Finding(True, "is the expected text") if same else Finding(False, "is not the expected text", excerpt(said))


def _contains(exchange: LoggedExchange, options: Contains) -> Finding:
    missing = _absent(exchange.text, options)
    if not missing or (options.need == "any" and len(missing) < len(options.values)):
        return Finding(True, "says what it must")
    return Finding(False, f"does not say {' or '.join(map(repr, missing[:5]))}", excerpt(exchange.text))


def _not_contains(exchange: LoggedExchange, options: Contains) -> Finding:
    missing = _absent(exchange.text, options)
    present = [value for value in options.values if value not in missing]
    if not present:
        return Finding(True, "says nothing that it must not")
    at = exchange.text.casefold().find(present[0].casefold())
    return Finding(False, f"says {present[0]!r}, which it must not", excerpt(exchange.text, max(0, at)))


def _absent(text: str, options: Contains) -> list[str]:
    if not options.ignore_case:
        return [value for value in options.values if value not in text]
    folded = text.casefold()
    return [value for value in options.values if value.casefold() not in folded]


def _starts_with(exchange: LoggedExchange, options: StartsWith) -> Finding:
    starts = exchange.text.startswith(options.value.lstrip())
    return (
        Finding(True, "begins as it must") if starts else Finding(False, f"does not begin with {options.value!r}", excerpt(exchange.text))
    )


def _regex(exchange: LoggedExchange, options: Regex) -> Finding:
    if compiled(options.pattern).search(exchange.text):
        return Finding(True, f"matches {options.pattern}")
    return Finding(False, f"does not match {options.pattern}", excerpt(exchange.text))


def _not_regex(exchange: LoggedExchange, options: Regex) -> Finding:
    match = compiled(options.pattern).search(exchange.text)
    if match is None:
        return Finding(True, f"does not match {options.pattern}")
    return Finding(False, f"matches {options.pattern}, which it must not", excerpt(match.group(0)))


def _json_equals(exchange: LoggedExchange, options: JsonEquals) -> Finding:
    found = exchange.once(parsed)
    if found.error is not None:
        return Finding(False, f"is no JSON: {found.error}", excerpt(exchange.text))
    if found.value == options.value:
        return Finding(True, "is the expected JSON")
    return Finding(False, "is not the expected JSON", excerpt(exchange.text))


def _json_fields(exchange: LoggedExchange, options: JsonFields) -> Finding:
    found = exchange.once(parsed)
    if found.error is not None:
        return Finding(False, f"is no JSON: {found.error}", excerpt(exchange.text))
    wrong = [path for path, value in options.fields.items() if _at(found.value, path) != (True, value)]
    if not wrong:
        return Finding(True, "has the expected fields", score=1.0)
    return Finding(False, f"wrong or missing: {', '.join(wrong[:10])}", excerpt(exchange.text), score=1 - len(wrong) / len(options.fields))


def _at(value: Any, path: str) -> tuple[bool, Any]:
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return False, None
        value = value[step]
    return True, value


def _tools_called(exchange: LoggedExchange, options: ToolsCalled) -> Finding:
    called = sorted(call.name for call in exchange.calls)
    if called == sorted(options.names):
        return Finding(True, "calls the expected tools")
    return Finding(False, f"calls {', '.join(called) or 'no tool'} and not {', '.join(options.names) or 'none'}")


class Assertion(NamedTuple):
    """A line of the shelf."""

    name: str
    check: Callable[[LoggedExchange, Any], Finding]
    options: type
    lists: str | None = None  # an option that takes one text for a list of one


SHELF: Final = (
    Assertion("equals", _equals, Equals),
    Assertion("contains", _contains, Contains, "values"),
    Assertion("not_contains", _not_contains, Contains, "values"),
    Assertion("starts_with", _starts_with, StartsWith),
    Assertion("regex", _regex, Regex),
    Assertion("not_regex", _not_regex, Regex),
    Assertion("json_equals", _json_equals, JsonEquals),
    Assertion("json_fields", _json_fields, JsonFields),
    Assertion("tools_called", _tools_called, ToolsCalled, "names"),
    *(Assertion(name, needs_run, options) for name, options in RUN_CHECKS.items()),
)
"""All assertions; every name of docs/checks.md may stand beside them in a case."""


@cache
def _named() -> dict[str, Assertion]:
    return {line.name: line for line in SHELF}


def prepared(name: str, options: Mapping[str, Any]) -> Prepared:
    """An assertion or a check, ready to run. Raises BadOptions that names it, the key and the fix."""
    line = _named().get(name)
    if line is None:
        return prepare({name: options})[0]
    table = {key: _one(value) if key == line.lists else value for key, value in options.items()}
    try:
        return Prepared(name, line.check, options_of(line.options, table), True, name)
    except BadOptions as error:
        raise BadOptions(f"check {name}: {error}", check=name, key=error.key) from error


__all__ = ["SHELF", "Assertion", "BadOptions", "Result", "prepared", "run"]
