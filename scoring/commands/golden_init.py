"""Makes a first golden set, for a person to confirm: from a week of the log, from a file of questions, or from shipped templates."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import config_option, load_settings
from scoring.commands.golden_set import directory_option, opened, record, rubrics_of, shown

if TYPE_CHECKING:
    from config.settings import Settings
    from scoring.golden.case import GoldenCase
    from scoring.golden.seeding.plan import Seeded
    from scoring.pages import Window

TASKS = ("retrieval_qa", "classification", "summarisation", "extraction", "agentic", "free_chat")
FILE = "seed.jsonl"
WORDS = {"representative": "stand for the traffic", "boundary": "lie at its edge", "adversarial": "attack it"}


@click.command()
@config_option
@directory_option
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="Whole days of the log, up to now.")
@click.option("--date", "until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of the log, UTC; else today.")
@click.option("--environment", "environments", multiple=True, help="Traffic of this environment; else [sampling] environments.")
@click.option("--from", "source", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV or JSONL of questions instead.")
@click.option("--template", type=click.Choice(TASKS), help="Shipped questions of this kind of work instead.")
@click.option("--system", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="With --from: file with the system prompt.")
@click.option("--representative", type=click.IntRange(0), default=40, show_default=True, help="Cases that stand for the traffic (30–50).")
@click.option("--boundary", type=click.IntRange(0), default=15, show_default=True, help="Cases at its edge (10–20).")
@click.option("--adversarial", type=click.IntRange(0), default=10, show_default=True, help="Attacks (5–10).")
@click.option("--file", "file", default=FILE, show_default=True, help="File of the set that they join.")
@click.option("--owner", help="Who looks after them.")
@click.option("--dry-run", is_flag=True, help="Say what would be added, and write nothing.")
def init(
    config: Path | None,
    directory: Path | None,
    days: int,
    until: datetime | None,
    environments: tuple[str, ...],
    source: Path | None,
    template: str | None,
    system: Path | None,
    representative: int,
    boundary: int,
    adversarial: int,
    file: str,
    owner: str | None,
    dry_run: bool,
) -> None:
    """Make a first golden set: candidates that a person confirms.

    Counts are of the whole set, so that a second run adds only what is missing; nothing that is there, or nearly equals it, is added.
    """
    from scoring.golden.seeding.plan import SPLITS, Seeded

    if source is not None and template is not None:
        raise click.UsageError("say either --from or --template")
    if Path(file).name != file or not file.endswith(".jsonl"):
        raise click.UsageError(f"--file {file}: name a file of the set, such as {FILE}; --dir says where the set lies")
    settings = load_settings(config)
    golden_set = opened(config, directory)
    known = golden_set.cases
    there: dict[str, int] = {split: sum(case.split == split and case.status != "retired" for case in known) for split in SPLITS}
    seeded = Seeded(wanted=dict(zip(SPLITS, (representative, boundary, adversarial), strict=True)), there=there)
    if source is not None:
        _from_file(settings, config, source, system, known, seeded)
    elif template is not None:
        _from_template(config, template, known, seeded)
    else:
        _from_log(settings, config, _span(days, until), environments, known, seeded, owner)
    cases = [one.case.model_copy(update={"owner": owner}) if owner else one.case for one in seeded.added]
    for case in cases:
        click.echo(f"{case.id}  {case.split:<14}  {shown(case.question, 50):<50}  {shown(case.metadata['seed']['why'], 70)}")
    _tell(seeded)
    if dry_run:
        click.echo("nothing is written (--dry-run)", err=True)
        return
    for one in seeded.added:
        golden_set.keep(dict(one.blobs))
    for case in cases:
        golden_set.put(case, file)
    golden_set.save()
    if cases:
        click.echo(_next(cases[0]), err=True)
    record(settings, [(case, "added", None) for case in cases], refused=seeded.left if cases else None)
    sys.exit(0 if cases or sum(there.values()) else 1)


def _span(days: int, until: datetime | None) -> Window:
    from scoring.pages import Window

    end = (until.replace(tzinfo=UTC) if until else datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return Window(end - timedelta(days=days), end)


def _from_log(
    settings: Settings,
    config: Path | None,
    span: Window,
    environments: tuple[str, ...],
    known: list[GoldenCase],
    seeded: Seeded,
    owner: str | None,
) -> None:
    from config import scoring as configuration
    from proxy.service.client import Access, NoLog
    from scoring import tasks
    from scoring.golden.seeding import from_log, pool

    own = (config.parent if config else Path()) / "config" / "tasks.toml"
    options = configuration.load(configuration.find(config)).sampling
    if environments:
        options = options.model_copy(update={"environments": environments})
    found = tasks.load(own if own.is_file() and own.resolve() != tasks.SHIPPED.resolve() else None)
    words = f"{span.start:%Y-%m-%d} to {span.end - timedelta(days=1):%Y-%m-%d}"
    try:
        with Access(settings) as access:
            n = pool.count(access, span, options)
            drawn, extremes = pool.drawn(access, span, options), pool.extremes(access, span, options)
            others = {} if drawn else pool.elsewhere(access, span)
    except NoLog as error:
        raise click.ClickException(f"{error}; without a log say --template {'|'.join(TASKS)}, or --from FILE") from error
    if others:
        held = ", ".join(f"{name} ({count:,})" for name, count in others.items())
        raise click.ClickException(f"{words}: no answered exchange of production; the log holds {held}: say --environment NAME")
    if not drawn:
        raise click.ClickException(f"{words}: the log holds no exchange of these days; take more --days, or --template, or --from FILE")
    click.echo(f"{words}: {n:,} exchanges that could be cases, {len(drawn):,} of them looked at, and {len(extremes):,} extremes", err=True)
    ways = from_log.Ways(found, rubrics_of(config), settings.redaction.patterns, owner)
    from_log.seed(drawn, extremes, known, seeded, ways)


def _from_file(settings: Settings, config: Path | None, source: Path, system: Path | None, known: list[GoldenCase], seeded: Seeded) -> None:
    from scoring.golden.case import BadCase
    from scoring.golden.seeding import from_file

    try:
        text = source.read_text(encoding="utf-8")
        prompt = system.read_text(encoding="utf-8").strip() if system else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadCase(f"{source}: cannot be read as UTF-8 text ({error}); correct the path or the file") from error
    given = from_file.rows(text, source.name)
    from_file.seed(given, known, seeded, system=prompt, patterns=settings.redaction.patterns, rubrics=rubrics_of(config))


def _from_template(config: Path | None, template: str, known: list[GoldenCase], seeded: Seeded) -> None:
    from scoring.golden.seeding import from_log, templates
    from scoring.golden.seeding.distinct import join

    join(seeded, templates.cases(template, rubrics_of(config)), known, "representative", templates.SAME)
    from_log.shipped([templates.frame_of(template, rubrics_of(config))], known, seeded)


def _tell(seeded: Seeded) -> None:
    for one in seeded.cover if any(draft.case.split == "representative" for draft in seeded.added) else ():
        cases = f"{one['cases']} case{'' if one['cases'] == 1 else 's'}"
        click.echo(f"  {one['share']:>6.1%} of the traffic, {cases}: {shown(str(one['theme']), 70)}", err=True)
    for split, wanted in seeded.wanted.items():
        added = sum(one.case.split == split for one in seeded.added)
        there = seeded.there.get(split, 0)
        missing = seeded.missing(split)
        short = f"; {missing} short: there is nothing more that is different" if missing else ""
        click.echo(f"{split}: {added} added, {there} were there, {wanted} wanted{short}", err=True)
    if seeded.left:
        click.echo("left out: " + ", ".join(f"{n} {reason}" for reason, n in sorted(seeded.left.items())), err=True)


def _next(case: GoldenCase) -> str:
    return (
        "these are candidates, and nothing is held to them yet. A person says of each what would be right:\n"
        f"  goldwash golden confirm {case.id} --who NAME --expected … | --fact … | --contains … | --rubric RUBRIC.ITEM\n"
        "  goldwash golden confirm CASE --who NAME       where it brings checks, as the adversarial ones do\n"
        "  goldwash golden retire CASE --who NAME        where it is of no use: it is not proposed again"
    )
