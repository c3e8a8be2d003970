"""What the night concludes of an item from one judge, a second of another family, and the checks that no judge can overrule. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from scoring.judge.parsing import Grade

DISAGREE: Final = "the judges disagree"


class Verdict(NamedTuple):
    """What one judge says of one item."""

    passed: bool | None  # None: unscored
    unscored: str | None
    confidence: float | None
    grades: tuple[Grade, ...]

    @property
    def reason(self) -> str | None:
        """Its own words for a failure, or for the pass."""
        told = [grade for grade in self.grades if grade.passed is False] or [grade for grade in self.grades if grade.passed]
        said = [f"{grade.item.id}: {grade.reason}" for grade in told if grade.reason]
        return "; ".join(said)[:2000] or None

    @property
    def evidence(self) -> str | None:
        """The first quote of what failed."""
        return next((grade.quote for grade in self.grades if grade.passed is False and grade.quote), None)


class Decision(NamedTuple):
    """What becomes of an item."""

    state: Literal["scored", "unscored"]
    passed: bool | None
    decided_by: str  # judge | second_judge | both | check:NAME
    why: str | None
    people: bool  # a person must look: the judges disagree, or neither could tell


def needs_second(first: Verdict, low: float) -> bool:
    """Whether the second judge is asked: fails, what could not be scored, and what the first was not sure of."""
    return not first.passed or (first.confidence is not None and first.confidence < low)


def decide(first: Verdict, second: Verdict | None, override: tuple[str, str] | None) -> Decision:
    """override: the check, and its reason, against which a pass cannot stand.

    Where the judges disagree the first one's verdict stays, since it is the instrument whose errors are measured, and people decide.
    """
    if second is None or second.passed is None:
        found = Decision("unscored" if first.passed is None else "scored", first.passed, "judge", first.unscored, first.passed is None)
    elif first.passed is None:
        found = Decision("scored", second.passed, "second_judge", f"the first judge: {first.unscored}", people=True)
    elif first.passed == second.passed:
        found = Decision("scored", first.passed, "both", None, people=False)
    else:
        found = Decision("scored", first.passed, "judge", DISAGREE, people=True)
    if override is not None and found.passed is not False:
        name, reason = override
        return Decision("scored", passed=False, decided_by=f"check:{name}", why=reason, people=found.passed is not None or found.people)
    return found
