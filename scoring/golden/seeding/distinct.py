"""Keeps what joins the set different from what is in it: no case twice, none that nearly equals another, whatever its status. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scoring.golden.case import GoldenCase
from scoring.golden.likeness import NEARLY, nearest, what_varies
from scoring.golden.seeding.plan import Draft, Seeded


def join(seeded: Seeded, drafts: Iterable[Draft], known: Sequence[GoldenCase], split: str, near: float = NEARLY) -> None:
    """Add drafts of a split, in their order, until as many are there as are wanted; what is left out is counted.

    near: likeness from which two are the same. Retired cases count as known here: somebody has looked at them and said no.
    """
    for draft in drafts:
        if not seeded.missing(split):
            break
        there = [*known, *(one.case for one in seeded.added)]
        if any(case.id == draft.case.id for case in there):
            seeded.leave("already there")
            continue
        text = what_varies(draft.case)
        if text.strip():
            _, alike = nearest([text], [what_varies(case) for case in there])[0]
            if alike >= near:
                seeded.leave("near-duplicate")
                continue
        seeded.added.append(draft)
