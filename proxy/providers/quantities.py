"""Durations and money out of JSON nobody promised the shape of: the number, or None."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

_LARGEST = 2**53


def seconds(value: Any) -> float | None:
    """A duration or other quantity that is not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= _LARGEST else None


def money(value: Any) -> Decimal | None:
    """An amount that is not negative, given as a number or as its text; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or (isinstance(value, str) and len(value) > 40):
        return None
    try:
        amount = Decimal(str(value))
    except (InvalidOperation, ValueError):  # ValueError: an int of more digits than Python turns into text
        return None
    return amount if amount.is_finite() and 0 <= amount <= _LARGEST else None
