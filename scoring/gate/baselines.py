"""Where baselines lie, and what becomes one: `golden/baselines/current.jsonl`, and `anchor.jsonl`, which stays when others follow."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from scoring.gate.results import BadInput, Results, read, write

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
    other = anchor.is_file() and _other_judge(read(anchor), results)
    if move_anchor or other:
        write(results, anchor)
        said = f"; {anchor} is moved to it" + (", since another judge graded the one before" if other else "")
    elif not anchor.is_file():
        write(read(current) if current.is_file() else results, anchor)
        said = f"; {anchor} is pinned to {'the one before' if current.is_file() else 'it too'}, and stays"
    else:
        said = f"; {anchor} stays"
    write(results, current)
    return Promoted(current, f"{current} is the baseline now{said}")


def _other_judge(one: Results, other: Results) -> bool:
    """Whether the two cannot be compared, since that would compare judges."""
    pairs = ((one.header.judge, other.header.judge), (one.header.rubric, other.header.rubric))
    return any(before and after and before != after for before, after in pairs)
