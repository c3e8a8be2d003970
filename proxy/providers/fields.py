"""Takes values out of JSON that nobody promised: the right type, or None (an empty container), and never an exception."""

from __future__ import annotations

from typing import Any, Final

MAX_COUNT: Final = 2**53  # larger counts are garbage, and sums of them must fit the log's BIGINT


def mapping(value: Any) -> dict[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """`value` where it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """`value` where it is text, else None; the empty text stays empty."""
    return value if isinstance(value, str) else None


def word(value: Any) -> str | None:
    """A word of the provider as text: enums come as names or, with `enum-encoding=int`, as numbers; None for anything else and ''."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_COUNT else None


def count(value: Any) -> int | None:
    """A non-negative whole number (JSON number, or digits as text: protobuf writes int64 so), else None."""
    if value is None or type(value) is int:
        return value if value is not None and 0 <= value <= MAX_COUNT else None
    if isinstance(value, bool):
        return None
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
    if digits or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= MAX_COUNT else None


def total(*parts: int | None) -> int | None:
    """The sum of the parts that are known; None where none is."""
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
