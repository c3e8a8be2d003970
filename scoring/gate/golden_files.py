"""Reads the golden files that a run is given, and writes back the statuses that it proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scoring.gate.results import BadInput, Results
from scoring.gate.words import Status
from scoring.golden.assertions import BadOptions, prepared
from scoring.golden.blobs import names
from scoring.golden.case import GoldenCase, lines_of
from scoring.golden.store import GoldenSet


@dataclass(frozen=True, slots=True)
class Golden:
    """The cases of some files, sorted by id, with the folder that each lies in, and their blobs."""

    cases: tuple[GoldenCase, ...]
    folders: Mapping[str, Path]  # case -> the folder of its file
    blobs: Mapping[str, bytes]

    @property
    def folder(self) -> Path:
        """Where the set lies: the folder of its first file."""
        return next(iter(self.folders.values()), Path("golden"))


def read(files: Sequence[Path]) -> Golden:
    """The cases of files, or of all *.jsonl of folders. Raises BadInput, BadCase, MissingBlob."""
    cases: dict[str, GoldenCase] = {}
    folders: dict[str, Path] = {}
    for path in _named(files):
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise BadInput(
                f"{path}: there is no such file: correct the path; `goldwash golden init` and `golden add` make a golden set"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{path}: cannot be read as UTF-8 text ({error}): name golden files, such as golden/*.jsonl") from error
        for case in lines_of(text, str(path)):
            if case.id in cases:
                raise BadInput(f"{path}: case {case.id} stands in another of the files too: keep one of them")
            _check_options(case, path)
            cases[case.id] = case
            folders[case.id] = path.parent
    if not cases:
        raise BadInput("no golden case stands in these files: `goldwash golden add` or `goldwash golden init` makes some")
    blobs: dict[str, bytes] = {}
    for folder in dict.fromkeys(folders.values()):
        here = [case for case in cases.values() if folders[case.id] == folder and (names(case.input.body) or case.input.attachments)]
        if here:
            blobs |= GoldenSet(folder).blobs(here)
    return Golden(tuple(sorted(cases.values(), key=lambda case: case.id)), folders, blobs)


def _check_options(case: GoldenCase, path: Path) -> None:
    """Raises BadInput where a check of the case cannot be run: before anything is asked, and not in the middle of a run."""
    for check in case.checks if case.status != "retired" else ():
        try:
            prepared(check.name, check.options)
        except BadOptions as error:
            raise BadInput(f"{path}: case {case.id}: {error}") from error


def _named(files: Sequence[Path]) -> list[Path]:
    found = []
    for file in files:
        found += sorted(file.glob("*.jsonl")) if file.is_dir() else [file]
    return list(dict.fromkeys(found))


def save_statuses(golden: Golden, statuses: Mapping[str, Status]) -> dict[str, tuple[Status, Status]]:
    """Writes the statuses that differ into the golden files; case -> (before, after)."""
    moved = {case.id: (case.status, statuses[case.id]) for case in golden.cases if statuses.get(case.id, case.status) != case.status}
    for folder in dict.fromkeys(golden.folders[case] for case in moved):
        there = GoldenSet(folder)
        for case, (_, after) in moved.items():
            if golden.folders[case] == folder:
                there.put(there.find(case).model_copy(update={"status": after}))
        there.save()
    return moved


def failing(results: Results) -> frozenset[str]:
    """Cases of a result file of which a run failed or was not measured."""
    return frozenset(row.case for row in results.rows if row.passed is not True)


def only(results: Results, cases: frozenset[str]) -> Results:
    """The rows of some cases."""
    return Results(tuple(row for row in results.rows if row.case in cases), results.header, results.name)
