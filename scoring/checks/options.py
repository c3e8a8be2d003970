"""Options of checks: a frozen dataclass a check, made from a table of the configuration with every mistake named."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError


class BadOptions(ValueError):
    """A table of options holds a key or a value that its check does not take; says which check and key, where they are known."""

    def __init__(self, message: str, *, check: str = "", key: str = "") -> None:
        super().__init__(message)
        self.check = check
        self.key = key


def option(default: Any, sentence: str) -> Any:
    """A field of a check's options: its default, and the sentence that the page of checks shows."""
    return dataclasses.field(default=default, metadata={"sentence": sentence})


def options_of(kind: type, table: Mapping[str, Any]) -> Any:
    """The options in a table; `dict` takes any table as it is. Raises BadOptions that names the key and the fix."""
    if kind is dict:
        return dict(table)
    known = [field.name for field in dataclasses.fields(kind)]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'no options'}"
            raise BadOptions(f"{key}: no such option; {hint}", key=key)
    try:
        return _adapter(kind).validate_python(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "options"
        said = str(first["msg"]).removeprefix("Value error, ")
        key = str(first["loc"][0]) if first["loc"] else ""
        raise BadOptions(f"{place} = {first['input']!r}: {said}", key=key) from error


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    kind.__pydantic_config__ = ConfigDict(extra="forbid", strict=False)  # type: ignore[attr-defined]
    return TypeAdapter(kind)
