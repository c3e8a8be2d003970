"""Lays two result files side by side, case by case, and says of each case what it is held to.

Pure. Raises BadInput where the two cannot be compared at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from scoring.gate.results import BadInput, Result, Results
from scoring.gate.words import Status

SET_ASIDE = frozenset({"candidate", "retired"})
"""Statuses of cases that hold nobody to anything: not yet confirmed, or no longer asked."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case on both sides: as many measured runs on the one as on the other, in the order they were made."""

    case: str
    base: tuple[Result, ...]
    candidate: tuple[Result, ...]
    cluster: str
    slice: str | None
    status: Status | None
    must_pass: bool
    base_passed: int
    candidate_passed: int

    @property
    def runs(self) -> int:
        """Runs compared, on each side."""
        return len(self.candidate)

    @property
    def drop(self) -> Fraction:
        """Pass rate on the baseline less that on the candidate: above 0 where the case got worse."""
        return Fraction(self.base_passed - self.candidate_passed, self.runs)

    @property
    def is_held(self) -> bool:
        """Whether the baseline passes it, in at least half of its runs."""
        return 2 * self.base_passed >= self.runs


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two files, sorted out; every case of either stands in exactly one of the tuples, but for must_pass and guarding, which overlap."""

    active: tuple[Pair, ...]  # on both sides, held to everything
    known_failing: tuple[Pair, ...]  # on both sides, outside floor and regression
    new: tuple[str, ...]  # the baseline never had them
    changed: tuple[str, ...]  # another version of the case than the baseline had
    missing: tuple[str, ...]  # the candidate lacks them
    set_aside: tuple[str, ...]  # candidates and retired ones
    unmeasured: tuple[str, ...]  # a run on one side reached no target or no judge
    must_pass: tuple[str, ...]  # critical or safety, known_failing ones too
    guarding: tuple[str, ...]  # were broken once and mended

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to decide on: no case on both sides, and none that was lost or not measured."""
        return not (self.active or self.known_failing or self.missing or self.unmeasured)

    def slices(self) -> dict[str, tuple[Pair, ...]]:
        """Slice -> its active pairs, by name."""
        found: dict[str, list[Pair]] = {}
        for pair in self.active:
            if pair.slice is not None:
                found.setdefault(pair.slice, []).append(pair)
        return {name: tuple(found[name]) for name in sorted(found)}


def check_runs(base: Results, candidate: Results) -> None:
    """Raises BadInput where the files hold different numbers of planned runs a case."""
    if base.runs() != candidate.runs():
        raise BadInput(
            f"{base.name} has {base.runs()} run{'' if base.runs() == 1 else 's'} a case and {candidate.name} has {candidate.runs()}: "
            f"run both sides equally often (--repeat {max(base.runs(), candidate.runs())})"
        )


def pair(base: Results, candidate: Results) -> Pairing:
    """Pairs two files."""
    left, right = base.by_case, candidate.by_case
    active: list[Pair] = []
    known: list[Pair] = []
    new, changed, missing, aside, unmeasured, must_pass, guarding = ([] for _ in range(7))
    for case in sorted(left.keys() | right.keys()):
        before, after = left.get(case, ()), right.get(case, ())
        if (after or before)[0].status in SET_ASIDE:
            aside.append(case)
            continue
        rows = (*before, *after)
        if None in [row.passed for row in rows]:
            unmeasured.append(case)
        if not after:
            missing.append(case)
            continue
        critical = any(row.critical or row.safety for row in rows)
        if critical:
            must_pass.append(case)
        status = _status(before, after)
        if status == "guarding":
            guarding.append(case)
        if not before or before[0].status in SET_ASIDE:
            new.append(case)
        elif (before[0].version or after[0].version) != (after[0].version or before[0].version):
            changed.append(case)
        elif (both := _both(case, before, after, status, must_pass=critical)) is not None:
            (known if status == "known_failing" else active).append(both)
    return Pairing(
        active=tuple(active),
        known_failing=tuple(known),
        new=tuple(new),
        changed=tuple(changed),
        missing=tuple(missing),
        set_aside=tuple(aside),
        unmeasured=tuple(unmeasured),
        must_pass=tuple(must_pass),
        guarding=tuple(guarding),
    )


def _both(case: str, before: Sequence[Result], after: Sequence[Result], status: Status | None, *, must_pass: bool) -> Pair | None:
    """None where one side has no measured run."""
    one = [row for row in before if row.passed is not None]
    other = [row for row in after if row.passed is not None]
    runs = min(len(one), len(other))
    if not runs:
        return None
    one, other = one[:runs], other[:runs]
    first = other[0]
    return Pair(
        case=case,
        base=tuple(one),
        candidate=tuple(other),
        cluster=first.cluster or one[0].cluster or f"\0{case}",  # of its own: no conversation's name begins so
        slice=first.slice or one[0].slice,
        status=status,
        must_pass=must_pass,
        base_passed=[row.passed for row in one].count(True),
        candidate_passed=[row.passed for row in other].count(True),
    )


def _status(before: Sequence[Result], after: Sequence[Result]) -> Status | None:
    """The candidate's word, since the golden set may have been edited after the baseline was made; but guarding is for good."""
    was, now = before[0].status if before else None, after[0].status
    return "guarding" if was == "guarding" else now or was
