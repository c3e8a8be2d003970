"""Checks of a case that only the gate can make, on a target's own run: their options, which confirming and importing check as any other's.

What they do stands in scoring/gate/evaluators; on an answer alone they cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from scoring.checks.contract import Finding
from scoring.checks.options import option
from scoring.logged import LoggedExchange


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Options of `retrieval`: least values of the measures, each from 0 to 1; none is asked where it is left out."""

    k: int = option(0, "Documents that count, from the first; 0 = all that were retrieved.")
    recall: float | None = option(None, "Share of the expected documents that are among them; 1 where no measure is named.")
    precision: float | None = option(None, "Share of them that were expected.")
    mrr: float | None = option(None, "One over the place of the first expected one.")
    ndcg: float | None = option(None, "How near their order is to the best one (binary relevance, log2 discount).")

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ValueError(f"k is {self.k}: write a whole number from 0")
        for name in ("recall", "precision", "mrr", "ndcg"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}: write a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Options of `pairwise`."""

    against: Literal["baseline", "expected"] = option("baseline", "Whose answer it is held against: the baseline's, or `expected.text`.")
    question: str = option(
        "Which answer serves the request better: more correct, more complete, and truer to the documents and the instructions?",
        "What the judge is asked, in both orders.",
    )
    need: Literal["not_worse", "better"] = option("not_worse", "Whether a tie passes.")

    def __post_init__(self) -> None:
        if len(self.question) < 10:
            raise ValueError("question is too short: ask which of two answers is better, and in what")


@dataclass(frozen=True, slots=True)
class UnitTests:
    """Options of `unit_tests`; the tests themselves are `expected.test_file`."""

    module: str = option("answer", "Name that the tests import the generated code by.")
    seconds: float = option(10.0, "Time that the tests may take, of the clock and of the processor.")
    memory_mb: int = option(512, "Memory that they may take.")

    def __post_init__(self) -> None:
        if not self.module.isidentifier() or self.module == "test_answer":
            raise ValueError(f"module is {self.module!r}: write a name that Python can import and the tests do not have, such as answer")
        if not 0 < self.seconds <= 600:
            raise ValueError(f"seconds is {self.seconds:g}: write a number up to 600")
        if not 64 <= self.memory_mb <= 65536:
            raise ValueError(f"memory_mb is {self.memory_mb}: write a number from 64 to 65536")


def needs_run(_exchange: LoggedExchange, _options: Retrieval | Pairwise | UnitTests) -> Finding:
    """What can be said of an answer alone."""
    return Finding(None, "needs the target's own run")


RUN_CHECKS: Final[dict[str, type]] = {"retrieval": Retrieval, "pairwise": Pairwise, "unit_tests": UnitTests}
