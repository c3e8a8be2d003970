"""Chooses few exchanges that stand for the traffic: seats by feature, theme and length, the best example in each. Pure.

Seats go first to every feature, theme and length that has none, in its largest cell, and then one after the other to the cell that is
least served for its size (Sainte-Laguë's quotients n / (2s + 1), the apportionment that favours neither large nor small cells). Within a
cell greedy facility location chooses, so that an example stands for many and no two say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scoring import themes
from scoring.golden.likeness import choose

LENGTHS: Final = ("short", "middle", "long")


class Cell(NamedTuple):
    """A part of the traffic."""

    feature: str
    theme: int
    length: int  # 0, 1, 2: a third each


@dataclass(frozen=True, slots=True)
class Text:
    """What one exchange asks."""

    exchange_id: str
    feature: str
    text: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """One exchange that stands for others of its cell."""

    exchange_id: str
    stands_for: int  # exchanges of its cell, shared among the cell's examples
    theme: str
    length: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The examples in the order of choosing, best first, with those that could take a seat where one falls out."""

    chosen: tuple[Chosen, ...]
    spare: tuple[Chosen, ...]
    cover: tuple[Mapping[str, object], ...]  # theme, share, cases


def representative(texts: Sequence[Text], seats: int) -> Choice:
    """Choose `seats` of the texts; the same texts give the same choice."""
    if not texts or seats <= 0:
        return Choice((), (), ())
    of_group = _same([one.text for one in texts])
    firsts = sorted(set(of_group))
    size = Counter(of_group)
    of_theme, names = themes.themes([texts[number].text for number in firsts])
    limits = np.quantile([len(texts[number].text) for number in of_group], [1 / 3, 2 / 3])
    cells: dict[Cell, list[int]] = {}
    for number, theme in zip(firsts, of_theme, strict=True):
        one = texts[number]
        cells.setdefault(Cell(one.feature, theme, int(np.searchsorted(limits, len(one.text)))), []).append(number)
    weight = {cell: sum(size[number] for number in members) for cell, members in cells.items()}
    room = {cell: len(members) for cell, members in cells.items()}
    taken = apportioned(weight, room, seats)
    chosen: list[Chosen] = []
    spare: list[Chosen] = []
    for cell, members in sorted(cells.items(), key=lambda one: (-weight[one[0]], one[0])):
        count = taken.get(cell, 0)
        order = choose([texts[number].text for number in members], min(len(members), count + 2), [size[number] for number in members])
        stands = max(1, round(weight[cell] / max(1, count)))
        for place, number in enumerate(order):
            said = Chosen(texts[members[number]].exchange_id, stands, names[cell.theme], LENGTHS[cell.length])
            (chosen if place < count else spare).append(said)
    of_cover = Counter(one.theme for one in chosen)
    share = Counter[str]()
    for cell, n in weight.items():
        share[names[cell.theme]] += n
    cover = tuple({"theme": name, "share": n / len(texts), "cases": of_cover[name]} for name, n in share.most_common())
    return Choice(tuple(chosen), tuple(spare), cover)


def _same(texts: Sequence[str]) -> list[int]:
    """For each text the number of the first that says the same, white space and capitals aside; what is only alike, `choose` weighs."""
    first: dict[str, int] = {}
    return [first.setdefault(" ".join(text.casefold().split()), number) for number, text in enumerate(texts)]


def apportioned(weight: Mapping[Cell, int], room: Mapping[Cell, int], seats: int) -> dict[Cell, int]:
    """Seats by cell, none more than it has room for."""
    taken: dict[Cell, int] = {}
    order = sorted(weight, key=lambda cell: (-weight[cell], cell))
    for kind in (0, 1, 2):  # every feature, then every theme, then every length
        largest = Counter[object]()
        for cell in order:
            largest[cell[kind]] += weight[cell]
        for value, _ in sorted(largest.items(), key=lambda one: (-one[1], str(one[0]))):
            if sum(taken.values()) < seats and not any(cell[kind] == value for cell in taken):
                taken[next(cell for cell in order if cell[kind] == value)] = 1
    while sum(taken.values()) < min(seats, sum(room.values())):
        open_ = [cell for cell in order if taken.get(cell, 0) < room[cell]]
        best = max(open_, key=lambda cell: weight[cell] / (2 * taken.get(cell, 0) + 1))
        taken[best] = taken.get(best, 0) + 1
    return taken
