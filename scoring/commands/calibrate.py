"""Hold the judges against people's labels in the log: agreement with intervals, drift on frozen anchors, and what is stale."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from proxy.cli import config_option, load_settings

if TYPE_CHECKING:
    from scoring.calibration.calibrate import Calibration
    from scoring.calibration.report import Report


COLUMNS: Final = (
    "judge",
    "fingerprint",
    "labels",
    "kappa",
    "MCC",
    "TPR",
    "TNR",
    "accuracy",
    "always one",
    "both orders",
    "ECE",
    "unscored",
)
WIDE: Final = 130
"""Columns of a terminal from which the table can be read; on a narrower one each judge's figures are a line."""


@click.command()
@config_option
@click.option("--days", type=click.IntRange(1), default=90, show_default=True, help="Verdicts of so many days back.")
@click.option("--questions", is_flag=True, help="Each question of a rubric as well, where it has labels of its own name.")
@click.option("--level", type=click.FloatRange(0.5, 1.0, max_open=True), default=0.95, show_default=True, help="Of the intervals.")
@click.option("--max-age", type=click.IntRange(1), default=30, show_default=True, help="Days after which labels are old.")
@click.option("--min-labels", type=click.IntRange(1), default=50, show_default=True, help="Labels below which a judge is uncalibrated.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def calibrate(config: Path | None, days: int, questions: bool, level: float, max_age: int, min_labels: int, as_json: bool) -> None:
    """Print how far each judge (by rubric and fingerprint) agrees with people, and why it may not be trusted any more.

    Labels that the rubric was tuned on (split rubric_dev) never count, nor those picked for looking bad with no known probability.
    """
    import json

    from proxy.service.client import Access
    from scoring.calibration.calibrate import Policy
    from scoring.calibration.report import document, report
    from scoring.estimates.posterior import SEED

    now = datetime.now(UTC)
    policy = Policy(timedelta(days=max_age), min_labels)
    with Access(load_settings(config)) as log:
        found = report(log, now - timedelta(days=days), now, questions=questions, level=level, seed=SEED, policy=policy)
    if as_json:
        click.echo(json.dumps(document(found), indent=2, default=str))
    else:
        _print(found, days)


def _print(found: Report, days: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    if not found.calibrations:
        console.print(f"No judge gave a verdict in the last {days} days: run `goldwash score`.")
        return
    if console.width >= WIDE:
        table = Table(header_style="bold")
        for name in COLUMNS:
            table.add_column(name, justify="left" if name in COLUMNS[:2] else "right", overflow="fold")
        for one in found.calibrations:
            table.add_row(*map(Text, _row(one)))
        console.print(table)
    for one in found.calibrations:
        counts, models = one.agreement.confusion, ", ".join(one.models) or "the model is not known"
        console.print(
            Text(
                f"{one.judge} {one.fingerprint} ({models}): failures seen {counts.tp}, missed {counts.fn}; "
                f"passes called failures {counts.fp}, let pass {counts.tn}"
            )
        )
        if console.width < WIDE:
            figures = zip(COLUMNS[2:], _row(one)[2:], strict=True)
            console.print(Text(f"  {', '.join(f'{name} {figure}' for name, figure in figures)}"))
        if one.drift is not None:
            moved = one.drift
            word = {True: "another judge than it was", False: "no drift", None: "too few anchors to say"}[moved.drifted]
            flips = f"{moved.repeats.flips} of {moved.repeats.n} flipped, {moved.to_fail} to fail"
            console.print(Text(f"  frozen anchors: {flips}: {word} (up to {moved.floor:.0%} is none)"))
        for reason in one.stale:
            console.print(Text(f"  stale: {reason}"))
    if found.people is not None:
        people = found.people
        agreed = _interval(people.agreement.kappa, people.agreement.kappa_low, people.agreement.kappa_high)
        console.print(Text(f"people with each other: kappa {agreed} on {people.n} items labelled twice"))
    for reason, count in found.discarded.items():
        console.print(Text(f"{count} label{'' if count == 1 else 's'} left out: {reason}"))


def _row(one: Calibration) -> tuple[str, ...]:
    a = one.agreement
    ece = "·" if one.confidence is None else _share(one.confidence.ece)
    if one.confidence is not None and one.confidence.ece_corrected is not None:
        ece += f" → {one.confidence.ece_corrected:.2f}"
    return (
        one.judge,
        one.fingerprint,
        str(one.n_labels),
        _interval(a.kappa, a.kappa_low, a.kappa_high),
        _share(a.mcc),
        _interval(a.tpr, a.tpr_low, a.tpr_high),
        _interval(a.tnr, a.tnr_low, a.tnr_high),
        _share(a.accuracy),
        _share(a.majority_baseline),
        "·" if one.orders is None else _share(one.orders.consistency),
        ece,
        f"{one.n_unscored} of {one.n_verdicts}",
    )


def _share(value: Any) -> str:
    return "·" if value is None else f"{value:.2f}"


def _interval(point: float | None, low: float | None, high: float | None) -> str:
    return "·" if point is None or low is None or high is None else f"{point:.2f} [{low:.2f}, {high:.2f}]"
