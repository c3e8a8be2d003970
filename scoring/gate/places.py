"""Finds the cases of a run in the golden files, with file and line, so that reports can point at them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from scoring.gate.reports.contract import Known
from scoring.golden.case import BadCase, parse


def known(files: Iterable[Path]) -> dict[str, Known]:
    """Case → its place; a line that cannot be read is left out, since a report must come whatever the files are like by now."""
    found: dict[str, Known] = {}
    for file in _named(files):
        try:
            lines = file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            continue
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                case = parse(line.removeprefix("\ufeff"), f"{file}:{number}")
            except BadCase:
                continue
            found.setdefault(case.id, Known(case, _relative(file), number))
    return found


def _named(files: Iterable[Path]) -> list[Path]:
    return [path for file in files for path in (sorted(file.glob("*.jsonl")) if file.is_dir() else [file])]


def _relative(file: Path) -> str:
    """From the working directory, as CI systems want it; with / on every system."""
    whole = Path(os.path.abspath(file))  # noqa: PTH100  resolve() would leave the repository through a link
    here = Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()
