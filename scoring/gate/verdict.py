"""What the gate says: one ruling a rule, what changed case by case, and the exit code that follows.

Plain frozen values; reports of every kind are made from these, and `as_json` is the form that scripts read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from scoring.gate.words import State, Status

Outcome = Literal["passed", "failed", "bad_input", "judge_unfit", "could_not_tell"]

EXIT_CODES: dict[Outcome, int] = {"passed": 0, "failed": 1, "bad_input": 2, "judge_unfit": 3, "could_not_tell": 4}

Figure = float | int | str | None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule came to, in one sentence, with its figures."""

    rule: str
    state: State
    sentence: str
    cases: tuple[str, ...] = ()  # those it is about: what broke, what is missing
    figures: dict[str, Figure] = field(default_factory=dict)


Change = Literal["broke", "worse", "better", "mended", "new", "changed", "missing", "fixed", "still_failing", "masked", "failing"]
"""failing: fails, and there is no baseline that would say since when;
broke/mended: from passing in most runs to failing in most, and back; fixed: a known failure that passed every run, often enough;
masked: marked known_failing, and yet the baseline passes it and the candidate does not."""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case that differs between the sides, or that one of them lacks; counts are None on a side that lacks it."""

    case: str
    change: Change
    base_passed: int | None
    base_runs: int | None
    candidate_passed: int | None
    candidate_runs: int | None
    must_pass: bool = False
    slice: str | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision with its evidence."""

    outcome: Outcome
    is_inconclusive: bool  # worse, and chance could have done it; a warning unless strict
    rulings: tuple[Ruling, ...]
    changes: tuple[CaseChange, ...]
    cases: int  # compared one by one: on both sides, and held to the rules
    runs: int  # planned runs a case
    reruns: int  # runs added to confirm, both sides together
    smallest_drop: float | None  # true drop found 4 times in 5; None where nothing was compared
    rules: tuple[str, ...]  # the rules in words, as they were applied
    fingerprint: str  # of the rules
    few: str | None = None  # why a pass would say little: too few cases; None where there are enough

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 2 bad input, 3 judge stale or uncalibrated, 4 could not tell."""
        return EXIT_CODES[self.outcome]

    @property
    def is_alone(self) -> bool:
        """Whether there was no baseline to compare with."""
        return any(one.rule == "missing" and one.state is State.SKIPPED for one in self.rulings)

    @property
    def warning(self) -> str | None:
        """What whoever believes this pass must know; a failure needs no such words."""
        return self.few if self.outcome == "passed" else None

    def ruling(self, rule: str) -> Ruling:
        """The ruling of that name. Raises KeyError."""
        for one in self.rulings:
            if one.rule == rule:
                return one
        raise KeyError(rule)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        told = asdict(self)
        del told["few"]
        return {"exit_code": self.exit_code, "warning": self.warning, **told}


def outcome_of(rulings: tuple[Ruling, ...], *, strict: bool) -> tuple[Outcome, bool]:
    """The outcome, and whether it is inconclusive: bad input 2 (raised before this), then 4, 1, 3, 0.

    A comparison that failed is not inconclusive, so `strict` changes only what would have passed.
    """
    states = {ruling.state for ruling in rulings}
    failed = State.FAILED in states
    unclear = State.INCONCLUSIVE in states and not failed
    if State.UNMEASURED in states or (unclear and strict):
        return "could_not_tell", unclear
    if failed:
        return "failed", False
    return ("judge_unfit" if State.UNFIT in states else "passed"), unclear
