"""Where baselines lie, and what becomes one: `golden/baselines/current.jsonl`, and `anchor.jsonl`, which stays when others follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from scoring.gate.deciding import numbered, statuses
from scoring.gate.golden_files import save_statuses
from scoring.gate.lifecycle import after_baseline, owed_to_baseline
from scoring.gate.results import BadInput, Results, read, write
from scoring.gate.words import Status

if TYPE_CHECKING:
    from scoring.gate.running import Outcome, Ready

FOLDER: Final = Path("baselines")
"""Beside the golden files."""
CURRENT: Final = "current.jsonl"
ANCHOR: Final = "anchor.jsonl"


class Promoted(NamedTuple):
    """What was written."""

    current: Path
    sentence: str


def promote(results: Results, name: Path, golden: Path, *, move_anchor: bool) -> Promoted:
    """Makes results the baseline of a golden folder. Raises BadInput where they cannot be one."""
    lost = [row for row in results.rows if row.passed is None]
    if lost:
        raise BadInput(
            f"{name}: case {lost[0].case} run {lost[0].run} was not measured ({lost[0].error}): run it again before it is a baseline"
        )
    if results.header.extra.get("partial"):
        raise BadInput(f"{name}: it holds only the cases that failed before: run the whole set")
    folder = golden / FOLDER
    current, anchor = folder / CURRENT, folder / ANCHOR
    folder.mkdir(parents=True, exist_ok=True)
    said = ""
    if move_anchor:
        write(results, anchor)
        said = f"; {anchor} is moved to it"
    elif not anchor.is_file():
        write(read(current) if current.is_file() else results, anchor)
        said = f"; {anchor} is pinned to {'the one before' if current.is_file() else 'it too'}, and stays"
    else:
        said = f"; {anchor} stays"
    write(results, current)
    return Promoted(current, f"{current} is the baseline now{said}")


def proven(ready: Ready, outcome: Outcome) -> tuple[Results, dict[str, tuple[Status, Status]]]:
    """Runs confirmed cases that failed every run often enough to prove it, and writes known_failing where it is proven."""
    import uvloop

    from scoring.gate.running import again

    results, known = outcome.results, statuses(outcome.results)
    owed = owed_to_baseline(known, results, ready.rules)
    if owed:
        more = uvloop.run(again(ready, outcome.variant, owed, numbered(results)))
        results = results.with_more(replace(row, confirming=True) for row in more)
    after = after_baseline(known, results, ready.rules)
    moved = save_statuses(ready.golden, after)
    rows = tuple(replace(row, status=after.get(row.case, row.status)) for row in results.rows)
    results = Results(rows, results.header, results.name)
    write(results, outcome.path)
    return results, moved
