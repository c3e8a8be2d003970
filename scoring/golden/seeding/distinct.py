"""Keeps what joins the set different from what is in it: no case twice, none that nearly equals another, whatever its status. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from scoring.golden.case import GoldenCase
from scoring.golden.likeness import NEARLY, nearest, what_varies
from scoring.golden.seeding.plan import Draft, Seeded

SPARE: Final = 5
"""Drafts that are looked at beyond those that are missing, since some are left out."""


def join(seeded: Seeded, drafts: Iterable[Draft], known: Sequence[GoldenCase], split: str, near: float = NEARLY) -> None:
    """Add drafts of a split, in their order, until as many are there as are wanted; what is left out is counted.

    near: likeness from which two are the same. Retired cases count as known here: somebody has looked at them and said no.
    """
    left = iter(drafts)
    while (missing := seeded.missing(split)) and (batch := list(islice(left, missing + SPARE))):
        there = [*known, *(one.case for one in seeded.added)]
        ids = {case.id for case in there}
        fresh: dict[str, Draft] = {}
        for draft in batch:
            if draft.case.id in ids or draft.case.id in fresh:
                seeded.leave("already there")
            else:
                fresh[draft.case.id] = draft
        alike = nearest([what_varies(one.case) for one in fresh.values()], [what_varies(case) for case in there])
        for draft, (_, likeness) in zip(fresh.values(), alike, strict=True):
            if likeness >= near:
                seeded.leave("near-duplicate")
            elif seeded.missing(split):
                seeded.added.append(draft)
