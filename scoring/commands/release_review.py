"""Shows how production did after a release, beside the same time before it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option, load_settings
from scoring.commands.golden_set import shown

if TYPE_CHECKING:
    from scoring.release.review import Review, Side


@click.command()
@config_option
@click.argument("name")
@click.option("--at", "spans", default="1h,24h,7d", show_default=True, help="Spans after it, with commas: m, h, d, w.")
@click.option("--feature", help="Only this feature; else the mark's, else all.")
@click.option("--environment", help="Only this environment; else the mark's, else all.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--record", is_flag=True, help="Keep what was found in the log, as an event of the release.")
@click.option("--strict", is_flag=True, help="Exit with 1 where anything is worse.")
def review(
    config: Path | None,
    name: str,
    spans: str,
    feature: str | None,
    environment: str | None,
    as_json: bool,
    record: bool,
    strict: bool,
) -> None:
    """The online signals after release NAME, beside the same time before it: errors, latency, cost, checks, users, judged rates.

    NAME may be a time (ISO 8601) instead, where nothing is marked.
    """
    from proxy.service.client import Access
    from scoring.pages import Window
    from scoring.release import review as reviewing
    from scoring.release.signals import Slice, oldest, signals

    settings = load_settings(config)
    try:
        wanted = reviewing.spans(spans)
    except ValueError as error:
        raise click.UsageError(f"--at: {error}") from error
    at, of = _release(config, name, feature, environment)
    now = datetime.now(UTC)
    found: list[Review] = []
    with Access(settings) as access:
        first = oldest(access)
        for said, length in wanted:
            passed = min(length, max(now - at, now - now))
            before = signals(access, Window(at - passed, at), Slice(*of))
            after = signals(access, Window(at, at + passed), Slice(*of))
            found.append(reviewing.review(said, length, before, after, now, first))
    values = [reviewing.as_json(one) for one in found]
    if as_json:
        click.echo(json.dumps({"release": name, "at": at.isoformat(), "spans": values}, indent=1))
    else:
        for one in found:
            _show(one, at)
    if record:
        _record(config, name, at, of, values)
    if strict and any(signal.verdict == "worse" for one in found for signal in one.signals):
        sys.exit(1)


def _release(
    config: Path | None, name: str, feature: str | None, environment: str | None
) -> tuple[datetime, tuple[str | None, str | None]]:
    """When it shipped, and which traffic it is about."""
    from scoring.release import files

    folder = files.directory(config)
    try:
        if (folder / f"{name}.json").is_file():
            raise ValueError(name)  # a mark of that name comes before the time that it may be read as
        at = datetime.fromisoformat(name)
    except ValueError:
        mark = files.read(folder, name)
        at = datetime.fromisoformat(mark["at"])
        feature, environment = feature or mark.get("feature"), environment or mark.get("environment")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)), (feature, environment)


def _show(one: Review, at: datetime) -> None:
    before, after = one.exchanges
    click.echo(f"\n{one.span} after {at:%Y-%m-%d %H:%M} UTC: {after:,} exchanges, {before:,} in the same time before")
    for signal in one.signals:
        mark = {"worse": "WORSE", "better": "better", "no change seen": "", "too few": "too few", "not over": "not over"}[signal.verdict]
        click.echo(
            f"  {signal.name:<28} {_words(signal.before, signal.unit):<38} → {_words(signal.after, signal.unit):<38} {mark}".rstrip()
        )
    if one.versions and [name for name, _ in one.versions] != ["(none)"]:
        click.echo("  prompt versions: " + ", ".join(f"{shown(name, 30)} {n:,}" for name, n in one.versions[:5]))
    for note in one.notes:
        click.echo(f"  {note}")


def _words(side: Side, unit: str) -> str:
    if side.value is None:
        return f"not known of {side.n:,}"

    def figure(value: float | None) -> str:
        if value is None:
            return "?"
        return f"{value:.2%}" if unit == "share" else f"{value:,.0f} ms" if unit == "ms" else f"${value:.6f}"

    return f"{figure(side.value)} ({figure(side.low)} to {figure(side.high)}) of {side.n:,}"


def _record(config: Path | None, name: str, at: datetime, of: tuple[str | None, str | None], values: list[dict[str, object]]) -> None:
    from proxy.commands.submission import Submission

    row = {"release": name, "at": at, "event": "reviewed", "feature": of[0], "environment": of[1], "content": {"spans": values}}
    with Submission(load_settings(config), "release") as submission:
        submission.add("releases", row)
    click.echo("it stands in the log: SELECT * FROM releases WHERE event = 'reviewed'", err=True)
