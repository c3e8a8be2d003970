"""What a report is made of: two result files, the verdict on them, and where each case stands in the golden files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from scoring.gate.results import Results
from scoring.gate.verdict import Verdict
from scoring.golden.case import GoldenCase


class Known(NamedTuple):
    """A case as it stands in a golden file."""

    case: GoldenCase
    file: str  # as a path from the working directory
    line: int  # from 1


@dataclass(frozen=True, slots=True)
class Report:
    """One target's run, decided."""

    base: Results | None
    candidate: Results
    verdict: Verdict
    known: Mapping[str, Known] = field(default_factory=dict)  # case → its place; empty = the golden files are not at hand

    @property
    def name(self) -> str:
        """What the target is called."""
        return self.candidate.header.target or self.candidate.name


class Render(Protocol):
    """A format: the reports of one or of several targets as one text. Pure."""

    def __call__(self, reports: Sequence[Report]) -> str:
        """The whole text."""
