"""What every evaluator is: one signature, one kind of answer. A case's evaluators together say whether a reply passes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from scoring.gate.evaluators.judges import Judges
from scoring.gate.reply import Reply
from scoring.golden.case import GoldenCase
from scoring.golden.store import DIRECTORY
from scoring.logged import LoggedExchange


@dataclass(frozen=True, slots=True)
class Grade:
    """What one part of a case says of a reply."""

    name: str  # of the check, `expected.…`, `rubric.…`, or `my.module:function`
    passed: bool | None  # None: not measured, or it does not apply; `reason` says which
    reason: str
    evidence: str | None = None  # quoted from the reply
    score: float | None = None  # 0 to 1
    family: str | None = None  # of the judge whose opinion it is; None = deterministic
    applies: bool = True  # False: it has nothing to say of this reply, and the others decide
    detail: Mapping[str, Any] = field(default_factory=dict)  # JSON values: measures, the judge's fingerprint, what a test printed

    def as_json(self) -> dict[str, Any]:
        """For `grades` of a result row; what says nothing is left out."""
        said = {"name": self.name, "passed": self.passed, "reason": self.reason}
        more = {"evidence": self.evidence, "score": self.score, "family": self.family, "detail": dict(self.detail) or None}
        return {**said, **{key: value for key, value in more.items() if value is not None}, **({} if self.applies else {"applies": False})}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all parts of a case come to for one reply."""

    passed: bool | None  # None: not measured, which `error` explains
    grades: tuple[Grade, ...]
    deterministic: bool  # a failure was found by something that is no judge
    families: tuple[str, ...]  # of the judges that found it failed
    cost_usd: float | None  # of the judges; 0 where none was asked, None where a price is not known
    error: str | None = None

    @property
    def reason(self) -> str:
        """Why it failed, or could not be measured, in one line; '' where it passed."""
        told = [grade for grade in self.grades if grade.passed is False]
        return "; ".join(f"{grade.name}: {grade.reason}" for grade in told) or self.error or ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One case with one reply, as evaluators want it."""

    case: GoldenCase
    reply: Reply
    exchange: LoggedExchange  # the same as a row of the log, for checks and judges
    judges: Judges | None = None
    directory: Path = DIRECTORY  # of the golden set: test files lie under it


Evaluate = Callable[[Subject], Awaitable["Found"]]


class Found(NamedTuple):
    """What one evaluator found; no grades = the case does not ask for it."""

    grades: tuple[Grade, ...] = ()
    cost_usd: float | None = 0.0


class Evaluator(NamedTuple):
    """A line of the shelf."""

    name: str
    sentence: str  # what of a case asks for it, and what it says
    evaluate: Evaluate
