"""What a first golden set should hold: how many cases of which kind, and what became of the wish. Plain values.

The counts are those the field recommends for a first set (30–50 representative, 10–20 boundary, 5–10 adversarial): fewer than 30 cases
see no drop below some 15 points, and more than a person confirms in an afternoon are not confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scoring.golden.case import GoldenCase, Split

SPLITS: Final[tuple[Split, ...]] = ("representative", "boundary", "adversarial")
RECOMMENDED: Final[Mapping[str, tuple[int, int]]] = {"representative": (30, 50), "boundary": (10, 20), "adversarial": (5, 10)}
DEFAULT: Final[Mapping[str, int]] = {"representative": 40, "boundary": 15, "adversarial": 10}
SEED: Final = "seed"
"""The key of a case's metadata that says why it was chosen, and the tag that all seeded cases have."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A case that may be added, with the blobs it refers to."""

    case: GoldenCase
    blobs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Seeded:
    """What became of the wish."""

    added: list[Draft] = field(default_factory=list)
    wanted: dict[str, int] = field(default_factory=dict)  # by split, all in all
    there: dict[str, int] = field(default_factory=dict)  # by split, before
    left: dict[str, int] = field(default_factory=dict)  # reason → how many were left out
    cover: Sequence[Mapping[str, Any]] = ()  # theme, share of the traffic, cases

    def leave(self, reason: str, n: int = 1) -> None:
        """Some that are left out."""
        if n:
            self.left[reason] = self.left.get(reason, 0) + n

    def missing(self, split: str) -> int:
        """How many of a split are still wanted."""
        there = self.there.get(split, 0) + sum(one.case.split == split for one in self.added)
        return max(0, self.wanted.get(split, 0) - there)


def marked(case: GoldenCase, split: Split, why: str, *, kind: str | None = None, weight: float = 1.0, **more: Any) -> GoldenCase:
    """The case with its split, its tags and the reason why it was chosen."""
    said = {"why": why, **({"kind": kind} if kind else {}), **{key: value for key, value in more.items() if value is not None}}
    tags = tuple(sorted({*case.tags, SEED, *([kind] if kind else [])}))
    return case.model_copy(update={"split": split, "tags": tags, "weight": weight, "metadata": {**case.metadata, SEED: said}})
