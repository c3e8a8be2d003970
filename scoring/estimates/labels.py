"""Which labels count, for what, and why the others do not: agreement depends on this choice more than on the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Purpose = Literal["estimate", "calibrate"]

AUDIT: Final = "audit"
DEV: Final = "rubric_dev"
HELD_OUT: Final = frozenset({"calibration", "audit"})

TUNED: Final = "the rubric was tuned on it (split rubric_dev)"
CHOSEN: Final = "chosen for review with no known probability: it says nothing of the rest"
UNDECIDED: Final = "no verdict in it (skipped)"
SEEN: Final = "made after the judge's verdict was shown"
REPLACED: Final = "the same person labelled it again"
SPLIT_VOTE: Final = "people disagree evenly"


@dataclass(frozen=True, slots=True)
class Label:
    """One person's opinion of one exchange or trace, as the log has it."""

    item: str  # what was judged: exchange or trace
    passed: bool | None
    labeler: str | None
    origin: str | None  # audit | queue | user
    split: str | None  # rubric_dev | calibration | audit
    p_label: float | None  # that it was chosen for labelling, where that is known
    at: datetime
    saw_verdict: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """What people say of one item."""

    passed: bool
    p_label: float | None
    at: datetime  # of the last label


@dataclass(frozen=True, slots=True)
class Chosen:
    """The labels that count."""

    truths: Mapping[str, Truth]  # by item
    discarded: Mapping[str, int]  # why -> how many
    pairs: Sequence[tuple[bool, bool]]  # items that two people labelled, one pair each


def choose(labels: Iterable[Label], purpose: Purpose) -> Chosen:
    """One truth an item, by majority of the people who labelled it.

    Estimates take the random audit, and labels whose probability is known. Calibration takes those and what was set aside for it (split
    calibration), and never what the rubric was tuned on, whoever labelled it again. Neither takes labels that were not blind.
    """
    every = sorted(labels, key=lambda label: label.at)
    tuned = {label.item for label in every if label.split == DEV}
    why: Counter[str] = Counter()
    votes: dict[str, dict[str, Label]] = {}
    for n, label in enumerate(every):
        reason = _reason(label, purpose, tuned)
        if reason is not None:
            why[reason] += 1
            continue
        of_item = votes.setdefault(label.item, {})
        who = label.labeler or f"unknown {n}"
        why[REPLACED] += who in of_item
        of_item[who] = label
    truths: dict[str, Truth] = {}
    pairs: list[tuple[bool, bool]] = []
    for item, people in votes.items():
        said = [bool(label.passed) for label in people.values()]
        if len(said) > 1:
            pairs.append((said[0], said[1]))
        if 2 * sum(said) == len(said):
            why[SPLIT_VOTE] += len(said)
            continue
        last = max(people.values(), key=lambda label: label.at)
        truths[item] = Truth(2 * sum(said) > len(said), last.p_label, last.at)
    return Chosen(truths, {reason: count for reason, count in why.items() if count}, pairs)


def _reason(label: Label, purpose: Purpose, tuned: set[str]) -> str | None:
    """Why a label does not count; None = it does."""
    if label.passed is None:
        return UNDECIDED
    if purpose == "calibrate" and label.item in tuned:
        return TUNED
    if label.saw_verdict:
        return SEEN
    if label.origin == AUDIT or label.p_label is not None:
        return None
    return None if purpose == "calibrate" and label.split in HELD_OUT else CHOSEN
