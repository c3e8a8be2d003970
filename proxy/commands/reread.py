"""Reads stored bodies again with today's readers: a reader that was wrong is made good, and what it had read first is kept."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import click

from proxy.cli import config_option, load_settings

PAGE = 50
"""Rows read at a time: their bodies come along."""


@click.command()
@config_option
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC); left out = all.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day (UTC).")
@click.option("--provider", help="Only this upstream.")
@click.option("--unread", is_flag=True, help="Only rows that no dialect could read, or not wholly.")
@click.option("--plan", is_flag=True, help="Show what would change, and change nothing.")
def reread(config: Path | None, since: datetime | None, until: datetime | None, provider: str | None, unread: bool, plan: bool) -> None:
    """Read stored bodies again with today's readers.

    What differs is corrected in `exchanges`, and each correction is a row of `readings_history` with the values before and after. A
    cost is made again only where what it depends on was read otherwise.
    """
    from proxy.commands.selection import pages, selection
    from proxy.commands.submission import Submission
    from proxy.log.rereading import QUERY, Rereader
    from proxy.service.assembly import make_redactor, price_overrides, read_or_estimate
    from proxy.service.client import Access

    settings = load_settings(config)
    rereader = Rereader(read_or_estimate, price_overrides(settings), make_redactor(settings))
    where = selection(since, until, provider, "e.dialect IS NULL OR e.unread IS NOT NULL" if unread else None)
    fields: Counter[str] = Counter()
    seen = kept = changed = 0
    with Submission(settings, "reread") as submission, Access(settings) as log:
        for row in (row for page in pages(log, QUERY, where, PAGE) for row in page):
            seen += 1
            found = rereader.changes(row)
            if found is None:
                continue
            kept += 1
            if found:
                changed += 1
                fields.update(found.keys())
                if not plan:
                    submission.add(
                        "readings_history",
                        {
                            "exchange_id": row["exchange_id"],
                            "version": version("goldwash"),
                            "before": {name: before for name, (before, _) in found.items()},
                            "after": {name: after for name, (_, after) in found.items()},
                        },
                    )
    _table(fields, plan)
    click.echo(f"{seen:,} rows looked at, {seen - kept:,} without a stored body, {changed:,} {'would be' if plan else 'were'} corrected")


def _table(fields: Counter[str], plan: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if not fields:
        return
    table = Table(header_style="bold")
    table.add_column("column")
    table.add_column("would change" if plan else "changed", justify="right")
    for name, count in fields.most_common():
        table.add_row(name, f"{count:,}")
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)
