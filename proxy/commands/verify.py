"""Accounts for every accepted request, day by day, from the log and the spool, whether `up` runs or not."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from proxy.log.ledger import Account

COLUMNS = ("accepted", "complete", "partial", "client_gone", "upstream_error", "lost", "open", "rows")


@click.command()
@config_option
@click.option("--max-lost", type=click.IntRange(min=0), help="Exit with 1 where more than this many are lost.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day to account for (UTC); left out = all.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def verify(config: Path | None, max_lost: int | None, since: datetime | None, as_json: bool) -> None:
    """Account for every accepted request, day by day and worker by worker.

    accepted = complete + partial + client_gone + upstream_error + lost + open. Exits with 1 where anything is unaccounted or doubled, or
    more is lost than --max-lost allows.
    """
    from proxy.log.ledger import account
    from proxy.service.client import Access

    settings = load_settings(config)
    with Access(settings) as log:
        if log.remote is not None:
            log.remote.json("/api/flush", {}, timeout=600.0)
        found = account(log.rows, settings.data_dir / "spool", since.date() if since else None)
    sound = found.sound(max_lost)
    if as_json:
        click.echo(json.dumps({**found.json(), "max_lost": max_lost, "ok": sound}, indent=1))
    else:
        _table(found, max_lost, since.date() if since else None)
    sys.exit(0 if sound else 1)


def _table(found: Account, max_lost: int | None, since: date | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(header_style="bold")
    for name in ("day", "worker"):
        table.add_column(name)
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for line in found.lines:
        table.add_row(line.day, f"{line.host}/{line.worker}", *(f"{getattr(line, name):,}" for name in COLUMNS))
    if found.lines:
        table.add_section()
        table.add_row("all", "", *(f"{sum(getattr(line, name) for line in found.lines):,}" for name in COLUMNS), style="bold")
        console.print(table)
    else:
        console.print(f"no request was accepted{f' since {since}' if since else ''}")
    waiting = found.waiting
    if waiting.frames:
        console.print(f"in the spool and not in the log yet: {waiting.accepted:,} accepted, {waiting.finished:,} finished")
    for loss in found.losses[:10]:
        frames = "an unknown number of" if loss["frames"] is None else f"{loss['frames']:,}"
        console.print(f"spool: {loss['kind']}, {frames} frames, run {loss['run']}, segment {loss['segment']}: {loss['note']}")
    for sentence in found.disagreeing:
        console.print(sentence)
    console.print(f"unaccounted {found.unaccounted:,} · doubled {found.doubled:,} · lost {found.lost:,}{_bound(max_lost)}")


def _bound(max_lost: int | None) -> str:
    return "" if max_lost is None else f" (at most {max_lost:,} allowed)"
