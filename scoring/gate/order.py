"""What is wanted of a run of the gate: the one value that the command line, the pytest plugin and a user's Python fill in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scoring.progress import Bar, Quiet

Progress = Quiet | Bar
"""Where a run tells how far it is."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a run; everything but the files may be left out."""

    files: tuple[Path, ...]
    config: Path | None = None
    targets: tuple[str, ...] = ()  # names of [target.NAME]; else [gate] targets, else the only one
    prompts: tuple[Path, ...] = ()  # prompt files instead of the targets' own: each target with each
    baseline: Path | None = None  # else baselines/current.jsonl beside the golden files, where it is there
    use_baseline: bool = True
    base_target: str | None = None  # the configured target that the baseline's runs are repeated on; else the one its header describes
    anchor: Path | None = None
    rules: Path | None = None
    repeat: int | None = None  # runs a case; else as many as the baseline has, else 1
    filter_failing: Path | None = None  # only the cases that did not pass in this result file
    with_candidates: bool = False
    use_cache: bool = True
    record: Path | None = None  # keep the answers here
    recorded: Path | None = None  # decide on the answers here, and ask nobody
    budget_usd: float | None = None
    reruns: bool = True
    strict: bool = False
    prove: bool = False  # run cases again where a status could then be moved
    calibration: Path | None = None  # what `goldwash calibrate --json` printed
    out: Path | None = None  # a result file, or a folder for them
