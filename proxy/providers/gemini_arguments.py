"""Puts a function call's arguments together where Gemini streams them as (JSON path, value) pieces.

Source: cloud.google.com, "Stream function call arguments": `partialArgs` holds {jsonPath, stringValue|numberValue|boolValue|nullValue,
willContinue}; text of the same path is appended while it continues.
"""

from __future__ import annotations

import re
from typing import Any

MAX_STEPS = 64  # how deep a path may go
MAX_INDEX = 10_000  # how long an array may get; a path is not to make us allocate

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"\]]*)['\"]\]")


def apply_piece(arguments: dict[str, Any], piece: dict[str, Any]) -> None:
    """Set (or, for text, append) what `piece` says at its path inside `arguments`; a path that makes no sense is left out."""
    path = piece.get("jsonPath")
    if not isinstance(path, str) or not path.startswith("$"):
        return
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or len(steps) >= MAX_STEPS:
            return
        name, index, quoted = found.groups()
        steps.append(int(index) if index is not None and len(index) < 6 else name or quoted or index or "")
        at = found.end()
    if not steps or isinstance(steps[0], int):
        return
    value = next((piece[key] for key in ("stringValue", "numberValue", "boolValue") if key in piece), None)
    _put(arguments, steps, value)


def _put(node: Any, steps: list[str | int], value: Any) -> None:
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        old = _get(node, step)
        if following is None:
            new = old + value if isinstance(old, str) and isinstance(value, str) else value
        else:
            wanted: type = list if isinstance(following, int) else dict
            new = old if isinstance(old, wanted) else wanted()
        if not _set(node, step, new):
            return
        node = new


def _get(node: Any, step: str | int) -> Any:
    if isinstance(node, list):
        return node[step] if isinstance(step, int) and step < len(node) else None
    return node.get(step)


def _set(node: Any, step: str | int, value: Any) -> bool:
    if isinstance(node, dict):
        node[step] = value
        return True
    if not isinstance(step, int) or step > MAX_INDEX:
        return False
    node.extend([None] * (step + 1 - len(node)))
    node[step] = value
    return True
