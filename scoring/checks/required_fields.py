"""Whether a JSON answer has the fields that the task names, with a value in them.

Applies where the task names fields (`fields = ["name", "address.city", "items[].price"]`) and the answer is JSON. A field that is
missing, null or an empty text fails; `[]` asks it of each element.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scoring.checks.answers import parsed
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange


@dataclass(frozen=True, slots=True)
class Options:
    """The fields."""

    fields: tuple[str, ...] = option(default=(), sentence="Paths of fields that must hold a value; dots go down, `[]` means each element.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not options.fields or not exchange.text or not exchange.is_answer or not exchange.is_whole:
        return None
    found = exchange.once(parsed)
    if found.error is not None:
        return None
    missing = [path for path in options.fields if any(value in (None, "") for value in _values(found.value, path))]
    share = 1 - len(missing) / len(options.fields)
    if not missing:
        return Finding(True, "all required fields are there", score=share)
    return Finding(False, f"no value for {', '.join(missing[:10])}", excerpt(exchange.text), score=share)


def _values(value: Any, path: str) -> Iterator[Any]:
    """What stands at a path, once an element; None where the path ends early."""
    if not path:
        yield value
        return
    step, _, rest = path.partition(".")
    name, each = step.removesuffix("[]"), step.endswith("[]")
    inner = value.get(name) if name and isinstance(value, dict) else None if name else value
    if not each:
        yield from _values(inner, rest) if inner is not None else (None,)
    elif isinstance(inner, list):
        for element in inner:
            yield from _values(element, rest)
    else:
        yield None
