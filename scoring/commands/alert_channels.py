"""Silences alerts for a while, shows silences, incidents and channels, and tries a channel: subcommands of `goldwash alerts`."""

from __future__ import annotations

import difflib
import getpass
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoring.alerts.incidents import Kind
    from scoring.alerts.rules import RuleFile
    from scoring.alerts.states import Silence

json_option = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


@click.command("silence")
@config_option
@click.argument("rule")
@click.option("--feature", help="Only this feature.")
@click.option(
    "--slice", "slices", multiple=True, metavar="KEY=VALUE", help="Only this slice, such as response_model=gpt-5.4; may be repeated."
)
@click.option("--until", required=True, help="When it ends: a length such as 2h or 3d, or a time such as 2026-03-02T18:00 (UTC).")
@click.option("--owner", default=getpass.getuser, show_default="your user name", help="Whom to ask about it.")
@click.option("--reason", required=True, help="Why.")
@json_option
def silence(
    config: Path | None, rule: str, feature: str | None, slices: tuple[str, ...], until: str, owner: str, reason: str, as_json: bool
) -> None:
    """Tell nobody of RULE's alerts for a while ("all": of any rule's). What it holds back is counted, and told when it ends."""
    from scoring.alerts import rules, silences

    settings = load_settings(config)
    now = datetime.now(UTC)
    chosen = _rule(rule, rules.load(settings.alerts.rules))
    made = silences.add(settings, chosen, _slice(feature, slices), _end(until, now), owner, reason, now)
    if as_json:
        click.echo(json.dumps(_shown(made, now), ensure_ascii=False))
    else:
        click.echo(f"{made.id}: {_words(made)}; end it before with: goldwash alerts unsilence {made.id}")


@click.command("unsilence")
@config_option
@click.argument("silence_id")
def unsilence(config: Path | None, silence_id: str) -> None:
    """End a silence now; what it held back is told."""
    from proxy.service.client import Access
    from scoring.alerts import silences

    settings = load_settings(config)
    now = datetime.now(UTC)
    with Access(settings) as access:
        holding = [one for one in silences.read(access, now) if now < one.ends_at]
    found = next((one for one in holding if one.id == silence_id), None)
    if found is None:
        known = ", ".join(one.id for one in holding) or "none"
        raise click.UsageError(f"there is no silence {silence_id!r} that holds now; there are: {known}")
    silences.lift(settings, found, now)
    click.echo(f"{found.id} has ended; what it held back is told within a minute")


@click.command("silences")
@config_option
@click.option("--all", "every", is_flag=True, help="Those of the last 90 days too.")
@json_option
def silences_(config: Path | None, every: bool, as_json: bool) -> None:
    """Show the silences that hold."""
    from proxy.service.client import Access
    from scoring.alerts import silences

    now = datetime.now(UTC)
    with Access(load_settings(config)) as access:
        found = silences.read(access, now - silences.LONGEST if every else now)
    found = [one for one in found if every or now < one.ends_at]
    if as_json:
        click.echo(json.dumps([_shown(one, now) for one in found], ensure_ascii=False))
        return
    for one in found:
        click.echo(f"{one.id}  {'holds' if one.starts_at <= now < one.ends_at else 'ended'}  {_words(one)}")
    if not found:
        click.echo("no silence holds", err=True)


@click.command("test")
@config_option
@click.argument("channel")
@click.option(
    "--severity",
    type=click.Choice(["critical", "warning", "info"]),
    help="How grave it says it is; default: the least that CHANNEL hears of.",
)
def test(config: Path | None, channel: str, severity: str | None) -> None:
    """Send a made-up incident to CHANNEL now, and its end: whether the way is open is then known."""
    from scoring.alerts import rules
    from scoring.alerts.channels import channels
    from scoring.alerts.channels.contract import NoSecret
    from scoring.alerts.sending import send

    to = {one.name: one for one in channels(rules.load(load_settings(config).alerts.rules))}
    if channel not in to:
        near = difflib.get_close_matches(channel, to, n=1)
        raise click.UsageError(f"there is no channel {channel!r}: {f'did you mean {near[0]!r}?' if near else _known_channels(to)}")
    if to[channel].kind == "log":
        from proxy import logs

        logs.set_up("info")
    made_at = datetime.now(UTC)
    kinds: tuple[Kind, ...] = ("opened", "resolved")
    for kind in kinds:
        now = datetime.now(UTC)
        what = _made_up(kind, severity or to[channel].options.least, made_at, now)
        try:
            message = to[channel].message(what, os.environ, now)
        except NoSecret as error:
            click.echo(f"{channel}: {error}", err=True)
            sys.exit(1)
        if message is None or not to[channel].takes(what):
            click.echo(f"{channel}: {kind} is not told there")
            continue
        outcome = send(message, now)
        if not outcome.ok:
            click.echo(f"{channel}: {kind} was not taken: {outcome.error}", err=True)
            sys.exit(1)
        click.echo(f"{channel}: {kind} was taken")


