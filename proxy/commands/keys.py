"""Makes, lists and revokes proxy keys: who may use the proxy port, for which upstreams, up to which sum."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from proxy.cli import config_option, load_settings


def _dollars(_: click.Context, __: click.Parameter, value: str | None) -> Decimal | None:
    try:
        return None if value is None else Decimal(value.removeprefix("$"))
    except InvalidOperation as error:
        raise click.BadParameter(f"{value!r} is no amount: write it like 12.50") from error


@click.group()
@config_option
@click.pass_context
def keys(ctx: click.Context, config: Path | None) -> None:
    """Make, list and revoke proxy keys. As soon as there is one, the proxy port asks for a key.

    Clients send it in the header `goldwash-key`, or, where a tool sets no headers, in the base URL: /openai/~key=KEY/v1.
    """
    ctx.obj = config


@keys.command()
@config_option
@click.pass_context
@click.argument("name")
@click.option(
    "--budget-usd", callback=_dollars, metavar="USD", help="What may be spent with it a period, by known costs; left out = no limit."
)
@click.option("--per", type=click.Choice(["day", "month"]), default="month", show_default=True, help="The period (UTC) of the budget.")
@click.option("--upstreams", help="Names of the upstreams it is for, with commas; left out = all.")
def add(ctx: click.Context, config: Path | None, name: str, budget_usd: Decimal | None, per: Any, upstreams: str | None) -> None:
    """Make a key called NAME and print it: it is shown this once. Running workers know it within a second."""
    from proxy import keys as ring

    settings = load_settings(config or ctx.obj)
    chosen = None if upstreams is None else tuple(dict.fromkeys(part.strip() for part in upstreams.split(",") if part.strip()))
    for upstream in chosen or ():
        if upstream not in settings.upstreams:
            raise ring.KeyRefused(f"--upstreams {upstream}: no upstream is called so; known: {', '.join(sorted(settings.upstreams))}")
    if chosen == ():
        raise ring.KeyRefused("--upstreams names none: leave it out for all")
    key = ring.add(settings.data_dir, name, budget_usd, per, chosen)
    click.echo(key)
    click.echo(f"This is the key {name}; nobody can show it again. Send it as `goldwash-key: {key[:8]}…`", err=True)


@keys.command(name="list")
@config_option
@click.pass_context
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """List the keys by name, what they may, and what they have spent in their period."""
    from datetime import UTC, datetime

    from proxy import keys as ring
    from proxy import spending

    settings = load_settings(config or ctx.obj)
    spent, now = spending.read(settings.data_dir), datetime.now(UTC)
    found = [
        {
            "name": key.name,
            "created_at": key.created_at,
            "upstreams": None if key.upstreams is None else list(key.upstreams),
            "budget_usd": key.budget_usd,
            "per": key.per,
            "spent_usd": format(spent.of(key.name, key.per, now), "f"),
            "without_price": spent.unpriced.get(key.name, 0) if f"{now:%Y-%m}" == spent.month else 0,
        }
        for key in sorted(ring.load(settings.data_dir).values(), key=lambda key: key.name)
    ]
    if as_json:
        click.echo(json.dumps(found, indent=1))
    elif found:
        _table(found)
    else:
        click.echo("there is no proxy key: `goldwash keys add NAME` makes one")


@keys.command()
@config_option
@click.pass_context
@click.argument("name")
def revoke(ctx: click.Context, config: Path | None, name: str) -> None:
    """Revoke the key NAME: running workers refuse it within a second."""
    from proxy import keys as ring

    settings = load_settings(config or ctx.obj)
    ring.revoke(settings.data_dir, name)
    click.echo(f"the key {name} is revoked")
    if not ring.load(settings.data_dir):
        from config.options import is_loopback

        open_now = settings.proxy.open_to_network or is_loopback(settings.proxy.host)
        click.echo("that was the last one: the proxy port " + ("asks for no key any more" if open_now else "lets nobody in now"), err=True)


def _table(found: list[dict[str, Any]]) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    for name in ("key", "made", "for", "budget, $", "per", "spent, $", "without a price"):
        table.add_column(name, justify="right" if name.endswith("$") or name.startswith("without") else "left")
    for key in found:
        budget, spent = key["budget_usd"] or "·", f"{Decimal(key['spent_usd']).normalize():,f}"
        where = ", ".join(key["upstreams"]) if key["upstreams"] else "all"
        table.add_row(key["name"], key["created_at"][:10], where, budget, key["per"], spent, f"{key['without_price']:,}")
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)
