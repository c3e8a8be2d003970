"""Which rows a command goes over: days and provider as options, pages in the order of the ids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.service.client import Access

FIRST = "00000000-0000-0000-0000-000000000000"


def selection(since: datetime | None, until: datetime | None, provider: str | None, further: str | None = None) -> tuple[str, list[Any]]:
    """A condition on `exchanges e`, and its parameters. since, until: first and last day; further: SQL of our own."""
    parts: list[str] = []
    values: list[Any] = []
    if since:
        parts.append("e.accepted_at >= CAST(? AS TIMESTAMPTZ)")
        values.append(since.replace(tzinfo=UTC).isoformat())
    if until:
        parts.append("e.accepted_at < CAST(? AS TIMESTAMPTZ)")
        values.append((until.replace(tzinfo=UTC) + timedelta(days=1)).isoformat())
    if provider:
        parts.append("e.provider = ?")
        values.append(provider)
    if further:
        parts.append(f"({further})")
    return " AND ".join(parts) or "true", values


def pages(log: Access, query: str, where: tuple[str, list[Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of `query`, which selects from `exchanges e` and gives its exchange_id as text, `size` at a time."""
    last = FIRST
    while True:
        page = log.rows(
            f"{query} WHERE e.exchange_id > CAST(? AS UUID) AND {where[0]} ORDER BY e.exchange_id LIMIT {size}",
            [last, *where[1]],
        )
        yield page
        if len(page) < size:
            return
        last = page[-1]["exchange_id"]
