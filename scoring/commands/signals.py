"""Compute what users show without saying it, and measure how far that agrees with what they say."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from scoring.pages import Window
    from scoring.signals.agreement import Agreed

from_option = click.option(
    "--from", "start", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="First time, UTC; default: --days ago."
)
to_option = click.option("--to", "end", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Up to this time, UTC; default: now.")
days_option = click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="Days before --to.")


@click.group()
def signals() -> None:
    """Signals that users give without saying anything: asking again, rephrasing, correcting, leaving."""


@signals.command()
@config_option
@from_option
@to_option
@days_option
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def compute(config: Path | None, start: datetime | None, end: datetime | None, days: int, as_json: bool) -> None:
    """Compute them for a past span; the watcher does it for what comes in. Doing it again adds nothing."""
    from proxy.service.client import Access
    from scoring.outbox import Outbox
    from scoring.pages import Window
    from scoring.signals.detect import FOLLOW
    from scoring.signals.following import SPAN
    from scoring.signals.following import compute as compute_span
    from scoring.signals.people import ALL

    settings = load_settings(config)
    span = _span(start, end, days)
    until = min(span.end, datetime.now(UTC) - FOLLOW)
    exchanges = new = 0
    with Outbox(settings, "signals") as outbox:
        with Access(settings) as access:
            at = span.start
            while at < until:
                done = compute_span(access, outbox, Window(at, min(at + SPAN, until)), ALL)
                exchanges, new, at = exchanges + done.exchanges, new + done.signals, done.through
        if new:
            outbox.deliver()
    if as_json:
        click.echo(json.dumps({"exchanges": exchanges, "new": new}))
    else:
        click.echo(f"{exchanges:,} exchanges looked at, {new:,} new signals")


@signals.command()
@config_option
@from_option
@to_option
@days_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def agreement(config: Path | None, start: datetime | None, end: datetime | None, days: int, as_json: bool) -> None:
    """Hold each signal against thumbs and corrections of the same exchanges: lift and phi, with 95% intervals."""
    from proxy.service.client import Access
    from scoring.pages import Window
    from scoring.signals import rated

    settings = load_settings(config)
    span = _span(start, end, days)
    with Access(settings) as access:
        until = min(span.end, rated.settled(datetime.now(UTC)))
        span = Window(min(span.start, until), until)
        counts = rated.counts(access, span)
        found = rated.agreement(access, span)
    if as_json:
        click.echo(json.dumps({"counts": counts, "agreement": [asdict(one) for one in found]}))
        return
    click.echo(f"{'signal':<13}{'found':>8}{'rated':>8}{'both':>6}  {'lift (95%)':<22}{'phi (95%)':<24}")
    for one in found:
        click.echo(_line(one, counts))


def _line(one: Agreed, counts: dict[str, int]) -> str:
    number = counts.get(one.signal)
    lift = f"{one.lift:.2f} ({one.lift_low:.2f} to {one.lift_high:.2f})" if one.lift is not None else "–"
    phi = f"{one.phi:+.2f} ({one.phi_low:+.2f} to {one.phi_high:+.2f})" if one.phi is not None else "–"
    shown = "" if number is None else f"{number:,}"
    return f"{one.signal:<13}{shown:>8}{one.n:>8,}{one.both:>6,}  {lift:<22}{phi:<24}{one.warning or ''}".rstrip()


def _span(start: datetime | None, end: datetime | None, days: int) -> Window:
    from scoring.pages import Window

    until = end.replace(tzinfo=UTC) if end else datetime.now(UTC)
    since = start.replace(tzinfo=UTC) if start else until - timedelta(days=days)
    if since >= until:
        raise click.UsageError(f"--from {since:%Y-%m-%d %H:%M} does not lie before --to {until:%Y-%m-%d %H:%M}")
    return Window(since, until)
