"""Score a day: checks on everything, judges on a sample, flags for people, and a report for the morning."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from config.scoring import Scoring
    from config.settings import Settings
    from scoring.run import Night, Summary

MARGIN = 0.05
"""The half-width that `--plan` sizes the audit for, where none is asked for."""


@click.command()
@config_option
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Day to score (UTC); left out = yesterday.")
@click.option("--follow", is_flag=True, help="Score today as it goes on, every few minutes, until it is stopped.")
@click.option("--plan", "plan_only", is_flag=True, help="Print the sample, the calls, their cost and the expected precision, and stop.")
@click.option("--half-width", type=click.FloatRange(0.001, 0.5), help="Half-width of the rates' intervals to size the random audit for.")
@click.option(
    "--budget", type=click.FloatRange(0, min_open=True), help="Dollars for judging this day; else budget_usd of the configuration."
)
@click.option("--report", "report_only", is_flag=True, help="Print the day's report and score nothing.")
@click.option("--scoring", "scoring_file", type=click.Path(path_type=Path), help="Else config/scoring.toml beside --config.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done, or the plan, as JSON.")
def score(
    config: Path | None,
    day: datetime | None,
    follow: bool,
    plan_only: bool,
    half_width: float | None,
    budget: float | None,
    report_only: bool,
    scoring_file: Path | None,
    as_json: bool,
) -> None:
    """Run the checks on all of a day's traffic, take a sample to the judges, and flag what failed.

    Run it as often as you like: what is done is not done again, and no judge call is paid twice. The report lies in data_dir/reports.
    Exits with 1 where items failed (a judge that is down): the next run tries those again.
    """
    import os

    from config import scoring as configuration

    settings = load_settings(config)
    options = configuration.load(scoring_file or configuration.find(config))
    if budget is not None:
        options = options.model_copy(update={"budget_usd": budget})
    chosen = day.date() if day is not None else _today() - timedelta(days=0 if follow else 1)
    if chosen > _today():
        raise click.UsageError(f"--date {chosen}: this day has not begun (in UTC it is {_today()}): name today or an earlier one")
    if follow and day is not None and chosen != _today():
        raise click.UsageError("--follow scores today: leave --date out")
    night = _night(settings, options, chosen, config, dict(os.environ), follow=follow)
    if plan_only:
        _plan(night, half_width, as_json=as_json)
    elif report_only:
        _report(night, as_json=as_json)
    elif follow:
        _follow(night)
    else:
        sys.exit(_once(night, as_json=as_json))


def _night(settings: Settings, options: Scoring, day: date, config: Path | None, environ: dict[str, str], *, follow: bool) -> Night:
    from scoring import tasks
    from scoring.judge.rubric import load_all
    from scoring.progress import Quiet
    from scoring.run import Night

    beside = (config.parent if config else Path()) / "config"
    found = tasks.beside(config)
    rubrics = load_all([beside / "rubrics", tasks.RUBRICS])
    unknown = sorted(found.rubrics - rubrics.keys())
    if unknown:
        raise tasks.BadTasks(
            f"{beside / 'tasks.toml'}: there is no rubric {unknown[0]!r}: write {beside / 'rubrics' / unknown[0]}.toml, or correct the task"
        )
    return Night(settings, options, found, rubrics, day, Quiet(), environ, growing=follow)


def _once(night: Night, *, as_json: bool) -> int:
    import dataclasses
    import json

    from scoring import gathering, nightly, rendering
    from scoring.progress import Bar

    with Bar() as bar:
        summary = nightly.night(dataclasses.replace(night, progress=bar))
    found = gathering.gather(night.settings, night.day, night.tasks, night.options.sampling)
    files = rendering.write(found, night.settings.data_dir / "reports")
    if as_json:
        click.echo(json.dumps({**summary.as_json(), "reports": [str(file) for file in files]}, default=str, indent=1))
    else:
        rendering.show(found)
        _tell(summary)
        click.echo(f"report: {', '.join(str(file) for file in files)}")
    return 0 if summary.complete else 1


def _follow(night: Night) -> None:
    import dataclasses
    import time

    from scoring import nightly
    from scoring.run import Busy

    click.echo(f"following {night.day}, every {night.options.follow_seconds:g} s; Ctrl-C ends it")
    while True:
        if night.day != _today():  # the day that ended is left to the night, which needs all of it
            night = dataclasses.replace(night, day=_today())
        try:
            summary = nightly.night(night)
        except Busy as busy:
            click.echo(f"{datetime.now(UTC):%H:%M:%S} {busy}")
        else:
            click.echo(f"{datetime.now(UTC):%H:%M:%S} {_sentence(summary)}; {_so_far(night)}")
        time.sleep(night.options.follow_seconds)


def _so_far(night: Night) -> str:
    """What may be said at any look: bounds over the whole days so far, or nothing."""
    from proxy.service.client import Access
    from scoring.rates import followed

    with Access(night.settings) as access:
        found = followed(access, night.day)
    if found is None:
        return "no verdict on the failure rate yet: too few whole days with labels"
    return f"failure rate of the last {found.days} labelled days {found.rate:.1%} ({found.low:.1%} to {found.high:.1%}, at any look)"


def _plan(night: Night, half_width: float | None, *, as_json: bool) -> None:
    import json

    from scoring.plan import plan
    from scoring.precision import expected

    found = plan(night)
    precision = expected(night.settings, found, half_width or MARGIN)
    if as_json:
        click.echo(json.dumps({**found.as_json(), **precision.as_json()}, indent=1))
        return
    click.echo(f"{found.day}: {found.exchanges:,} exchanges, {found.unchecked:,} of them not checked yet")
    if found.unchecked:
        click.echo("  what is not checked yet has no task and no failed check here, so that the plan is a little off")
    for why, n in found.left_out.items():
        click.echo(f"  {n:,} cannot be sampled: {why}")
    if found.rate < night.options.sampling.rate:
        click.echo(f"  more than most = {night.options.sampling.most:,} items: the random part is {found.rate:.2%} of everything")
    for stratum in sorted(found.sizes):
        n, drawn = found.sizes[stratum], found.drawn.get(stratum, 0)
        click.echo(f"  {stratum!s:<40} {drawn:>8,} of {n:,}")
    click.echo(f"sample: {sum(found.drawn.values()):,} items, {found.audit} of them for the audit by people")
    cost = "not known: no price for the judge's model" if found.cost_usd is None else f"${found.cost_usd:,.2f}"
    again = f"; anchors again: {found.anchor_calls:,}, second judge {found.second_anchor_calls:,}"
    again = again if found.anchor_calls or found.second_anchor_calls else ""
    calls = f"judge calls: {found.calls:,}, second judge about {found.second_calls:,}{again}; cost about {cost}"
    click.echo(calls if found.has_judge else "judge calls: none, for there is no [judge] in config/scoring.toml")
    for line in precision.lines():
        click.echo(line)


def _report(night: Night, *, as_json: bool) -> None:
    import json

    from scoring import gathering, rendering

    found = gathering.gather(night.settings, night.day, night.tasks, night.options.sampling)
    if as_json:
        click.echo(json.dumps(found.as_json(), default=str, indent=1))
    else:
        rendering.show(found)


def _tell(summary: Summary) -> None:
    click.echo(_sentence(summary))
    for why, n in sorted(summary.why.items(), key=lambda one: -one[1])[:8]:
        click.echo(f"  {n:,} × {why}", err=True)


def _sentence(summary: Summary) -> str:
    states = ", ".join(f"{n:,} {state}" for state, n in sorted(summary.states.items())) or "nothing to judge"
    cost = f"${summary.cost_usd:.4f}" + (f" and {summary.unpriced:,} calls without a known price" if summary.unpriced else "")
    return (
        f"{summary.checked:,} exchanges checked now ({summary.failed_checks:,} failed), sample of {summary.drawn:,}: {states}; "
        f"{summary.calls:,} judge calls now, {cost}; {summary.flags:,} new flags"
    )


def _today() -> date:
    return datetime.now(UTC).date()
