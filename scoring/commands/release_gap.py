"""Holds the golden set's own failure rate beside production's, week by week, and says where the gap comes from."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option, load_settings
from scoring.commands.golden_set import directory_option, opened

if TYPE_CHECKING:
    from proxy.service.client import Access
    from scoring.estimates.proportions import Interval
    from scoring.release.gap import Week

FILE = click.Path(path_type=Path)


@click.command()
@config_option
@directory_option
@click.option("--weeks", type=click.IntRange(1, 52), default=4, show_default=True, help="Whole weeks, the last one of --date's.")
@click.option("--date", "until", type=click.DateTime(["%Y-%m-%d"]), help="A day of the last week, UTC; else today.")
@click.option("--results", "files", multiple=True, type=FILE, help="Result files of runs against production, beside those in the log.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def gap(config: Path | None, directory: Path | None, weeks: int, until: datetime | None, files: tuple[Path, ...], as_json: bool) -> None:
    """Offline against online: the representative cases weighted by theme, beside the corrected production rate, week by week.

    The gap is split into coverage (themes without a case), the judge's own errors, stale expectations, and the rest.
    """
    from config import scoring as configuration
    from proxy.service.client import Access
    from scoring.gate.results import read
    from scoring.golden import observing
    from scoring.golden.staleness import gone
    from scoring.pages import Window
    from scoring.release import gap as gaps
    from scoring.release import offline

    settings = load_settings(config)
    options = configuration.load(configuration.find(config))
    golden = opened(config, directory).cases
    cases = [case for case in golden if case.split == "representative" and case.status != "retired"]
    last = offline.monday(until or datetime.now(UTC))
    starts = [last - timedelta(weeks=back) for back in range(weeks - 1, -1, -1)]
    given = [offline.of_file(read(file)) for file in files]
    found: list[Week] = []
    with Access(settings) as access:
        items = offline.sampled(access, starts[0], last + timedelta(weeks=1))
        runs = sorted([*given, *offline.of_log(access, starts[0] - timedelta(weeks=weeks))], key=lambda run: run.on)
        themes = offline.themed(access, items, cases)
        for start in starts:
            end = start + timedelta(weeks=1)
            span = Window(_midnight(end - timedelta(weeks=4)), _midnight(end))
            stale = frozenset(one.case for one in gone(cases, observing.features(access, span, options.sampling)))
            of_week = [one for one in items if start <= one.day < end]
            newest = next((run for run in reversed(runs) if run.on < end), None)
            held = offline.offline(newest, themes.of_case, stale) if newest is not None else None
            found.append(gaps.week(start, of_week, [themes.of_item.get((one.item, one.day), -1) for one in of_week], held))
        judges = _judges(access, starts[0], {one.fingerprint for one in items if one.fingerprint})
    if as_json:
        click.echo(json.dumps({"weeks": [one.as_json() for one in found], "judges": judges}, indent=1))
        return
    for one in found:
        _show(one)
    for judge in judges:
        click.echo(f"judge {judge['judge']} {judge['fingerprint']}: {judge['said']}")


def _judges(access: Access, since: date, marks: set[str]) -> list[dict[str, str | bool | None]]:
    """Whether the judges that graded production are still who they were, by their frozen anchors."""
    from scoring.calibration.report import report
    from scoring.estimates.posterior import SEED

    found: list[dict[str, str | bool | None]] = []
    for one in report(access, _midnight(since), datetime.now(UTC), questions=False, level=0.95, seed=SEED).calibrations if marks else ():
        if one.fingerprint in marks:
            moved = one.drift
            said = "no anchors were judged again: whether it drifted is not known"
            if moved is not None:
                word = {True: "another judge than it was", False: "no drift", None: "too few anchors to say"}[moved.drifted]
                said = f"{moved.repeats.flips} of {moved.repeats.n} frozen anchors flipped: {word}"
            found.append({"judge": one.judge, "fingerprint": one.fingerprint, "drifted": moved.drifted if moved else None, "said": said})
    return found


def _show(one: Week) -> None:
    sampled = f"{one.items:,} items sampled, {one.labels:,} labelled"
    click.echo(f"week of {one.start}: {sampled}; {one.cases} representative cases, {one.run or 'no run'}")
    alone = f"; judges and checks alone say {one.judge_alone:.1%}" if one.judge_alone is not None else ""
    click.echo(f"  online   {_words(one.online)}{alone}")
    plain = f", as the traffic's themes weigh it ({one.unweighted:.1%} unweighted)" if one.unweighted is not None else ""
    click.echo(f"  offline  {_words(one.offline)}{plain}")
    if one.gap is not None:
        clear = "" if one.gap.is_apart else "; chance alone can do this"
        click.echo(f"  gap      {one.gap.value:+.1%} ({one.gap.low:+.1%} to {one.gap.high:+.1%}){clear}")
    for name in ("coverage", "judge", "stale", "rest"):
        value = getattr(one, name)
        if value is not None:
            more = f"  ({one.uncovered:.1%} of the traffic lies in themes without a case)" if name == "coverage" and one.uncovered else ""
            click.echo(f"    {name:<9} {value:+.1%}{more}")
    for note in one.notes:
        click.echo(f"  {note}")


def _words(one: Interval | None) -> str:
    return "not known" if one is None else f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
