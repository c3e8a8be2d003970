"""Writes docs/alert-rules.md, every key of every kind of rule, from the types themselves; `python -m scoring.alerts.reference` prints it.

A test compares it with the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scoring.alerts.kinds import KINDS, Common, Pair, Slo, spelled
from scoring.alerts.slis import DIMENSIONS, SLIS

INTRODUCTION: Final = """\
<!-- Made by python -m scoring.alerts.reference from scoring/alerts/kinds.py; edit that, not this page. -->
# Alert rules: every key

A `[rule.NAME]` has a `kind`, the keys of its kind and those that all kinds share. What the rules are for, and how they decide, is on the
page about [alerts](alerts.md). Lengths of time are text with a unit: "90s", "15m", "1h", "7d".
"""


def page() -> str:
    """The page as Markdown."""
    return "\n".join([INTRODUCTION, *_lines()])


def _lines() -> Iterator[str]:
    yield from _table("All kinds", Common.model_fields, {})
    for name, kind in KINDS.items():
        about = (kind.__doc__ or "").partition(": ")[2]
        yield from _table(f'kind = "{name}"', kind.model_fields, Common.model_fields, about[:1].upper() + about[1:])
    yield from _table("A pair of `burn`", Pair.model_fields, {})
    yield from _table("[slo.NAME]", Slo.model_fields, {}, "What share of good events is promised over how many days.")
    yield "## Indicators (`sli`)\n"
    yield "| name | counts as bad | among |"
    yield "|---|---|---|"
    yield from (f"| `{sli.name}` | {sli.bad} | {sli.counted} |" for sli in SLIS.values())
    yield f"\nDimensions (`slices`, `group_by`): {', '.join(f'`{name}`' for name in DIMENSIONS)}.\n"


def _table(title: str, fields: Mapping[str, FieldInfo], shared: Mapping[str, FieldInfo], about: str = "") -> Iterator[str]:
    """The keys that are not shared, and those that have another default here."""
    yield f"## {title}\n"
    if about:
        yield about + "\n"
    yield "| key | default | what it says |"
    yield "|---|---|---|"
    for name, field in fields.items():
        known = shared.get(name)
        if name in ("name", "kind") or (known is not None and known.get_default(call_default_factory=True) == _default(field)):
            continue
        yield f"| `{name}` | {_shown(field)} | {field.description or (known.description if known else '') or ''} |"
    yield ""


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True)


def _shown(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    return f"`{_spelled(_default(field))}`"


def _spelled(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case timedelta():
            return f'"{spelled(value)}"'
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(_spelled(one) for one in value)}]"
        case BaseModel():
            return f"{{ {', '.join(f'{key} = {_spelled(one)}' for key, one in value)} }}"
        case dict():
            return "{ }"
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.stdout.write(page())
