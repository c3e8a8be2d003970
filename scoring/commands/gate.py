"""Hold a release to the golden cases: run them and decide, with evidence; or decide on result files alone."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from proxy.cli import config_option
from scoring.commands.gate_baseline import baseline
from scoring.commands.gate_report import report, workflow
from scoring.commands.gate_run import run

RUN = "run"
"""The subcommand that `goldwash gate FILES…` means."""


class Gate(click.Group):
    """A group whose first word may be left out: what is no subcommand is a golden file for `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `run` before the arguments where they name no subcommand."""
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"} and RUN in self.commands:
            args = [RUN, *args]
        return super().parse_args(ctx, args)


@click.group(cls=Gate)
def gate() -> None:
    """Hold a release to the golden cases: `goldwash gate golden/*.jsonl` runs them and decides.

    Exit codes: 0 passed, 1 failed, 2 bad input, 3 judge stale or uncalibrated, 4 could not tell. Where several hold: 2, 4, 1, 3.
    The options of a run are those of `goldwash gate run --help`.
    """


@gate.command()
@config_option
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@click.option("--anchor", type=click.Path(path_type=Path), help="An older baseline that stays; else the rules' [anchor] file.")
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path),
    help="Rules (TOML); else config/gate.toml here (beside --config), else the shipped ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--strict", is_flag=True, help="Exit with 4 where something got worse and chance could have done it.")
def compare(
    config: Path | None, base: Path, candidate: Path, anchor: Path | None, rules_file: Path | None, as_json: bool, strict: bool
) -> None:
    """Decide on two result files alone: BASE, and CANDIDATE that wants to replace it.

    A line a run: {"case": …, "run": 1, "passed": 0 or 1}, and optionally critical, cost_usd, latency_ms, cluster, slice, status.
    """
    from scoring.gate.decide import decide
    from scoring.gate.results import BadInput, read
    from scoring.gate.rules import load
    from scoring.gate.wording import as_text

    try:
        rules_file = rules_file or _local_rules(config)
        rules = load(rules_file)
        if anchor is None and rules.anchor.file:
            anchor = (rules_file.parent if rules_file else Path()) / rules.anchor.file
        verdict = decide(
            read(base),
            read(candidate),
            rules,
            today=datetime.now(UTC).date(),
            anchor=None if anchor is None else read(anchor),
            strict=strict,
        )
    except BadInput as error:
        if as_json:
            _print_json({"exit_code": error.exit_code, "outcome": "bad_input", "error": str(error)})
        raise
    if as_json:
        _print_json(verdict.as_json())
    else:
        click.echo(as_text(verdict), nl=False)
    sys.exit(verdict.exit_code)


gate.add_command(run)
gate.add_command(baseline)
gate.add_command(report)
gate.add_command(workflow)


def _local_rules(config: Path | None) -> Path | None:
    here = (config.parent if config else Path()) / "config" / "gate.toml"
    return here if here.is_file() else None


def _print_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