@click.command("channels")
@config_option
@json_option
def channels_(config: Path | None, as_json: bool) -> None:
    """Show how each channel does: what waits for it, since when it fails and why."""
    from scoring.alerts import rules
    from scoring.alerts.channels import channels
    from scoring.alerts.delivery import standing

    settings = load_settings(config)
    now = datetime.now(UTC)
    of = {one.name: one for one in standing(settings.data_dir)}
    rows: list[dict[str, Any]] = []
    for each in channels(rules.load(settings.alerts.rules)):
        one = of.get(each.name)
        rows.append(
            {
                "channel": each.name,
                "kind": each.kind,
                "enabled": each.options.enabled,
                "waiting": one.waiting if one else 0,
                "dead": one.dead if one else 0,
                "failing_since": one.failing_since.isoformat() if one and one.failing_since else None,
                "error": one.error if one else None,
                "sent_at": one.sent_at.isoformat() if one and one.sent_at else None,
            }
        )
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        how = f"fails since {_ago(row['failing_since'], now)}: {row['error']}" if row["failing_since"] else "well"
        how = "off" if not row["enabled"] else how if row["sent_at"] or row["failing_since"] else "nothing sent yet"
        click.echo(f"{row['channel']:<16} {row['kind']:<13} {row['waiting']:>5} waiting {row['dead']:>4} given up  {how}")


@click.command("incidents")
@config_option
@json_option
def incidents_(config: Path | None, as_json: bool) -> None:
    """Show the incidents that are open."""
    from scoring.alerts.channels.contract import plain
    from scoring.alerts.delivery import incidents

    found = [one for one in incidents(load_settings(config).data_dir) if any(each.condition != "resolved" for each in one.members.values())]
    if as_json:
        rows = [
            {
                "incident_id": one.id,
                "rule": one.rule,
                "severity": one.severity,
                "opened_at": one.opened_at.isoformat(),
                "told": one.told,
                "members": [
                    {"rule": each.rule, "slice": dict(each.slice), "condition": each.condition, "since": each.since.isoformat()}
                    for each in one.members.values()
                ],
            }
            for one in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for one in found:
        going_on = [f"{key}: {each.message}" for key, each in one.members.items() if each.condition != "resolved"]
        quiet = "" if one.told else " (nobody was told: it is silenced)"
        click.echo(f"{one.id}  {one.severity:<8} since {one.opened_at:%Y-%m-%d %H:%M} UTC  {one.rule}{quiet}")
        for line in going_on[:5]:  # slices have their names from traffic: what steers terminals is taken out
            click.echo(f"    {plain(line, 500, lines=False)}")
        if len(going_on) > 5:
            click.echo(f"    … and {len(going_on) - 5:,} more")
    if not found:
        click.echo("no incident is open", err=True)


COMMANDS = (silence, unsilence, silences_, test, channels_, incidents_)
"""For the group `goldwash alerts`."""


def _rule(name: str, file: RuleFile) -> str | None:
    if name == "all":
        return None
    known = [rule.name for rule in file.rules]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise click.UsageError(f"there is no rule {name!r}: {f'did you mean {near[0]!r}?' if near else 'known: ' + ', '.join(known)}")
    return name


def _slice(feature: str | None, slices: tuple[str, ...]) -> dict[str, str]:
    found = {"feature": feature} if feature is not None else {}
    for text in slices:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--slice {text!r}: write KEY=VALUE, such as response_model=gpt-5.4")
        found[key] = value
    return found


def _end(text: str, now: datetime) -> datetime:
    from scoring.alerts.kinds import duration

    try:
        return now + duration(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--until {text!r}: write a length such as 2h or 3d, or a time such as 2026-03-02T18:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _words(one: Silence) -> str:
    where = ", ".join(f"{key}={value}" for key, value in one.slice.items())
    return (
        f"{one.rule or 'every rule'}{f' ({where})' if where else ''} until {one.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
        f"by {one.owner}: {one.reason}"
    )


def _shown(one: Silence, now: datetime) -> dict[str, Any]:
    return {
        "silence_id": one.id,
        "rule": one.rule,
        "slice": dict(one.slice),
        "starts_at": one.starts_at.isoformat(),
        "ends_at": one.ends_at.isoformat(),
        "owner": one.owner,
        "reason": one.reason,
        "holds": one.starts_at <= now < one.ends_at,
    }


def _made_up(kind: Kind, severity: str, made_at: datetime, now: datetime) -> Any:
    from scoring.alerts.incidents import Notification

    return Notification(
        f"test-{int(made_at.timestamp())}",
        kind,
        severity,
        f"goldwash test: {'this is no alert' if kind == 'opened' else 'resolved'}",
        "Somebody tried this channel with `goldwash alerts test`. Nothing is wrong.",
        "goldwash_test",
        {"feature": "test"},
        0.05,
        0.02,
        made_at,
        "SELECT 1",
        (),
        now,
        ({"feature": "test"},),
        1 if kind == "opened" else 0,
    )


def _ago(text: str, now: datetime) -> str:
    hours = (now - datetime.fromisoformat(text)).total_seconds() / 3600
    return f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours"


def _known_channels(names: Iterable[str]) -> str:
    return f"known: {', '.join(names)}; [channel.NAME] in config/alerts.toml adds one (docs/channels.md)"
