"""Show a person what was flagged and what was drawn at random, one after the other, and take labels."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from config.settings import Settings
    from proxy.service.client import Access
    from scoring.golden.case import Expected
    from scoring.review.labelling import Said
    from scoring.review.queue import Item, Queue

who_option = click.option(
    "--who", default=getpass.getuser, show_default="your user name", help="Who looks: kappa tells people apart by it."
)
stream_option = click.option(
    "--stream",
    type=click.Choice(["all", "flagged", "audit", "second"]),
    default="all",
    show_default=True,
    help="Only this part of the queue.",
)


@click.group(invoke_without_command=True)
@config_option
@who_option
@stream_option
@click.pass_context
def review(ctx: click.Context, config: Path | None, who: str, stream: str) -> None:
    """Look at what was flagged and at a random audit, and say pass or fail.

    Without a subcommand: one after the other in the terminal. What the judge said is told once you have said it. One of each group of
    near-duplicates is shown; every tenth item comes to a second person.
    """
    if ctx.invoked_subcommand is None:
        _session(load_settings(config), who, stream)


@review.command("next")
@config_option
@who_option
@stream_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def next_(config: Path | None, who: str, stream: str, as_json: bool) -> None:
    """Show what comes next, without what the judge said. Exits with 1 where nothing waits."""
    settings = load_settings(config)
    _take_in(settings)
    shown = _next(settings, who, stream, frozenset())
    if shown is None:
        if as_json:
            click.echo("null")
        click.echo(f"nothing waits for {who}: {MORE}", err=True)
        sys.exit(1)
    item, waiting = shown
    if as_json:
        click.echo(json.dumps({**item, "waiting": waiting}, ensure_ascii=False))
    else:
        from rich.console import Console

        from scoring.review.shown import screen

        Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(screen(item))
        click.echo(f"\ngoldwash review label {item['exchange_id']} pass|fail", err=True)


@review.command()
@config_option
@click.argument("exchange_id")
@click.argument("verdict", type=click.Choice(["pass", "fail", "skip"]))
@who_option
@click.option("--note", help="Why, in words.")
@click.option("--correct", help="The corrected answer; @FILE reads it from a file.")
@click.option("--correct-json", help="The right JSON, as text or @FILE.")
@click.option("--right-label", help="The right label, of a classifier.")
@click.option("--origin", type=click.Choice(["audit", "queue", "user"]), help="How it came to be looked at; else as its flags say.")
@click.option(
    "--split", type=click.Choice(["rubric_dev", "calibration", "audit"]), help="What the label may be used for; else drawn by hash."
)
@click.option("--saw-verdict", is_flag=True, help="The judge's verdict was known to you.")
@click.option("--json", "as_json", is_flag=True, help="Print the label and what the judge said as JSON.")
def label(
    config: Path | None,
    exchange_id: str,
    verdict: str,
    who: str,
    note: str | None,
    correct: str | None,
    correct_json: str | None,
    right_label: str | None,
    origin: Any,
    split: Any,
    saw_verdict: bool,
    as_json: bool,
) -> None:
    """Say pass or fail of an exchange, by our id or the provider's response id; skip passes it on to others."""
    from scoring.golden import words
    from scoring.review.labelling import Said

    settings = load_settings(config)
    expected = words.expected({"expected": correct, "expected_json": correct_json, "label": right_label}, None, None)
    passed = None if verdict == "skip" else verdict == "pass"
    told = _label(settings, Said(exchange_id, passed, who, note, expected, origin, split, saw_verdict))
    if as_json:
        click.echo(json.dumps(told.row | {"verdicts": [_plain(one) for one in told.verdicts]}, ensure_ascii=False, default=str))
        return
    from rich.console import Console

    from scoring.review.shown import revealed

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(f"{told.row['exchange_id']}  {verdict}  by {who}", markup=False)
    console.print(revealed(told.verdicts, told.reasons, passed))
    if passed is False:
        click.echo(f"goldwash golden add {told.row['exchange_id']}  makes a golden case of it", err=True)


@review.command()
@config_option
@who_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def status(config: Path | None, who: str, as_json: bool) -> None:
    """Say what waits, what is labelled, and how far people agree with each other and with the judge."""
    from proxy.service.client import Access
    from scoring.review import standing

    settings = load_settings(config)
    _take_in(settings)
    with Access(settings) as access:
        known = standing.labels(access)
        found = standing.standing(access, known)
        waiting = _queue(access, who)
    counts = {name: len(items) for name, items in waiting.streams.items()}
    if as_json:
        click.echo(json.dumps({"waiting": counts, "second_missing": waiting.doubles_missing, **standing.as_json(found)}))
        return
    from rich.console import Console

    from scoring.review.shown import table

    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table(found, counts, waiting.doubles_missing))


