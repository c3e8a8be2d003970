"""Show the alert rules and what fires, replay and tune them on what has been, silence them, try their channels."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings
from scoring.commands.alert_channels import COMMANDS

if TYPE_CHECKING:
    from scoring.alerts.history import Judged
    from scoring.alerts.kinds import Rule
    from scoring.alerts.replay import Table
    from scoring.alerts.rules import RuleFile

DAY = click.DateTime(["%Y-%m-%d"])

rules_option = click.option(
    "--rules",
    "rules_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Rules (TOML); else [alerts] rules, else config/alerts.toml here (beside --config), else the shipped ones.",
)


@click.group()
def alerts() -> None:
    """Watch production: what is watched is config/alerts.toml, and `goldwash up` evaluates it every minute."""


@alerts.command("list")
@config_option
@rules_option
@click.option("--json", "as_json", is_flag=True, help="Print every rule with all of its keys as JSON.")
def list_(config: Path | None, rules_file: Path | None, as_json: bool) -> None:
    """Show the rules that are in force."""
    file = _rules(config, rules_file)
    if as_json:
        click.echo(json.dumps([rule.model_dump(mode="json") for rule in file.rules], indent=1, ensure_ascii=False))
        return
    wide = max(len(rule.name) for rule in file.rules)
    for rule in file.rules:
        state = rule.severity if rule.enabled else "off"
        click.echo(f"{rule.name:<{wide}}  {rule.kind:<10}  {state:<8}  {', '.join(rule.slices):<8}  {rule.summary}")
    for slo in file.slos:
        where = ", ".join(f"{key}={value}" for key, value in slo.slice.items())
        click.echo(f"SLO {slo.name}: {slo.target:.2%} of {slo.sli}{f' where {where}' if where else ''}")
    click.echo(f"{len(file.rules)} rules of {file.source}, fingerprint {file.fingerprint()}", err=True)


@alerts.command()
@config_option
@rules_option
@click.option("--rule", "name", default="quality", show_default=True, help="The rule to replay.")
@click.option("--from", "start", type=DAY, help="First day (UTC) of the log to replay, where no FILE is given.")
@click.option("--to", "end", type=DAY, help="Last day (UTC); else yesterday.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True))
def replay(
    config: Path | None, rules_file: Path | None, name: str, start: datetime | None, end: datetime | None, file: Path | None
) -> None:
    """Print what a rule would have said of FILE, or of the log, as JSON: [{rule, feature, day, state, …}].

    FILE is CSV (- is standard input) with the columns day, feature, n, failures; each feature is a stream of its own. States are those
    that an alert went to: pending, firing, resolved.
    """
    from scoring.alerts import replay as replaying

    rules = _rules(config, rules_file)
    rule = _named(rules, name)
    if (file is None) == (start is None):
        raise click.UsageError("name a FILE, or the days of the log with --from (and --to)")
    if file is not None:
        print_json(replaying.quality(rule, _table(file)))
        return
    assert start is not None
    judged, _, _ = _judged(config, rules, rule, start, end)
    print_json(replaying.logged(rule, judged(rule)))


@alerts.command()
@config_option
@rules_option
@click.option("--rule", "names", multiple=True, help="Only this rule; may be repeated.")
@click.option("--from", "start", type=DAY, help="First day (UTC) of the log to go by; else 30 days back.")
@click.option("--to", "end", type=DAY, help="Last day (UTC); else yesterday.")
@click.option("--a-month", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Incidents of a rule you would act on.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def tune(
    config: Path | None,
    rules_file: Path | None,
    names: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    a_month: float,
    as_json: bool,
) -> None:
    """Replay the log: how often each rule would have fired a month, at its threshold and at others, and which gives few enough."""
    from scoring.alerts.history import CAN
    from scoring.alerts.tuning import tune as tried

    rules = _rules(config, rules_file)
    chosen = [_named(rules, name) for name in names] or [rule for rule in rules.enabled if rule.kind in CAN]
    found = []
    for rule in chosen:
        judged, first, last = _judged(config, rules, rule, start, end)
        found.append(tried(rule, judged, (last - first) / timedelta(days=1), a_month))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        tries = ", ".join(f"{trial.threshold:g}: {one.a_month(trial):.1f}{'*' if trial.in_force else ''}" for trial in one.trials)
        if not one.slices:
            click.echo(f"{one.rule}: nothing to judge in these {one.days:g} days")
            continue
        advice = f"{one.key} = {one.advised:g}" if one.advised is not None else "none of these"
        click.echo(f"{one.rule} ({one.slices} slices): {advice} gives at most {a_month:g} a month. Incidents a month by {one.key}: {tries}")
    click.echo("* = in force now", err=True)


for command in COMMANDS:
    alerts.add_command(command)


def print_json(rows: list[dict[str, Any]]) -> None:
    """A list, one row a line."""
    lines = ",\n".join(f" {json.dumps(row, ensure_ascii=False)}" for row in rows)
    click.echo(f"[\n{lines}\n]" if rows else "[]")


def _rules(config: Path | None, rules_file: Path | None) -> RuleFile:
    from scoring.alerts import rules

    return rules.load(rules_file or load_settings(config).alerts.rules)


def _table(file: Path) -> Table:
    from scoring.alerts import replay as replaying

    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    shown = "standard input" if str(file) == "-" else str(file)
    try:
        return replaying.parse(text.decode("utf-8"), shown)
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{shown}: byte {error.start} is not UTF-8: save the file as UTF-8 text") from error


def _judged(
    config: Path | None, rules: RuleFile, rule: Rule, start: datetime | None, end: datetime | None
) -> tuple[Judged, datetime, datetime]:
    """What the rule goes by in these days, and when they begin and end."""
    from proxy.service.client import Access
    from scoring.alerts.history import gather

    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    last = end.replace(tzinfo=UTC) + timedelta(days=1) if end else midnight
    first = start.replace(tzinfo=UTC) if start else last - timedelta(days=30)
    if first >= last:
        raise click.UsageError(f"--from {first.date()} lies behind the last day, {last.date() - timedelta(days=1)}: turn them round")
    with Access(load_settings(config)) as access:
        return gather(access, rule, rules, first, min(last, now), now), first, last


def _named(file: RuleFile, name: str) -> Rule:
    import difflib

    rule = file.named(name)
    if rule is None:
        known = [one.name for one in file.rules]
        near = difflib.get_close_matches(name, known, n=1)
        raise click.UsageError(f"there is no rule {name!r}: {f'did you mean {near[0]!r}?' if near else 'known: ' + ', '.join(known)}")
    return rule
