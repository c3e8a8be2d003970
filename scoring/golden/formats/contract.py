"""What every format is: cases to text and back, and what it loses, as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scoring.golden.case import GoldenCase


@dataclass(frozen=True, slots=True)
class Options:
    """How cases are written."""

    name: str = "golden"  # of the dataset
    judge: str | None = None  # promptfoo's provider for what a model must grade


class Loss(NamedTuple):
    """Something that does not survive."""

    field: str  # of a case, dotted; what a round trip through the file gives back without it
    why: str


class Format(NamedTuple):
    """A line of the shelf. `write` and `read` are pure; `read` raises BadCase with a place."""

    name: str
    about: str  # what the file is, in a sentence
    suffix: str
    write: Callable[[Sequence[GoldenCase], Options], str]
    read: Callable[[str, str], list[GoldenCase]]
    losses: tuple[Loss, ...] = ()  # of a round trip through the file
    notes: tuple[str, ...] = ()  # what the tool itself does not do with the file
    ungraded: Callable[[GoldenCase, Options], tuple[str, ...]] | None = None  # parts of a case that the tool will not grade
    keeps_blobs: bool = False  # long strings may stay in golden/blobs
