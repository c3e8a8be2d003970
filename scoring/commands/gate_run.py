"""Run golden cases against targets and decide: `goldwash gate FILES…`."""

from __future__ import annotations

import functools
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoring.gate.order import Order
    from scoring.gate.preparing import Ready
    from scoring.gate.running import Outcome

FILE = click.Path(path_type=Path)
REPORTS = ("markdown", "junit", "sarif", "annotations", "json")


def run_options(command: Any) -> Any:
    """What `gate` and `gate baseline make` have in common."""
    options: list[Callable[[Any], Any]] = [
        config_option,
        click.argument("files", type=FILE, nargs=-1, required=True),
        click.option("--targets", help="Names of [target.NAME], with commas; else [gate] targets, else the only one."),
        click.option(
            "--prompt", "prompts", type=FILE, multiple=True, help="A prompt file instead of the target's own; several make a matrix."
        ),
        click.option(
            "--rules", "rules_file", type=FILE, help="Rules (TOML); else config/gate.toml beside --config, else the shipped ones."
        ),
        click.option("--repeat", type=click.IntRange(1, 100), help="Runs a case; else as many as the baseline has, else 1."),
        click.option("--with-candidates", is_flag=True, help="Run and show cases that nobody confirmed yet; they decide nothing."),
        click.option(
            "--calibration", type=FILE, help="What `goldwash calibrate --json` printed; else golden/calibration.json, else the log."
        ),
        click.option("--budget", type=click.FloatRange(0, min_open=True), help="Dollars this run may cost; a dearer one is refused."),
        click.option("--plan", "only_plan", is_flag=True, help="Say what would be asked and what it would cost, and stop."),
        click.option("--record", type=FILE, help="Keep the answers in this folder, for runs without keys."),
        click.option("--out", type=FILE, help="The result file, or a folder for result files; else data_dir/gate/results."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def never_one(command: Callable[..., None]) -> Callable[..., None]:
    """Whatever goes wrong in the machinery ends with 4, could not tell, and never with the 1 of a release that failed."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        from scoring.gate.results import CouldNotTell

        try:
            command(*arguments, **options)
        except (click.ClickException, click.Abort):
            raise
        except Exception as error:
            if getattr(error, "exit_code", None) in (2, 4):
                raise
            raise CouldNotTell(f"the run could not be ended: {str(error) or type(error).__name__}") from error

    return guarded


@click.command("run")
@run_options
@click.option("--baseline", type=FILE, help="Result file to hold it against; else baselines/current.jsonl beside the golden files.")
@click.option("--no-baseline", is_flag=True, help="Decide without one: single cases and the floor.")
@click.option("--base-target", help="Target on which runs of the baseline are repeated; else the one its header describes.")
@click.option("--anchor", type=FILE, help="An older baseline that stays; else the rules' [anchor] file, else baselines/anchor.jsonl.")
@click.option("--filter-failing", type=FILE, help="Only the cases that did not pass in this result file.")
@click.option("--cache/--no-cache", default=True, help="Take answers that are known already from data_dir/gate/cache.")
@click.option("--recorded", type=FILE, help="Decide on the answers in this folder, without network or key.")
@click.option("--reruns/--no-reruns", default=True, help="Run cases in doubt again, on both sides.")
@click.option("--update-golden", is_flag=True, help="Where it passes, write into the golden files which known failures are mended now.")
@click.option(
    "--scheduled", is_flag=True, help="The nightly run against [gate] production: nothing cached, result and verdict into the log."
)
@click.option("--strict", is_flag=True, help="Exit with 4 where something got worse and chance could have done it.")
@click.option("--markdown", type=FILE, help="Write a report for a pull request; - for standard output, here and below.")
@click.option("--junit", type=FILE, help="Write JUnit XML.")
@click.option("--sarif", type=FILE, help="Write SARIF.")
@click.option("--annotations", type=FILE, help="Write GitHub annotations.")
@click.option("--json", "json_", type=FILE, help="Write the verdict and the results as JSON.")
@never_one
def run(files: tuple[Path, ...], update_golden: bool, scheduled: bool, only_plan: bool, **options: Any) -> None:
    """Run golden cases against targets, and decide by the rules.

    FILES are golden files (golden/*.jsonl) or folders of them. Exit codes: 0 passed, 1 failed, 2 bad input, 3 judge stale or
    uncalibrated, 4 could not tell: a target or judge did not answer, or a recorded answer is missing or stale.
    """
    from scoring.gate import running
    from scoring.gate.preparing import prepared
    from scoring.gate.results import BadInput

    reports = {name: options.pop("json_" if name == "json" else name) for name in REPORTS}
    order = order_of(files, options, scheduled=scheduled, prove=update_golden)
    _check_reports(reports, files)
    ready = prepared(order)
    if update_golden and len(ready.columns) > 1:
        raise BadInput("--update-golden: one target alone is released: choose it with --targets")
    tell(ready, quiet=Path("-") in reports.values())
    if only_plan:
        if order.reruns and ready.base_variant is not None:
            click.echo("Runs that are added where a drop is in doubt come on top; a budget holds for them too.")
        return
    outcomes = asked(ready)
    if Path("-") not in reports.values():
        show(outcomes)
    _write_reports(reports, outcomes, files)
    if update_golden:
        _update(ready, outcomes)
    if scheduled:
        from scoring.gate.nightly import store

        store(ready.settings, outcomes)
        click.echo("result and verdict are in the log: SELECT * FROM gate_runs ORDER BY created_at DESC", err=True)
    sys.exit(running.exit_code(outcomes))


def order_of(files: tuple[Path, ...], options: dict[str, Any], *, scheduled: bool = False, prove: bool = False) -> Order:
    """The order that the command line gives. Raises BadInput."""
    from scoring.gate.order import Order
    from scoring.gate.results import BadInput

    targets = tuple(name.strip() for name in (options["targets"] or "").split(",") if name.strip())
    if scheduled and not targets:
        from proxy.cli import load_settings

        production = load_settings(options["config"]).gate.production
        if production is None:
            raise BadInput('--scheduled: [gate] production names no target: write production = "NAME" there, or give --targets')
        targets = (production,)
    if options.get("record") and options.get("recorded"):
        raise BadInput("--record and --recorded: the one asks targets and keeps, the other asks nobody: leave one out")
    return Order(
        files=files,
        config=options["config"],
        targets=targets,
        prompts=options["prompts"],
        baseline=options.get("baseline"),
        use_baseline=not options.get("no_baseline"),
        base_target=options.get("base_target"),
        anchor=options.get("anchor"),
        rules=options["rules_file"],
        repeat=options["repeat"],
        filter_failing=options.get("filter_failing"),
        with_candidates=options["with_candidates"],
        use_cache=options.get("cache", False) and not scheduled,
        record=options["record"],
        recorded=options.get("recorded"),
        budget_usd=options["budget"],
        reruns=options.get("reruns", False),
        strict=options.get("strict", False),
        prove=prove,
        calibration=options["calibration"],
        out=options["out"],
    )


def tell(ready: Ready, *, quiet: bool) -> None:
    """What will be asked and what it will cost; on standard error where standard output is a report's."""
    from scoring.gate.planning import in_words

    click.echo(in_words(ready.plans), nl=False, err=quiet)
    if ready.left_out:
        click.echo(f"{ready.left_out} conversations need a target that runs the app (kind command or app): left out", err=quiet)
    if ready.is_partial:
        click.echo("Only cases that failed before: no floor is held, and this is no verdict on a release.", err=quiet)


def asked(ready: Ready) -> list[Outcome]:
    """The outcomes, with a bar meanwhile."""
    from scoring.gate.running import run as go
    from scoring.progress import Bar

    with Bar() as bar:
        return go(ready, bar)


def show(outcomes: list[Outcome]) -> None:
    """The verdicts, the matrix where there are several targets, what was asked, and where the results lie."""
    from scoring.gate.matrix import table
    from scoring.gate.running import HELD_AGAINST
    from scoring.gate.wording import as_text

    for outcome in outcomes:
        title = f"{outcome.variant.name}: " if len(outcomes) > 1 else ""
        click.echo(f"\n{title}{as_text(outcome.verdict)}", nl=False)
    if len(outcomes) > 1:
        click.echo(f"\n{table([(one.variant.name, one.results, one.verdict) for one in outcomes])}", nl=False)
    click.echo()
    for outcome in outcomes:
        spent = outcome.spent
        title = f"{outcome.variant.name}: " if len(outcomes) > 1 else ""
        known = f", {spent.known:,} known already" if spent.known else ""
        lost = f", {spent.unanswered:,} unanswered" if spent.unanswered else ""
        judged = f" (judges ${spent.judge_usd:.4f})" if spent.judge_usd else ""
        unpriced = f"; {spent.unpriced:,} calls have no price" if spent.unpriced else ""
        unpriced += f"; what judging {spent.unpriced_judging:,} answers cost is not known" if spent.unpriced_judging else ""
        click.echo(f"{title}{spent.asked:,} calls asked{known}{lost}: ${spent.usd:.4f}{judged}{unpriced}")
    for outcome in outcomes:
        click.echo(f"results: {outcome.path}")
    told = next((one for one in outcomes if one.verdict.changes), None)
    if told is not None:
        with_more = told.path.parent / HELD_AGAINST / told.path.name  # the baseline with the runs that were added to it
        base = with_more if with_more.is_file() else told.base and told.base.name
        command = ["goldwash", "gate", "report", str(told.path), *(["--base", str(base)] if base else [])]
        click.echo(f"question, answers and why of each case: {shlex.join(command)}")


def _update(ready: Ready, outcomes: list[Outcome]) -> None:
    from scoring.gate.deciding import statuses
    from scoring.gate.golden_files import save_statuses
    from scoring.gate.lifecycle import after_release

    (outcome,) = outcomes
    if outcome.verdict.exit_code != 0 or outcome.base is None:
        click.echo("golden files unchanged: " + ("there is no baseline" if outcome.base is None else "it did not pass"))
        return
    moved = save_statuses(ready.golden, after_release(statuses(outcome.results), outcome.base, outcome.results, ready.rules))
    tell_moved(moved)


def tell_moved(moved: dict[str, Any]) -> None:
    """Which statuses were written."""
    for case, (before, after) in sorted(moved.items()):
        click.echo(f"{case}: {before} → {after}")
    if not moved:
        click.echo("golden files unchanged: no status moved")


def _check_reports(reports: dict[str, Path | None], files: tuple[Path, ...]) -> None:
    from scoring.gate.results import BadInput

    for name, path in reports.items():
        if path is not None and path != Path("-") and (path in files or path.is_dir() or not path.parent.is_dir()):
            raise BadInput(f"--{name} {path}: name a file that can be written, which is none of the golden files")


def _write_reports(reports: dict[str, Path | None], outcomes: list[Outcome], files: tuple[Path, ...]) -> None:
    from scoring.gate.places import known
    from scoring.gate.reports import Report, render

    places = known(files) if any(reports.values()) else {}
    for name, path in reports.items():
        if path is not None:
            text = render(name, [Report(one.base, one.results, one.verdict, places) for one in outcomes])
            if path == Path("-"):
                click.echo(text, nl=not text.endswith("\n"))
            else:
                path.write_text(text, encoding="utf-8")
