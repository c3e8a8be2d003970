"""Shows how old the golden set has become: how far it is from the last weeks' traffic, what no longer matches, who vouches for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings
from scoring.commands.golden_set import directory_option, opened, shown

if TYPE_CHECKING:
    from scoring.golden.coverage import Coverage
    from scoring.golden.observing import Observed


@click.command()
@config_option
@directory_option
@click.option("--weeks", type=click.IntRange(1, 52), default=4, show_default=True, help="Weeks of traffic that the set is held against.")
@click.option("--date", "until", type=click.DateTime(["%Y-%m-%d"]), help="Last day, UTC; else today.")
@click.option("--environment", "environments", multiple=True, help="Traffic of this environment; else [sampling] environments.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--most", type=click.FloatRange(0, 1), help="Exit with 1 where more of the traffic than this share has no case.")
def staleness(
    config: Path | None,
    directory: Path | None,
    weeks: int,
    until: datetime | None,
    environments: tuple[str, ...],
    as_json: bool,
    most: float | None,
) -> None:
    """How far the set is from the last weeks' traffic, which cases no longer match it, and how it grows."""
    from config import scoring as configuration
    from proxy.service.client import Access
    from scoring.golden import observing
    from scoring.golden import staleness as old
    from scoring.golden.coverage import coverage
    from scoring.golden.likeness import what_varies
    from scoring.pages import Window

    settings = load_settings(config)
    options = configuration.load(configuration.find(config))
    sampling = options.sampling.model_copy(update={"environments": environments}) if environments else options.sampling
    cases = opened(config, directory).cases
    end = (until.replace(tzinfo=UTC) if until else datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    with Access(settings) as access:
        seen = observing.observe(access, Window(end - timedelta(weeks=weeks), end), sampling)
    alive = [case for case in cases if case.status != "retired"]
    representative = [case for case in alive if case.split == "representative"]
    live = representative or [case for case in alive if case.split != "adversarial"]
    found = coverage(seen.texts, [what_varies(case) for case in live])
    gone = old.gone(cases, seen.features)
    families = frozenset(one.of_family or one.model for one in (options.judge, options.second_judge) if one is not None)
    warnings = [*old.one_judge(cases, families), *old.opposed(seen.formats, seen.unhappy)]
    months = old.months(cases)
    if as_json:
        said: dict[str, Any] = {
            "weeks": weeks,
            "until": (end - timedelta(days=1)).date().isoformat(),
            "coverage": found.as_json(),
            "gone": old.as_json(gone),
            "months": old.as_json(months),
            "warnings": warnings,
        }
        click.echo(json.dumps(said, indent=1, ensure_ascii=False))
    else:
        click.echo(
            f"{len(cases)} cases, {len(representative)} of them representative, against {seen.exchanges:,} exchanges of {weeks} weeks"
        )
        if live and not representative:
            click.echo("no case is representative (`goldwash golden init` makes some): all but attacks are held against the traffic")
        _coverage(found, seen)
        click.echo(f"{len({one.case for one in gone})} cases no longer match the traffic")
        for one in gone[:20]:
            click.echo(f"  {one.case} {one.status}: {one.why}")
        if len(gone) > 20:
            click.echo(f"  … and {len(gone) - 20} more (--json has all)")
        for month in months:
            click.echo(f"{month.month}: {month.confirmed} confirmed, {month.retired} retired")
        for warning in warnings:
            click.echo(f"warning: {warning}")
    if most is not None and found.uncovered is not None and found.uncovered.value > most:
        raise click.ClickException(f"{found.uncovered.value:.1%} of the traffic lies in themes without a case; {most:.1%} is allowed")


def _coverage(found: Coverage, seen: Observed) -> None:
    if found.distance is None or found.uncovered is None:
        click.echo(f"distance: not told, {len(seen.texts)} exchanges with bodies and {found.cases} cases are too few")
        return
    far = found.by_chance is not None and found.distance.value > found.by_chance
    words = f"{found.distance.value:.2f} ({found.distance.low:.2f} to {found.distance.high:.2f}; 0 = the same themes, 1 = none shared)"
    click.echo(
        f"distance: {words}; "
        f"a random set of as many cases stays below {found.by_chance:.2f}"
        + (": further from the traffic than chance explains" if far else "")
    )
    one = found.uncovered
    click.echo(f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%}) of the traffic lies in themes without a case")
    for theme in found.themes:
        mark = "  no case" if not theme.cases else "  no traffic" if not theme.exchanges else ""
        click.echo(f"  {theme.traffic:>6.1%} of traffic {theme.in_set:>6.1%} of cases  {shown(theme.name, 60)}{mark}")
