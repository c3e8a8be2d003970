"""Decides what a person looks at next: failures and doubts, one of each group of duplicates, a random audit between them, and every tenth
item a second time by somebody else.

The order does not tell which of these an item is, and what the judge said is not part of it: a label that knows the verdict measures
nothing. Pure; `scoring.review.standing` reads the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Final, Literal

from scoring.sampling import uniform

Origin = Literal["audit", "queue", "user"]
Split = Literal["rubric_dev", "calibration", "audit"]
TWICE: Final = 0.1
"""Share of the labelled items that two people label, so that kappa between people can stand beside the judge's."""
SEED: Final = "review-1"
TURNS: Final = ("flagged", "audit", "flagged", "second")
"""Whose turn it is: a stream that is empty gives its turn to the next one."""
SKIP: Final = "skip"
"""Value of a label by which somebody passes an item on to others."""


@dataclass(frozen=True, slots=True)
class Flagged:
    """An open flag, as the log has it."""

    flag_id: str
    exchange_id: str
    kind: str  # failure | review | audit
    severity: float
    reason: str
    group: str | None = None  # near-duplicates with the same reason share it
    theme: str | None = None
    feature: str | None = None
    p_label: float | None = None  # of an audit: the probability that it was chosen


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label, as the log has it. `passed` is None where somebody skipped."""

    exchange_id: str
    who: str
    passed: bool | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """What one person is to look at. Only `exchange_id` and `alike` are told before it is labelled."""

    exchange_id: str
    origin: Origin
    alike: tuple[str, ...] = ()  # near-duplicates that one label speaks for
    flags: tuple[Flagged, ...] = ()
    is_second: bool = False  # somebody has labelled it already
    p_label: float | None = None


@dataclass(slots=True)
class Queue:
    """What waits for one person, by stream, each in its order."""

    streams: dict[str, list[Item]] = field(default_factory=dict)
    done: int = 0  # labels by this person
    doubles_missing: int = 0  # items that still need a second person, whoever that is

    def __len__(self) -> int:
        return sum(len(items) for items in self.streams.values())

    def in_order(self) -> list[Item]:
        """All items as they come up one after the other."""
        left = {name: list(items) for name, items in self.streams.items()}
        found: list[Item] = []
        turn = self.done
        while any(left.values()):
            for offset in range(len(TURNS)):
                stream = left.get(TURNS[(turn + offset) % len(TURNS)])
                if stream:
                    found.append(stream.pop(0))
                    break
            turn += 1
        return found


def queue(flags: Iterable[Flagged], labels: Sequence[Labelled], who: str) -> Queue:
    """What waits for this person."""
    of_exchange: dict[str, list[Flagged]] = {}
    for flag in flags:
        of_exchange.setdefault(flag.exchange_id, []).append(flag)
    people: dict[str, dict[str, bool | None]] = {}
    for label in sorted(labels, key=lambda one: one.at):
        people.setdefault(label.exchange_id, {})[label.who] = label.passed
    decided = {one for one, said in people.items() if any(passed is not None for passed in said.values())}
    mine = {one for one, said in people.items() if who in said}
    items = [_item(one, given) for one, given in of_exchange.items()]
    audits = [item for item in items if item.origin == "audit" and item.exchange_id not in decided | mine]
    second, missing = _second(people, of_exchange, who)
    return Queue(
        {
            "flagged": _grouped([item for item in items if item.origin != "audit"], decided, mine),
            "audit": sorted(audits, key=lambda item: uniform(SEED, item.exchange_id)),
            "second": second,
        },
        sum(label.who == who for label in labels),
        missing,
    )


def origin_of(flags: Sequence[Flagged]) -> Origin:
    """How an exchange came to be looked at: an audit was drawn at random, whatever else was said of it."""
    return "audit" if any(flag.kind == "audit" for flag in flags) else "queue"


def split_of(exchange_id: str, flags: Sequence[Flagged]) -> Split:
    """What a label may be used for, the same for all of a group: half of the queue to write rubrics with, half to hold judges against."""
    if origin_of(flags) == "audit":
        return "audit"
    group = min((flag.group for flag in flags if flag.group), default=exchange_id)
    return "rubric_dev" if uniform(f"{SEED}|split", group) < 0.5 else "calibration"


def pairs(labels: Sequence[Labelled]) -> list[tuple[bool, bool]]:
    """What two people said of the same thing, the first two of each, by their last words."""
    said: dict[str, dict[str, bool]] = {}
    for label in sorted(labels, key=lambda one: one.at):
        if label.passed is not None:
            said.setdefault(label.exchange_id, {})[label.who] = label.passed
    both = [list(people.values()) for _, people in sorted(said.items()) if len(people) > 1]
    return [(first, second) for first, second, *_ in both]


def _item(exchange_id: str, flags: list[Flagged]) -> Item:
    chance = next((flag.p_label for flag in flags if flag.kind == "audit"), None)
    return Item(exchange_id, origin_of(flags), (), tuple(sorted(flags, key=lambda one: -one.severity)), p_label=chance)


def _grouped(items: Iterable[Item], decided: set[str], mine: set[str]) -> list[Item]:
    """One item a group, the gravest first; a group of which one is decided is done."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        group = next((flag.group for flag in item.flags if flag.group), None)
        groups.setdefault(group or item.exchange_id, []).append(item)
    found: list[Item] = []
    for members in groups.values():
        if any(item.exchange_id in decided for item in members):
            continue
        left = sorted((item for item in members if item.exchange_id not in mine), key=_gravity)
        if left:
            found.append(Item(left[0].exchange_id, left[0].origin, tuple(item.exchange_id for item in left[1:]), left[0].flags))
    return sorted(found, key=_gravity)


def _gravity(item: Item) -> tuple[float, str]:
    return -max((flag.severity for flag in item.flags), default=0.0), item.exchange_id


def _second(people: Mapping[str, Mapping[str, bool | None]], flags: Mapping[str, list[Flagged]], who: str) -> tuple[list[Item], int]:
    """Items that this person should label as the second, and how many still need a second at all: drawn by hash from all labelled ones."""
    said = {one: {name for name, passed in names.items() if passed is not None} for one, names in people.items()}
    labelled = {one: names for one, names in said.items() if names}
    missing = max(0, ceil(TWICE * len(labelled)) - sum(len(names) > 1 for names in labelled.values()))
    single = sorted((one for one, names in labelled.items() if len(names) == 1), key=lambda one: uniform(f"{SEED}|second", one))
    ready = [one for one in single if who not in people[one]][:missing]
    items = [_item(one, flags.get(one, [])) for one in ready]
    return [Item(item.exchange_id, item.origin, (), item.flags, is_second=True, p_label=item.p_label) for item in items], missing
