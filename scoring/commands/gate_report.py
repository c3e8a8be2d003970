"""Show a run of the gate again, in any format: `goldwash gate report RESULT`, and the shipped workflow: `goldwash gate workflow`."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option

if TYPE_CHECKING:
    from scoring.gate.reports import Report

FILE = click.Path(path_type=Path)
FORMATS = ("terminal", "markdown", "junit", "sarif", "annotations", "json")
"""As scoring.gate.reports has them, written out so that --help loads nothing; a test compares."""


@click.command("report")
@config_option
@click.argument("result", type=FILE)
@click.option("--base", type=FILE, help="Result file that it is held against; else it is judged by itself.")
@click.option("--anchor", type=FILE, help="An older baseline that stays; else the rules' [anchor] file.")
@click.option("--rules", "rules_file", type=FILE, help="Rules (TOML); else config/gate.toml beside --config, else the shipped ones.")
@click.option("--golden", type=FILE, multiple=True, help="Golden files or their folder; else golden/ beside --config.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="terminal", show_default=True, help="What to write.")
@click.option("--out", type=FILE, help="Write it to this file instead.")
@click.option("--strict", is_flag=True, help="Call it could-not-tell where something got worse and chance could have done it.")
def report(
    config: Path | None,
    result: Path,
    base: Path | None,
    anchor: Path | None,
    rules_file: Path | None,
    golden: tuple[Path, ...],
    kind: str,
    out: Path | None,
    strict: bool,
) -> None:
    """Decide on RESULT again, by the same rules, and write a report of it.

    Exits with 0 where the report could be written, whatever the verdict is: `gate` and `gate compare` decide.
    """
    from scoring.gate.reports import render

    text = render(kind, [told(config, result, base, anchor, rules_file, golden, strict=strict)])
    if out is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        out.write_text(text, encoding="utf-8")


def told(
    config: Path | None,
    result: Path,
    base: Path | None,
    anchor: Path | None,
    rules_file: Path | None,
    golden: tuple[Path, ...],
    *,
    strict: bool,
) -> Report:
    """The report's values from files. Raises BadInput."""
    from scoring.gate.alone import decide_alone
    from scoring.gate.decide import decide
    from scoring.gate.places import known
    from scoring.gate.reports import Report
    from scoring.gate.results import read
    from scoring.gate.rules import load

    home = config.parent if config else Path()
    here = home / "config" / "gate.toml"
    rules_file = rules_file or (here if here.is_file() else None)
    rules = load(rules_file)
    if anchor is None and rules.anchor.file:
        anchor = (rules_file.parent if rules_file else Path()) / rules.anchor.file
    candidate, today = read(result), datetime.now(UTC).date()
    places = known(golden or (home / "golden",))
    if base is None:
        return Report(None, candidate, decide_alone(candidate, rules, today=today, strict=strict), places)
    before = read(base)
    verdict = decide(before, candidate, rules, today=today, anchor=None if anchor is None else read(anchor), strict=strict)
    return Report(before, candidate, verdict, places)


@click.command("workflow")
def workflow() -> None:
    """Print a GitHub workflow for the gate: `goldwash gate workflow > .github/workflows/gate.yml`.

    Pull requests decide on stored answers, without a secret; a maintainer's run asks the target. docs/gate-evaluators.md explains it.
    """
    click.echo(resources.files("scoring.gate").joinpath("github-workflow.yml").read_text(encoding="utf-8"), nl=False)
