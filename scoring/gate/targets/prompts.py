"""Puts a prompt file into a request: {{name}} from the case's vars, and a JSON pointer that says where. Pure.

Pointers are those of RFC 6901. What a pointer leads to must be there: a prompt that lands nowhere would pass for the one under test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from scoring.gate.results import BadInput

_PLACE: Final = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class PromptText:
    """A prompt under test, as it stands in its file."""

    file: str
    at: str  # JSON pointer into the request's body
    text: str

    @property
    def sha256(self) -> str:
        """Of the text; tells one version of the file from another."""
        return sha256(self.text.encode("utf-8", "replace")).hexdigest()

    def as_json(self) -> dict[str, str]:
        """For the header of a result file."""
        return {"file": self.file, "at": self.at, "sha256": self.sha256, "text": self.text}


def rendered(prompt: PromptText, vars_: Mapping[str, Any], case: str) -> str:
    """The prompt with the case's vars in place. Raises BadInput where it wants one that the case has not."""

    def value(found: re.Match[str]) -> str:
        at: Any = vars_
        for part in found[1].split("."):
            if not isinstance(at, Mapping) or part not in at:
                has = ", ".join(sorted(vars_)) or "none"
                raise BadInput(
                    f"{prompt.file}: it wants {{{{{found[1]}}}}}, and case {case} has the vars {has}: add it to input.vars there"
                )
            at = at[part]
        return at if isinstance(at, str) else json.dumps(at, ensure_ascii=False)

    return _PLACE.sub(value, prompt.text)


def put(body: Any, at: str, text: str, where: str) -> Any:
    """A copy of the body with the text at the pointer. Raises BadInput, with `where` named, where the pointer does not resolve."""
    copy = deepcopy(body)
    parts = [part.replace("~1", "/").replace("~0", "~") for part in at.split("/")[1:]]
    holder: Any = None
    here = copy
    for depth, part in enumerate(parts):
        holder = here
        found, here = _step(here, part)
        if not found:
            so_far = "/" + "/".join(parts[:depth])
            raise BadInput(f"{where}: prompt.at = {at} does not resolve: {_described(holder, so_far)}; correct the pointer")
    if isinstance(here, Mapping | bool | int | float):
        kind = "an object" if isinstance(here, Mapping) else f"{here!r}"
        raise BadInput(f"{where}: prompt.at = {at} leads to {kind} and not to text; point at the text itself")
    if isinstance(holder, list):
        holder[int(parts[-1])] = text
    else:
        holder[parts[-1]] = text
    return copy


def _step(value: Any, part: str) -> tuple[bool, Any]:
    if isinstance(value, dict):
        return part in value, value.get(part)
    if isinstance(value, list) and part.isdecimal() and (part == "0" or not part.startswith("0")) and int(part) < len(value):
        return True, value[int(part)]
    return False, None


def _described(value: Any, at: str) -> str:
    place = "the body" if at == "/" else at
    if isinstance(value, dict):
        return f"{place} has the keys {', '.join(list(value)[:12]) or '(none)'}"
    if isinstance(value, list):
        return f"{place} has {len(value)} items"
    return f"{place} is {'nothing' if value is None else f'a {type(value).__name__}'}"