class _Told:
    """A label that was taken, and what may be told now."""

    def __init__(self, row: dict[str, Any], verdicts: list[Any], reasons: list[str]) -> None:
        self.row, self.verdicts, self.reasons = row, verdicts, reasons


def _plain(verdict: Any) -> dict[str, Any]:
    return {"name": verdict.name, "kind": verdict.kind, "passed": verdict.passed, "reason": verdict.reason, "scorer": verdict.scorer}


def _label(settings: Settings, said: Said) -> _Told:
    """Write a label and read what the judge said."""
    import dataclasses

    from proxy.commands.submission import Submission
    from proxy.service.client import Access
    from scoring.golden.evidence import resolve
    from scoring.pages import by_id
    from scoring.review import labelling, standing

    with Access(settings) as access:
        exchange_id = resolve(access, said.exchange_id)
        answer = by_id(access, [exchange_id])[exchange_id].output_text
        flags = [flag for flag in standing.flags(access) if flag.exchange_id == exchange_id]
        verdicts = standing.verdicts(access, exchange_id)
    row = labelling.content(dataclasses.replace(said, exchange_id=exchange_id), flags, answer)
    with Submission(settings, "review") as submission:
        submission.add("labels", row)
    return _Told(row, verdicts, [flag.reason for flag in flags if flag.kind != "audit"])


def _take_in(settings: Settings) -> None:
    """Users' complaints and corrections since the night."""
    from proxy.service.client import Access
    from scoring.outbox import Outbox
    from scoring.review.feedback import take_in

    with Outbox(settings, "review") as outbox:
        with Access(settings) as access:
            new = take_in(access, outbox)
        if new:
            outbox.deliver()


def _queue(access: Access, who: str) -> Queue:
    from scoring.review import standing
    from scoring.review.queue import queue

    return queue(standing.flags(access), standing.labels(access), who)


def _next(settings: Settings, who: str, stream: str, passed_over: frozenset[str]) -> tuple[dict[str, Any], int] | None:
    """The next item as JSON, and how many wait."""
    from proxy.service.client import Access
    from scoring.pages import by_id
    from scoring.review.feedback import of_exchange
    from scoring.review.shown import as_json

    with Access(settings) as access:
        waiting = _queue(access, who)
        items: list[Item] = waiting.in_order() if stream == "all" else waiting.streams[stream]
        for item in items:
            if item.exchange_id in passed_over:
                continue
            found = by_id(access, [item.exchange_id]).get(item.exchange_id)
            if found is not None:  # a flag may outlive its exchange
                return as_json(found, item.alike, of_exchange(access, item.exchange_id)), len(items)
    return None


MORE = "`goldwash score` flags what a person should see"
KEYS = "[p]ass  [f]ail  [c]orrect the answer  [n]ote  [v]iew all  [s]kip  [q]uit"


def _session(settings: Settings, who: str, stream: str) -> None:
    """One item after the other until nothing waits or the person has had enough."""
    from rich.console import Console

    from scoring.review.labelling import Said
    from scoring.review.shown import revealed, screen

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    _take_in(settings)
    labelled = 0
    while (shown := _next(settings, who, stream, frozenset())) is not None:
        item, waiting = shown
        console.print(screen(item))
        note: str | None = None
        expected: Expected | None = None
        while True:
            answer = click.prompt(f"{waiting} waiting  {KEYS}", default="", show_default=False).strip().lower()[:1]
            if answer == "q":
                click.echo(f"{labelled} labelled", err=True)
                return
            if answer == "v":
                console.print(screen(item, whole=True))
            elif answer == "n":
                note = click.prompt("note", default="", show_default=False) or None
            elif answer == "c":
                expected = _corrected(item["answer"] or "")
                answer = "f" if expected is not None else ""
            if answer in ("p", "f", "s"):
                passed = None if answer == "s" else answer == "p"
                told = _label(settings, Said(item["exchange_id"], passed, who, note, expected if passed is False else None))
                console.print(revealed(told.verdicts, told.reasons, passed) if passed is not None else "passed on", markup=False)
                labelled += passed is not None
                break
    click.echo(f"nothing more waits for {who}; {labelled} labelled" + ("" if labelled else f": {MORE}"), err=True)


def _corrected(answer: str) -> Expected | None:
    """The answer as the person would have it: from their editor in a terminal, else as one line. None = unchanged."""
    from scoring.golden.case import Expected

    text = click.edit(answer) if sys.stdin.isatty() else click.prompt("corrected answer", default="", show_default=False)
    text = (text or "").strip()
    return Expected(text=text) if text and text.split() != answer.split() else None
