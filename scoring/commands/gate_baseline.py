"""Make baselines, which releases are held against, and promote result files to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from proxy.cli import config_option
from scoring.commands.gate_run import FILE, asked, never_one, order_of, run_options, tell, tell_moved


@click.group()
def baseline() -> None:
    """Make and promote baselines: fresh reruns of the release that is running now, with their own noise."""


@baseline.command()
@run_options
@click.option(
    "--update-golden", is_flag=True, help="Write into the golden files which confirmed cases it is proven to fail (known_failing)."
)
@click.option("--keep", is_flag=True, help="Write the file and leave the current baseline in its place.")
@never_one
def make(files: tuple[Path, ...], update_golden: bool, keep: bool, only_plan: bool, **options: Any) -> None:
    """Run the cases anew against the release that is running now, and make that the baseline.

    Nothing is taken from the cache. A run that reached no target or no judge makes no baseline (exit 4).
    """
    import sys

    from scoring.gate.baseline import worth
    from scoring.gate.baselines import promote
    from scoring.gate.preparing import prepared
    from scoring.gate.proving import proven
    from scoring.gate.results import BadInput

    order = order_of(files, {**options, "no_baseline": True})
    ready = prepared(order)
    if len(ready.columns) != 1:
        raise BadInput(f"a baseline is of one release, and {len(ready.columns)} targets would be run: choose one with --targets")
    tell(ready, quiet=False)
    if only_plan:
        return
    outcome = asked(ready)[0]
    lost = [row for row in outcome.results.rows if row.passed is None]
    if lost:
        click.echo(f"{len(lost)} runs have no result, the first: {lost[0].case}: {lost[0].error}", err=True)
        click.echo(f"no baseline was made; the results so far: {outcome.path}", err=True)
        sys.exit(4)
    results = outcome.results
    if update_golden:
        results, moved = proven(ready, outcome)
        tell_moved(moved)
    if not keep:
        place = promote(results, outcome.path, ready.golden.folder, move_anchor=False)
        click.echo(place.sentence)
    click.echo(described(worth(results, ready.rules)))
    click.echo(f"results: {outcome.path}")


@baseline.command("promote")
@config_option
@click.argument("result", type=FILE)
@click.option("--golden", type=FILE, help="Folder of the golden files, in which baselines/ lies; else `golden` beside --config, or here.")
@click.option("--move-anchor", is_flag=True, help="Pin the anchor to this one too: from then on small drops add up from here.")
def promote_(config: Path | None, result: Path, golden: Path | None, move_anchor: bool) -> None:
    """Make a result file the baseline. The anchor stays where it is; where there is none, the baseline before becomes it."""
    from scoring.gate.baselines import promote
    from scoring.gate.results import read
    from scoring.golden.store import DIRECTORY

    folder = golden or (config.parent if config else Path()) / DIRECTORY
    click.echo(promote(read(result), result, folder, move_anchor=move_anchor).sentence)


def described(found: Any) -> str:
    """What a baseline is worth, in a few lines."""
    from scoring.gate.standing import count

    noise = f", {len(found.flickering)} flicker" if found.runs > 1 else " (one run does not show which flicker: --repeat 3 would)"
    reach = f"; a true drop of {found.detectable_drop * 100:.1f} points would be found 4 times in 5" if found.detectable_drop else ""
    known = f"; {len(found.known_failing)} known to fail" if found.known_failing else ""
    return (
        f"{count(found.cases)}, {count(found.runs, 'run')} each: {found.rate:.1%} pass ({found.low:.1%} to {found.high:.1%}){noise}; "
        f"{len(found.failing)} fail{'s' if len(found.failing) == 1 else ''} every run{known}{reach}"
    )
