"""Keep the golden set: candidates from the log, confirmed, retired, exported to other tools and imported from them."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings
from scoring.commands.golden_init import init
from scoring.commands.golden_set import directory_option, opened, record, rubrics_of, shown
from scoring.commands.golden_staleness import staleness

if TYPE_CHECKING:
    from config.settings import Settings
    from scoring.golden.case import GoldenCase
    from scoring.golden.surrogates import Surrogates

SPLITS = ("representative", "boundary", "adversarial", "regression")


@click.group()
def golden() -> None:
    """Keep the golden set, `golden/*.jsonl`: what production taught, and what right would be.

    A candidate is what production answered and nothing more. Confirming it says what right would be; only then is a release held to it.
    """


golden.add_command(init)
golden.add_command(staleness)


@golden.command("list")
@config_option
@directory_option
@click.option("--status", help="Only these: candidate, confirmed, known_failing, guarding, retired; separated by commas.")
@click.option("--json", "as_json", is_flag=True, help="Print the cases as JSON lines.")
def list_(config: Path | None, directory: Path | None, status: str | None, as_json: bool) -> None:
    """Show the cases."""
    from scoring.golden.case import line

    cases = opened(config, directory).cases
    chosen = [case for case in cases if status is None or case.status in status.split(",")]
    if as_json:
        for case in chosen:
            click.echo(line(case))
        return
    _table(chosen)
    counts = Counter(case.status for case in cases)
    click.echo(f"{len(cases)} cases" + (f": {', '.join(f'{n} {name}' for name, n in sorted(counts.items()))}" if cases else ""))


@golden.command()
@config_option
@directory_option
@click.argument("exchange_ids", nargs=-1)
@click.option("--flagged", type=click.IntRange(1), help="Choose so many of the failures that people labelled, for coverage.")
@click.option(
    "--split", type=click.Choice(SPLITS), default="regression", show_default=True, help="regression: a failure; else another reason."
)
@click.option("--file", "file", default=None, help="File of the set that they join; else cases.jsonl.")
@click.option("--slice", "slice_", help="Slice; else the feature.")
@click.option("--tag", "tags", multiple=True, help="Tag; may be repeated.")
@click.option("--owner", help="Who looks after it.")
@click.option("--keep-similar", is_flag=True, help="Add also what nearly equals a case that is there.")
def add(
    config: Path | None,
    directory: Path | None,
    exchange_ids: tuple[str, ...],
    flagged: int | None,
    split: str,
    file: str | None,
    slice_: str | None,
    tags: tuple[str, ...],
    owner: str | None,
    keep_similar: bool,
) -> None:
    """Make candidates of logged exchanges, by our id or the provider's response id.

    What they hold is redacted. What people said already (a corrected answer, a label) and the judge's verdict come along. Exchanges that
    cannot be asked again are refused as not_replayable, counted by reason. Exits with 1 where nothing was added.
    """
    from proxy.service.client import Access
    from scoring import tasks
    from scoring.golden import candidates
    from scoring.golden.evidence import resolve

    if not exchange_ids and flagged is None:
        raise click.UsageError("name exchanges, or say --flagged N")
    settings = load_settings(config)
    golden_set = opened(config, directory)
    with Access(settings) as access:
        wanted = [resolve(access, said) for said in exchange_ids]
        found = candidates.gathered(access, wanted) if wanted else candidates.labelled_failures(access)
    options = candidates.Options(
        split=split,
        patterns=settings.redaction.patterns,
        rubrics=rubrics_of(config),
        tasks=tasks.beside(config),
        slice=slice_,
        tags=tags,
        owner=owner,
        keep_similar=keep_similar,
        most=None if wanted else flagged,
    )
    made = candidates.make(found, golden_set.cases, options)
    for captured in made.added:
        golden_set.keep(captured.blobs)
        golden_set.put(captured.case, file)
        click.echo(f"{captured.case.id}  {captured.case.status}  {shown(captured.case.question)}")
    golden_set.save()
    for exchange_id, why in made.refused:
        click.echo(f"{exchange_id}: {why}", err=True)
    click.echo(_sentence(len(made.added), made.reasons), err=True)
    record(settings, [(captured.case, "added", None) for captured in made.added], refused=made.reasons)
    sys.exit(0 if made.added or made.known else 1)


@golden.command()
@config_option
@directory_option
@click.argument("case_id")
@click.option("--who", required=True, help="Who says so: a name, or the model's where --by judge.")
@click.option("--by", type=click.Choice(["human", "judge"]), default="human", show_default=True)
@click.option("--family", help="Of the judge: who trained it.")
@click.option("--note", help="Why, in words.")
@click.option("--expected", help="The corrected answer; @FILE reads it from a file.")
@click.option("--expected-json", help="The right JSON, as text or @FILE.")
@click.option("--fact", "facts", multiple=True, help="What a right answer says; may be repeated.")
@click.option("--label", help="The right label.")
@click.option("--choice", type=click.Choice(["A", "B", "tie"]), help="The right choice of a pair.")
@click.option("--tool", "tools", multiple=True, help="A tool that must be called, NAME or NAME=JSON of its arguments; may be repeated.")
@click.option("--refusal/--no-refusal", default=None, help="Whether to refuse would be right.")
@click.option("--contains", multiple=True, help="Text that a right answer contains; may be repeated.")
@click.option("--not-contains", multiple=True, help="Text that a right answer does not contain; may be repeated.")
@click.option("--regex", help="RE2 expression that a right answer matches, within what JavaScript shares.")
@click.option("--not-regex", help="RE2 expression that a right answer does not match.")
@click.option("--check", "checks", multiple=True, help="Any check, NAME or NAME=JSON of its options; may be repeated.")
@click.option("--rubric", help="Question of a rubric, RUBRIC.ITEM, that the failure failed, or that any other case must pass.")
@click.option("--no-rubric", is_flag=True, help="Leave out the rubric's question that came along as a draft: only a judge can answer it.")
@click.option("--critical/--not-critical", default=None, help="One failure of it fails a release.")
def confirm(config: Path | None, directory: Path | None, case_id: str, **said: Any) -> None:
    """Say what right would be, and hold releases to it. CASE_ID may be the id of its exchange.

    One of these is needed: a corrected answer, a check that the observed answer fails, a rubric's question that it failed. The checks run
    on the observed answer first: a failure that passes them is refused. Words are redacted like the case itself.
    """
    from scoring.golden.case import Confirmation
    from scoring.golden.confirming import confirmed

    if said["rubric"] and said["no_rubric"]:
        raise click.UsageError("--rubric and --no-rubric: leave one out")
    settings = load_settings(config)
    golden_set = opened(config, directory)
    case = golden_set.find(case_id)
    draft = _with_words(settings, config, case, said)
    opinion = Confirmation(
        by=said["by"],
        who=said["who"],
        family=said["family"],
        verdict="fail" if case.is_failure else "pass",
        at=_now(),
        note=_redacted(settings, case, said["note"]),
    )
    changed = confirmed(draft, opinion, critical=said["critical"])
    if changed.status == case.status and _grades(changed) != _grades(case):
        changed = changed.model_copy(update={"version": case.version + 1})  # another version is another question
    golden_set.put(changed)
    golden_set.save()
    click.echo(f"{changed.id}  {changed.status}{'  critical' if changed.critical else ''}  {shown(_right(changed))}")
    if changed.rubric is not None and not _has_judge(config):
        asked = f"{changed.rubric.name}.{changed.rubric.item}"
        click.echo(f"{asked} takes a judge, which [judge] in config/scoring.toml names; --no-rubric leaves it out", err=True)
    record(settings, [(changed, "confirmed", said["who"])])


@golden.command()
@config_option
@directory_option
@click.argument("case_ids", nargs=-1, required=True)
@click.option("--who", default="", help="Who says so.")
@click.option("--note", default="", help="Why.")
def retire(config: Path | None, directory: Path | None, case_ids: tuple[str, ...], who: str, note: str) -> None:
    """Hold nothing to these cases any more; they stay in the file."""
    from scoring.golden.confirming import retired

    golden_set = opened(config, directory)
    cases = [retired(golden_set.find(one), note, who, _now()) for one in case_ids]
    for case in cases:
        golden_set.put(case)
        click.echo(f"{case.id}  retired")
    golden_set.save()
    record(load_settings(config), [(case, "retired", who or None) for case in cases])


@golden.command()
@config_option
@directory_option
@click.option("--format", "format_", default="goldwash", show_default=True, help="goldwash, or a tool's: see docs/golden.md.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write; else standard output.")
@click.option("--status", default="confirmed,known_failing,guarding", show_default=True, help="Which cases; `all` is all but retired ones.")
@click.option("--name", default="golden", show_default=True, help="Name of the dataset, for tools that want one.")
@click.option("--judge", help="promptfoo: provider that grades rubrics and corrected answers, such as openai:gpt-5-2025-08-07.")
def export(
    config: Path | None, directory: Path | None, format_: str, output: Path | None, status: str, name: str, judge: str | None
) -> None:
    """Write the cases for another tool, or for another golden set.

    The same cases give the same bytes. What a format cannot hold is said on standard error and in docs/golden.md.
    """
    from scoring.golden import formats

    chosen = formats.named(format_)
    golden_set = opened(config, directory)
    wanted = {"candidate", "confirmed", "known_failing", "guarding"} if status == "all" else set(status.split(","))
    cases = [case for case in golden_set.cases if case.status in wanted]
    options = formats.Options(name=name, judge=judge)
    blobs = golden_set.blobs(cases)
    whole = cases if chosen.keeps_blobs else [formats.inflated(case, blobs) for case in cases]
    text = chosen.write(whole, options)
    if output is None:
        sys.stdout.buffer.write(text.encode())
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(text.encode())
        if chosen.keeps_blobs and output.parent.resolve() != golden_set.directory.resolve():
            formats.beside(output.parent, blobs)
    for loss in formats.losses_of(chosen, cases, options):
        click.echo(f"{chosen.name}: {loss}", err=True)
    click.echo(f"{len(cases)} of {len(golden_set.cases)} cases exported", err=True)


@golden.command("import")
@config_option
@directory_option
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", default="goldwash", show_default=True, help="goldwash, or a tool's: see docs/golden.md.")
@click.option("--file", "file", default=None, help="File of the set that new cases join; else cases.jsonl.")
@click.option("--skip", is_flag=True, help="Leave out cases that are refused; else one of them stops it all.")
@click.option("--replace", is_flag=True, help="Let a case of the file take the place of the one that is there.")
def import_(config: Path | None, directory: Path | None, source: Path, format_: str, file: str | None, skip: bool, replace: bool) -> None:
    """Take in cases from a file of ours or of another tool.

    The checks run on what was observed, and a failure that passes them is refused. Cases that nobody confirmed come in as candidates.
    """
    from scoring.golden import formats
    from scoring.golden.confirming import fault

    chosen = formats.named(format_)
    golden_set = opened(config, directory)
    cases, blobs = formats.read_file(chosen, source, golden_set.directory)
    refused = [(case, why) for case in cases if (why := fault(case)) is not None]
    for case, why in refused:
        click.echo(f"{source}: case {case.id}: {why}", err=True)
    if refused and not skip:
        raise click.ClickException(f"{len(refused)} of {len(cases)} cases are refused, and nothing was imported; --skip leaves them out")
    left = {case.id for case, _ in refused}
    known = {case.id: case for case in golden_set.cases}
    new = [case for case in cases if case.id not in left and case != known.get(case.id)]
    clashing = [case for case in new if case.id in known] if not replace else []
    for case in clashing:
        click.echo(f"{source}: case {case.id}: another version of it is there; --replace takes this one", err=True)
    taken = [case for case in new if case not in clashing]
    golden_set.keep(blobs)
    for case in taken:
        golden_set.put(case, file)
    golden_set.save()
    same = len(cases) - len(new) - len(refused)
    click.echo(f"{len(taken)} imported, {same} were there already, {len(refused)} refused, {len(clashing)} kept as they are", err=True)
    record(load_settings(config), [(case, "imported", None) for case in taken])
    sys.exit(1 if refused or clashing else 0)


def _has_judge(config: Path | None) -> bool:
    from config import scoring

    return scoring.load(scoring.find(config)).judge is not None


def _grades(case: GoldenCase) -> tuple[Any, ...]:
    return case.expected, case.checks, case.rubric


def _sentence(added: int, reasons: dict[str, int]) -> str:
    left = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    return f"{added} added" + (f"; left out: {left}" if left else "")


def _with_words(settings: Settings, config: Path | None, case: GoldenCase, said: dict[str, Any]) -> GoldenCase:
    """The case with what the options say is right."""
    from scoring.golden import words

    update: dict[str, Any] = {}
    surrogates = None
    if words.any_given(said):
        surrogates = _surrogates(settings, case)
        update["redaction"] = case.redaction.model_copy(update={"policies": surrogates.policies})
    expected = words.expected(said, case.expected, surrogates)
    checks = words.checks(said, surrogates)
    rubric = words.rubric(said["rubric"], rubrics_of(config), case.rubric, failed=case.is_failure)
    if expected is not None:
        update |= {"expected": expected, "expected_source": "human" if said["by"] == "human" else None}
    if checks:
        update["checks"] = (*(one for one in case.checks if one not in checks), *checks)
    if rubric is not None or said["no_rubric"]:
        update["rubric"] = rubric if not said["no_rubric"] else None
    if surrogates is not None and surrogates.replaced:
        update["redaction"] = update["redaction"].model_copy(update={"replaced": {**case.redaction.replaced, **surrogates.replaced}})
    return case.model_copy(update=update)


def _surrogates(settings: Settings, case: GoldenCase) -> Surrogates:
    """The surrogates of the case again, from the log where it still holds the exchange; else fresh ones that clash with none."""
    from proxy.log.attach import LogError
    from proxy.service.client import Access, NoLog, ServiceError
    from scoring import pages
    from scoring.golden.capture import NotReplayable, capture
    from scoring.golden.case import as_json
    from scoring.golden.surrogates import Surrogates

    patterns = settings.redaction.patterns
    if case.source.exchange_id is not None:
        try:
            with Access(settings) as access:
                found = pages.by_id(access, [case.source.exchange_id])
            for exchange in found.values():
                return capture(exchange, patterns=patterns).surrogates
        except (NoLog, LogError, ServiceError, NotReplayable):
            pass  # the set may live where the log does not
    fresh = Surrogates(patterns)
    fresh.value(as_json(case))
    return fresh


def _redacted(settings: Settings, case: GoldenCase, text: str | None) -> str | None:
    return _surrogates(settings, case).text(text) if text else None


def _table(cases: list[GoldenCase]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    table = Table(header_style="bold", box=None)
    for name in ("id", "status", "split", "slice", "question", "expected"):
        table.add_column(name, no_wrap=name != "question", overflow="ellipsis")
    for case in cases:
        status = f"{case.status}{' critical' if case.critical else ''}"
        words = (case.id, status, case.split, case.slice or "", shown(case.question), shown(_right(case)))
        table.add_row(*(Text(word) for word in words))
    if cases:
        console.print(table)


def _right(case: GoldenCase) -> str:
    from scoring.golden.case import canonical, dumped

    parts = []
    if case.expected is not None:
        parts.append(case.expected.text if case.expected.text is not None else canonical(dumped(case.expected)))
    parts += [check.name for check in case.checks]
    if case.rubric is not None:
        parts.append(f"{case.rubric.name}.{case.rubric.item}")
    return "; ".join(parts)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
