"""The usage of a WebSocket session out of its turns' usages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from proxy.exchange import Usage

_COUNTED = tuple(field.name for field in fields(Usage) if field.name != "raw")


def sum_usage(usages: Iterable[Usage | None], raw: str | None) -> Usage | None:
    """Each field's sum over the turns that reported it; None where no turn reported anything. `raw` is kept as it is."""
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None
    sums: dict[str, float | int | None] = {}
    for name in _COUNTED:
        parts = [part for usage in known if (part := getattr(usage, name)) is not None]
        sums[name] = sum(parts) if parts else None
    return Usage(**sums, raw=raw)  # type: ignore[arg-type]  # names and types are Usage's own
