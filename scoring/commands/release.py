"""Say what shipped, keep the bundle that justified it, and show how it did: mark, sample, evidence, review, gap."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings
from scoring.commands.golden_set import shown
from scoring.commands.release_evidence import evidence
from scoring.commands.release_gap import gap
from scoring.commands.release_review import review

if TYPE_CHECKING:
    from scoring.gate.results import Results

FILE = click.Path(path_type=Path)


@click.group()
def release() -> None:
    """What shipped, on which verdict and on whose word, and how it did."""


release.add_command(evidence)
release.add_command(review)
release.add_command(gap)


@release.command("list")
@config_option
def list_(config: Path | None) -> None:
    """Show the releases that are marked."""
    from scoring.release import files

    found = files.every(files.directory(config))
    if not found:
        click.echo("no release is marked: `goldwash release mark` marks one")
    for one in found:
        model = one["ships"].get("model") or one["ships"].get("name") or "(unknown)"
        words = f"{one['verdict']['outcome']:<15} {shown(str(model))}  accepted by {shown(str(one['accepted'].get('by')))}"
        click.echo(f"{one['at'][:16]}  {one['release']:<20} {words}")


@release.command()
@click.argument("name")
@click.argument("results", type=FILE)
@click.option("--size", type=click.IntRange(1, 1000), default=20, show_default=True, help="Answers, one a case.")
@click.option("--out", type=FILE, help="CSV file to write; else standard output.")
def sample(name: str, results: Path, size: int, out: Path | None) -> None:
    """Draw the human sample of release NAME from RESULTS, for a person to fill in `accepted` and `note`.

    Drawn by a hash of the release's name, so that nobody chooses; half of it at most are cases that must pass.
    """
    from scoring.gate.results import read
    from scoring.release.mark import named
    from scoring.release.sample import drawn, sheet

    text = sheet(drawn(read(results), named(name), size))
    if out is None:
        click.echo(text, nl=False)
    elif out.exists():
        raise click.ClickException(f"{out}: it is there, and may be filled in already: name another file")
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"{out}: write yes or no into `accepted`, then `goldwash release mark {name} {results} --sample {out} …`", err=True)


@release.command()
@config_option
@click.argument("name")
@click.argument("results", type=FILE)
@click.option("--accepted-by", required=True, help="Who accepts it: a person's name.")
@click.option(
    "--baseline", type=FILE, help="The result file it was held against; else held_against/ beside RESULTS, where the gate ran it again."
)
@click.option("--anchor", type=FILE, help="The anchor baseline, where one is pinned.")
@click.option("--verdict", type=FILE, help="What `goldwash gate … --json FILE` wrote, instead of working it out.")
@click.option("--rules", type=FILE, help="The gate's rules; else config/gate.toml here, else the shipped ones.")
@click.option("--sample", "sheet", type=FILE, help="The human sample, filled in.")
@click.option("--despite", help="Why it ships although the verdict is not a pass; stands in the mark.")
@click.option("--at", help="When it shipped, ISO 8601; else now.")
@click.option("--git", help="Commit that shipped.")
@click.option("--environment", help="Where it runs, as goldwash-environment says it: review looks at that traffic.")
@click.option("--feature", help="Which feature it is: review looks at that traffic.")
@click.option("--prompt-version", help="As goldwash-prompt-version says it.")
@click.option("--note", help="In words.")
@click.option("--replace", is_flag=True, help="Mark it again, otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print the mark.")
def mark(config: Path | None, name: str, results: Path, **said: Any) -> None:
    """Mark release NAME, whose gate run gave RESULTS: into releases/NAME.json, fit for git, and into the log.

    Its verdict comes from --verdict, or is worked out from RESULTS and --baseline (without one, from RESULTS alone).
    """
    from importlib.metadata import version

    from scoring.gate.results import read
    from scoring.gate.rules import SHIPPED
    from scoring.gate.running import HELD_AGAINST
    from scoring.release import files
    from scoring.release.mark import mark as marked
    from scoring.release.mark import text_of
    from scoring.release.sample import tally

    folder = files.directory(config)
    home = folder.parent
    at = _at(said["at"])
    found = read(results)
    beside = results.parent / HELD_AGAINST / results.name
    if beside.is_file():  # the gate ran cases of the baseline again, and decided on those runs too
        said["baseline"] = beside
    verdict, rules = _verdict(config, found, said, at)
    resting: dict[str, dict[str, Any]] = {"results": files.described(results, home)}
    for role in ("baseline", "anchor", "verdict"):
        if said[role] is not None:
            resting[role] = files.described(said[role], home)
    if rules == SHIPPED:
        resting["rules"] = files.shipped(rules, version("goldwash"), decided_on=at[:10])
    else:
        resting["rules"] = files.described(rules, home, decided_on=at[:10])
    counted = None
    if said["sheet"] is not None:
        resting["sample"] = files.described(said["sheet"], home)
        counted = tally(said["sheet"].read_text(encoding="utf-8"), found, name, str(said["sheet"]))
    value = marked(
        name,
        at,
        found,
        verdict,
        resting,
        accepted_by=said["accepted_by"],
        tally=counted,
        despite=said["despite"],
        about={key: said[key] for key in ("git", "environment", "feature", "prompt_version", "note")},
    )
    path, new = files.write(folder, value, replace=said["replace"])
    if as_printed := said["as_json"]:
        click.echo(text_of(value), nl=False)
    else:
        click.echo(f"{path}: {'marked' if new else 'marked already'}; the verdict is {value['verdict']['outcome']}")
        _warn(value)
    if new:
        _record(config, files.row(value, "marked"), quiet=as_printed)


def _verdict(config: Path | None, results: Results, said: dict[str, Any], at: str) -> tuple[dict[str, Any], Path]:
    """The verdict as JSON values, and the rules it came from."""
    from datetime import date

    from scoring.gate.alone import decide_alone
    from scoring.gate.decide import decide
    from scoring.gate.results import read
    from scoring.gate.rules import SHIPPED, load
    from scoring.release.mark import BadRelease, verdict_in

    here = (config.parent if config else Path()) / "config" / "gate.toml"
    rules = said["rules"] or (here if here.is_file() else SHIPPED)
    if said["verdict"] is not None:
        try:
            value = json.loads(said["verdict"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadRelease(
                f"{said['verdict']}: cannot be read as JSON ({error}): give what `goldwash gate … --json FILE` wrote"
            ) from error
        return verdict_in(value, results.header.target, str(said["verdict"])), rules
    today = date.fromisoformat(at[:10])
    if said["baseline"] is None:
        return decide_alone(results, load(rules), today=today).as_json(), rules
    anchor = None if said["anchor"] is None else read(said["anchor"])
    return decide(read(said["baseline"]), results, load(rules), today=today, anchor=anchor).as_json(), rules


def _at(said: str | None) -> str:
    from scoring.release.mark import BadRelease

    try:
        at = datetime.fromisoformat(said) if said else datetime.now(UTC)
    except ValueError as error:
        raise BadRelease(f"--at {said}: write a date and time such as 2026-11-21T09:30:00+00:00") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")


def _warn(value: dict[str, Any]) -> None:
    measured, accepted = value["measured_with"], value["accepted"]
    if accepted["sample"] is None:
        click.echo("warning: no person has looked at a sample of its answers (`goldwash release sample`)", err=True)
    elif accepted["sample"]["contradicting"]:
        cases = ", ".join(accepted["sample"]["contradicting"][:5])
        click.echo(f"warning: the gate passed what the person rejected: {cases}; those cases hold too little", err=True)
    if measured.get("judge") and measured.get("judge_state") != "calibrated":
        click.echo(f"warning: the judge is {measured.get('judge_state') or 'not known to be calibrated'}", err=True)
    decided = {one["rule"]: one["state"] for one in value["verdict"]["rulings"]}
    if "baseline" not in value["files"] and decided.get("regression") not in (None, "skipped"):
        click.echo("warning: give --baseline too, so that evidence can work the verdict out again", err=True)
    if not value["ships"].get("model") and not value["ships"].get("prompt"):
        click.echo("warning: the result file does not say which model and prompt it is of (its header's target)", err=True)


def _record(config: Path | None, row: dict[str, Any], *, quiet: bool) -> None:
    """Tell the log, where there is one."""
    from proxy.commands.submission import Submission
    from proxy.log.attach import LogError
    from proxy.service.client import NoLog, ServiceError, find, open_here

    settings = load_settings(config)
    try:
        if find(settings) is None:
            open_here(settings).close()
        with Submission(settings, "release") as submission:
            submission.add("releases", row)
    except NoLog:
        if not quiet:
            click.echo("there is no log here: the mark stands in its file alone", err=True)
    except (LogError, ServiceError) as error:
        click.echo(f"goldwash: the mark is written, and the log was not told: {error}", err=True)
        sys.exit(1)
