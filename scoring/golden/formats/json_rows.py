"""Rows of JSON as text, one a line or in one list, the same bytes for the same rows; read back with the place of each. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from scoring.golden.case import BadCase, canonical, clean


def lines(rows: Iterable[Any]) -> str:
    """One JSON value a line."""
    return "".join(f"{canonical(clean(row))}\n" for row in rows)


def document(value: Any) -> str:
    """One JSON document, a row of a list a line."""
    if isinstance(value, list):
        return "[\n" + ",\n".join(canonical(clean(row)) for row in value) + "\n]\n"
    return canonical(clean(value)) + "\n"


def parsed(text: str, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows with their places, of a list or of lines. Raises BadCase."""
    body = text.removeprefix("\ufeff")
    if body.lstrip().startswith("["):
        value = _value(body, place)
        for number, row in enumerate(value, 1):
            yield _row(row, f"{place}: row {number}"), f"{place}: row {number}"
        return
    for number, line in enumerate(body.split("\n"), 1):
        if line.strip():
            yield _row(_value(line, f"{place}:{number}"), f"{place}:{number}"), f"{place}:{number}"


def _value(text: str, place: str) -> Any:
    try:
        return json.loads(text)  # and not a faster reader: whole numbers of any size must come back as they are
    except (ValueError, RecursionError) as error:
        raise BadCase(f"{place}: this is no JSON: {error or 'nested too deep'}") from error


def _row(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadCase(f"{place}: a {type(value).__name__} is no row: each must be a JSON object")
    return value
