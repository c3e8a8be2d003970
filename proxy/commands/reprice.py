"""Prices past rows again with today's price data, each at its own time, and keeps both prices."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from proxy.service.client import Access

PAGE = 5000
"""Rows read at a time."""
SAME = Decimal("1e-12")
"""Dollars; the log's own precision."""


@dataclass(slots=True)
class Change:
    """What repricing changed for one model."""

    rows: int = 0
    found: int = 0  # had no price, and have one now
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)


@click.command()
@config_option
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC); left out = all.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day (UTC).")
@click.option("--provider", help="Only this upstream.")
@click.option("--unpriced", is_flag=True, help="Only rows whose cost is not known.")
@click.option("--plan", is_flag=True, help="Show what would change, and change nothing.")
def reprice(config: Path | None, since: datetime | None, until: datetime | None, provider: str | None, unpriced: bool, plan: bool) -> None:
    """Price past rows again with today's price data.

    A row is priced at the time it was accepted. The new price is a row of `reprices` beside the old one, which stays; the view
    cost_daily shows both sums.
    """
    from proxy.accounting.pricing import Pricer
    from proxy.commands.selection import selection
    from proxy.commands.submission import Submission
    from proxy.service.assembly import price_overrides
    from proxy.service.client import Access

    settings = load_settings(config)
    pricer = Pricer(price_overrides(settings))
    where = selection(since, until, provider, "coalesce(r.new_cost_usd, e.cost_usd) IS NULL" if unpriced else None)
    changes: dict[str, Change] = defaultdict(Change)
    seen = 0
    with Submission(settings, "reprice") as submission, Access(settings) as log:
        for row, turns in _rows(log, where):
            seen += 1
            record = _repriced(row, turns, pricer)
            if record is None:
                continue
            old, new = _dollars(record["old_cost_usd"]), _dollars(record["new_cost_usd"])
            change = changes[row["response_model"] or row["request_model"] or "?"]
            change.rows += 1
            change.found += old is None
            change.before += old or 0
            change.after += new or 0
            if not plan:
                submission.add("reprices", record)
    _table(changes, seen, plan)


def _rows(log: Access, where: tuple[str, list[Any]]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Rows with what a price depends on and their newest price, and their turns, in the order of their ids."""
    from proxy.commands.selection import pages
    from proxy.log.stored import PRICED_BY

    columns = ", ".join(f"e.{name}" for name in PRICED_BY)
    latest = "SELECT exchange_id, arg_max(struct_pack(new_cost_usd, new_price_source, new_price_version), created_at) AS newest"
    query = f"""
        SELECT CAST(e.exchange_id AS VARCHAR) AS exchange_id, epoch_us(e.accepted_at) AS accepted_us, {columns}, e.is_batch, e.speed,
            e.turns, CAST(coalesce(r.new_cost_usd, e.cost_usd) AS VARCHAR) AS cost_usd,
            coalesce(r.new_price_source, e.price_source) AS price_source, coalesce(r.new_price_version, e.price_version) AS price_version
        FROM exchanges e LEFT JOIN (
            SELECT exchange_id, newest.new_cost_usd, newest.new_price_source, newest.new_price_version
            FROM ({latest} FROM reprices GROUP BY exchange_id)) r ON r.exchange_id = e.exchange_id"""  # noqa: S608  names of our own
    for page in pages(log, query, where, PAGE):
        sessions = [row["exchange_id"] for row in page if row["turns"]]
        turns: dict[str, list[dict[str, Any]]] = defaultdict(list)
        if sessions:
            for turn in log.rows(_TURNS, [sessions]):
                turns[turn["id"]].append(turn)
        for row in page:
            yield row, turns[row["exchange_id"]]


_TURNS = "SELECT CAST(exchange_id AS VARCHAR) AS id, * FROM turns WHERE CAST(exchange_id AS VARCHAR) IN (SELECT unnest(?)) ORDER BY turn"


def _repriced(row: dict[str, Any], turns: list[dict[str, Any]], pricer: Any) -> dict[str, Any] | None:
    """The record of a price that differs from the newest one known; None where it does not, or where there is none now."""
    from proxy.log.stored import priced_reading

    at = datetime.fromtimestamp(row["accepted_us"] / 1e6, UTC)
    price = pricer.price(priced_reading(row, turns), row["provider"] or "", row["upstream_url"] or "", at)
    old = _dollars(row["cost_usd"])
    if price.cost_usd is None or (old is not None and abs(price.cost_usd - old) <= SAME):
        return None
    return {
        "exchange_id": row["exchange_id"],
        "old_cost_usd": row["cost_usd"],
        "new_cost_usd": format(price.cost_usd, "f"),
        "old_price_source": row["price_source"],
        "new_price_source": price.source,
        "old_price_version": row["price_version"],
        "new_price_version": price.version,
        "new_price_hash": price.hash,
    }


def _dollars(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _table(changes: dict[str, Change], seen: int, plan: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    table = Table(header_style="bold")
    table.add_column("model")
    for name in ("rows", "priced now", "before, $", "after, $", "change, $"):
        table.add_column(name, justify="right")
    for model, change in sorted(changes.items(), key=lambda item: -abs(item[1].after - item[1].before)):
        sums = (change.before, change.after, change.after - change.before)
        table.add_row(model, f"{change.rows:,}", f"{change.found:,}", *(f"{value:,.6f}" for value in sums))
    if changes:
        console.print(table)
    changed = sum(change.rows for change in changes.values())
    console.print(f"{seen:,} rows looked at, {changed:,} {'would get' if plan else 'got'} another price")
