"""What the judges of a run grade with, read from files: their options, the rubrics, the baseline's answers, what they answered already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from config.scoring import Scoring
from config.scoring import find as find_scoring
from config.scoring import load as load_scoring
from config.settings import Settings
from scoring.gate.answers import JUDGES, judged
from scoring.gate.columns import Column
from scoring.gate.order import Order
from scoring.gate.results import Results
from scoring.judge.rubric import Rubric, load_all
from scoring.tasks import RUBRICS


class Instruments(NamedTuple):
    """All that grading by judges needs but the judges themselves."""

    options: Scoring
    rubrics: Mapping[str, Rubric]
    baseline: Mapping[str, str]  # case -> what the baseline answered, for pairs
    memory: dict[str, dict[str, Any]]  # what judges answered already, by key
    memory_file: Path
    is_recorded: bool  # the memory alone decides: nobody is asked


def instruments(order: Order, settings: Settings, columns: Sequence[Column], base: Results | None) -> Instruments:
    """Read anew at each call, since runs add to the memory. Raises ConfigError, BadRubric."""
    home = order.config.parent if order.config else Path()
    folder = order.recorded or next((column.folder for column in columns if column.folder is not None), None)
    memory_file = (folder or order.record or settings.data_dir / "gate" / "cache") / JUDGES
    return Instruments(
        options=load_scoring(find_scoring(order.config)),
        rubrics=load_all((home / "config" / "rubrics", RUBRICS)),
        baseline={row.case: str(row.extra["output"]) for row in (base.rows if base else ()) if row.extra.get("output")},
        memory=judged(memory_file),
        memory_file=memory_file,
        is_recorded=folder is not None,
    )
