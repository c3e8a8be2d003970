"""Watches production: shows the alert rules, replays and tunes them on what has been, silences them, tries their channels."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings
from scoring.commands.alert_channels import COMMANDS

if TYPE_CHECKING:
    from scoring.alerts.kinds import Rule
    from scoring.alerts.rules import RuleFile

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
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True))
def replay(config: Path | None, rules_file: Path | None, name: str, file: Path | None) -> None:
    """Print what a rule would have said of FILE, as JSON: [{rule, feature, day, state, …}].

    FILE is CSV (- is standard input) with the columns day, feature, n, failures; each feature is a stream of its own.
    """
    from scoring.alerts import replay as replaying
    from scoring.alerts.kinds import Quality

    rule = _named(_rules(config, rules_file), name)
    if file is None:
        raise click.UsageError("name a FILE to replay")
    if not isinstance(rule, Quality):
        raise click.UsageError(f"--rule {name!r} is of kind {rule.kind!r}: days in a file suit a rule of kind 'quality'")
    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    shown = "standard input" if str(file) == "-" else str(file)
    try:
        table = replaying.parse(text.decode("utf-8"), shown)
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{shown}: byte {error.start} is not UTF-8: save the file as UTF-8 text") from error
    print_json(replaying.quality(rule, table))


for command in COMMANDS:
    alerts.add_command(command)


def print_json(rows: list[dict[str, Any]]) -> None:
    """A list, one row a line."""
    lines = ",\n".join(f" {json.dumps(row, ensure_ascii=False)}" for row in rows)
    click.echo(f"[\n{lines}\n]" if rows else "[]")


def _rules(config: Path | None, rules_file: Path | None) -> RuleFile:
    from scoring.alerts import rules

    return rules.load(rules_file or load_settings(config).alerts.rules)


def _named(file: RuleFile, name: str) -> Rule:
    import difflib

    rule = file.named(name)
    if rule is None:
        known = [one.name for one in file.rules]
        near = difflib.get_close_matches(name, known, n=1)
        raise click.UsageError(f"there is no rule {name!r}: {f'did you mean {near[0]!r}?' if near else 'there are ' + ', '.join(known)}")
    return rule
