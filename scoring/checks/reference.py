"""Writes docs/checks.md from the checks themselves, so that the page cannot lag behind the code.

`python -m scoring.checks.reference` prints the page; a test compares it with the file. The costs come from docs/checks-cost.md, which
`python -m scoring.checks.speed` measures: a page that a test compares cannot hold figures that differ from run to run.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from scoring.checks import SHELF
from scoring.checks.contract import ENOUGH_HITS, MOST_WRONG, Measured

INTRODUCTION: Final = f"""\
<!-- Made by python -m scoring.checks.reference from scoring/checks/; edit the code, not this page. -->
# Checks

Deterministic checks run on every finished exchange of the day, before any judge and without cost in tokens. Each says *passed*,
*failed* or *unscored* (it applies and could not tell, with the reason); one that does not apply says nothing. A failure of a validated
check flags the exchange; the others inform: their findings are stored, shown beside a verdict, and flag nothing.

A check that rests on patterns is validated by its precision on recorded traffic of some 40 providers: 2,351 exchanges, 1,522 of them
with an answer in text. Its distinct findings were read one by one; at least {ENOUGH_HITS} are needed, and at most {MOST_WRONG:.0%} of them
may be wrong. The patterns were written with this traffic in view, so that the figures flatter, and the traffic holds few refusals, no
attacks and no leaked keys: where you have measured more on your own, write `validated = true` (or `false`) into the check's table.

A task's `[tasks.NAME.checks.CHECK]` table sets the options. A check of your own stands beside them as `"my.module:function"`: a function
of (exchange, options) that returns a `Finding` or None; options are the table as a dict, or the dataclass that the function carries as
`Options`. A finding that `overrides a judge` stands against a judge's pass. What each costs: [checks-cost.md](checks-cost.md).
"""


def page() -> str:
    """The whole page as Markdown."""
    return "".join(_page())


def module_of(name: str) -> ModuleType:
    """The file of a check."""
    return importlib.import_module(f"scoring.checks.{name}")


def _page() -> Iterator[str]:
    yield INTRODUCTION
    yield "\n| check | validated by | hits read | right |\n|---|---|---|---|\n"
    names = [*(line.name for line in SHELF), "near_duplicate"]
    for name in names:
        yield f"| [{name}](#{name}) | {' | '.join(_validated(module_of(name)))} |\n"
    for name in names:
        module = module_of(name)
        yield f"\n## {name}\n\n{inspect.getdoc(module)}\n\n"
        yield from _options(module)


def _validated(module: ModuleType) -> tuple[str, str, str]:
    measured: Measured | None = getattr(module, "MEASURED", None)
    if measured is None:
        return "what it looks at is a fact, or a measure of the text", "", ""
    precision = "" if measured.precision is None else f"{measured.precision:.0%}"
    return "its precision" if measured.validated else "not validated: informs", str(measured.hits), precision


def _options(module: ModuleType) -> Iterator[str]:
    fields = dataclasses.fields(module.Options)
    if not fields:
        return
    yield "| option | default | |\n|---|---|---|\n"
    for field in fields:
        yield f"| `{field.name}` | {_default(field)} | {field.metadata['sentence']} |\n"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "needed"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.stdout.write(page())
