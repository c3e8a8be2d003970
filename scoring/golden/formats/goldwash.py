"""Our own form: the lines of `golden/*.jsonl`; nothing is lost, and export, import, export gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.golden.case import GoldenCase, lines_of, text_of
from scoring.golden.formats.contract import Format, Options


def write(cases: Sequence[GoldenCase], _: Options) -> str:
    """The lines, sorted by id."""
    return text_of(list(cases))


def read(text: str, place: str) -> list[GoldenCase]:
    """The cases. Raises BadCase."""
    return lines_of(text, place)


FORMAT = Format(
    "goldwash",
    "Our own lines, as they stand in golden/*.jsonl; long strings beside them in blobs/.",
    ".jsonl",
    write,
    read,
    keeps_blobs=True,
)
