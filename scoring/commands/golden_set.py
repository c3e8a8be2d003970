"""What the commands on the golden set share: where it lies, how the log is told of it, how a case is shown in a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from config.settings import Settings
    from scoring.golden.case import GoldenCase
    from scoring.golden.store import GoldenSet
    from scoring.judge.rubric import Rubric

directory_option = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="The golden set; else `golden` beside the --config file, or here.",
)


def opened(config: Path | None, directory: Path | None) -> GoldenSet:
    """The golden set beside the configuration file, or where --dir says. Raises BadCase."""
    from scoring.golden.store import DIRECTORY, GoldenSet

    return GoldenSet(directory or (config.parent if config else Path()) / DIRECTORY)


def rubrics_of(config: Path | None) -> dict[str, Rubric]:
    """The rubrics in force: those beside the configuration file over the shipped ones."""
    from scoring.judge.rubric import load_all
    from scoring.tasks import RUBRICS

    return load_all(((config.parent if config else Path()) / "config" / "rubrics", RUBRICS))


def record(settings: Settings, events: list[tuple[GoldenCase, str, str | None]], refused: dict[str, int] | None = None) -> None:
    """Tell the log, where there is one: the morning report counts candidates that wait."""
    from proxy.commands.submission import Submission
    from proxy.log.attach import LogError
    from proxy.service.client import NoLog, ServiceError, find, open_here
    from scoring.golden.case import as_json

    if not events and not refused:
        return
    try:
        if find(settings) is None:
            open_here(settings).close()
        with Submission(settings, "golden") as submission:
            for case, event, who in events:
                submission.add(
                    "golden_cases",
                    {
                        "exchange_id": case.source.exchange_id,
                        "case_id": case.id,
                        "version": case.version,
                        "status": case.status,
                        "event": event,
                        "by": who,
                        "content": as_json(case),
                    },
                )
            for reason, n in sorted((refused or {}).items()):
                submission.add("golden_cases", {"event": "refused", "reason": reason, "n": n})
    except NoLog:
        return  # a golden set can be kept where no traffic passes, such as in CI
    except (LogError, ServiceError) as error:
        click.echo(f"goldwash: the golden files are written, and the log was not told: {error}", err=True)


def shown(text: str, most: int = 60) -> str:
    """A text as part of a line: no line breaks, nothing that a terminal would obey."""
    from scoring.golden.blobs import REFERENCE

    if text.startswith(REFERENCE):
        return "(a long text, in golden/blobs)"
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
