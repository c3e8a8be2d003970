"""Chooses what lies at the edge of the traffic: the longest, the shortest, other languages, many turns or tools, rare parameters. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

from scoring.golden.seeding.traits import Traits

RARE: Final = 0.05
"""Share of a feature's traffic below which something is odd there."""
FAR: Final = 1.5
"""Times the median from which something is long, and below whose part of it something is short."""
FEWEST: Final = 20
"""Exchanges below which nothing can be called rare."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One exchange, and what is at the edge about it."""

    exchange_id: str
    kind: str
    why: str


Ranking = list[tuple[float, Traits, str]]


def edges(pool: Sequence[Traits]) -> list[Edge]:
    """Exchanges at an edge, the most extreme of each kind first and kinds in turn; each exchange once."""
    found = [(kind, sorted(rank(pool), key=lambda one: (-one[0], one[1].exchange_id))) for kind, rank in KINDS]
    taken: set[str] = set()
    order: list[Edge] = []
    depth = max((len(ranking) for _, ranking in found), default=0)
    for place in range(depth):
        for kind, ranking in found:
            if place < len(ranking) and ranking[place][1].exchange_id not in taken:
                taken.add(ranking[place][1].exchange_id)
                order.append(Edge(ranking[place][1].exchange_id, kind, ranking[place][2]))
    return order


def _measure(name: str, what: str, value: Callable[[Traits], int], least: int, quantile: int) -> tuple[str, Callable[..., Ranking]]:
    """What is larger than nearly everything else. quantile: of 20."""

    def rank(pool: Sequence[Traits]) -> Ranking:
        values = [value(one) for one in pool]
        if len(values) < 2:
            return []
        usual = median(values)
        limit = max(least, quantiles(values, n=20)[quantile - 1], FAR * usual)
        return [
            (value(one), one, f"{value(one):,} {what}; half of the traffic has {usual:,.0f} or fewer")
            for one in pool
            if value(one) >= limit
        ]

    return name, rank


def _short(pool: Sequence[Traits]) -> Ranking:
    lengths = [one.question for one in pool if one.question]
    if len(lengths) < 2:
        return []
    usual = median(lengths)
    limit = quantiles(lengths, n=20)[0]
    return [
        (-one.question, one, f"{one.question} characters asked; half of the traffic asks with {usual:,.0f} or fewer")
        for one in pool
        if 0 < one.question <= limit and one.question * FAR <= usual
    ]


def _by_feature(pool: Sequence[Traits]) -> dict[str, list[Traits]]:
    found: dict[str, list[Traits]] = {}
    for one in pool:
        found.setdefault(one.feature, []).append(one)
    return found


def _language(pool: Sequence[Traits]) -> Ranking:
    found: Ranking = []
    for group in _by_feature(pool).values():
        counts = Counter(one.language for one in group if one.language)
        total = counts.total()
        for one in group:
            if one.language and (share := counts[one.language] / total) < 0.5 and one.language != counts.most_common(1)[0][0]:
                found.append(
                    (1 - share, one, f"in {one.language}, as {share:.1%} of its feature; the usual is {counts.most_common(1)[0][0]}")
                )
    return found


def _parameters(pool: Sequence[Traits]) -> Ranking:
    found: Ranking = []
    for group in _by_feature(pool).values():
        if len(group) < FEWEST:
            continue
        counts = Counter(name for one in group for name in one.parameters)
        for one in group:
            rare = sorted((name for name in one.parameters if counts[name] / len(group) < RARE), key=lambda name: (counts[name], name))
            if rare:
                found.append(
                    (1 - counts[rare[0]] / len(group), one, f"sets {', '.join(rare[:3])}, which {counts[rare[0]]} of {len(group)} do")
                )
    return found


def _flagged(name: str, why: str, holds: Callable[[Traits], bool]) -> tuple[str, Callable[..., Ranking]]:
    """What is so or not; only where it is rare."""

    def rank(pool: Sequence[Traits]) -> Ranking:
        such = [one for one in pool if holds(one)]
        usual = len(such) > max(1.0, RARE * len(pool))
        return [] if usual else [(float(one.characters), one, f"{why}, as {len(such)} of {len(pool)}") for one in such]

    return name, rank


KINDS: Final = (
    _measure("long_input", "characters of input", lambda one: one.characters, 2_000, 19),
    ("short_input", _short),
    ("other_language", _language),
    _measure("many_turns", "messages", lambda one: one.turns, 4, 19),
    _measure("many_tools", "tools offered", lambda one: one.tools, 2, 19),
    ("odd_parameters", _parameters),
    _measure("many_documents", "documents", lambda one: one.documents, 2, 19),
    _flagged("attachments", "carries images, files or sounds", lambda one: one.attachments > 0),
    _flagged("odd_characters", "holds control or formatting characters", lambda one: one.odd > 0),
    _flagged("cut_off", "the answer was cut off at its limit", lambda one: one.cut),
    _flagged("failed_tool", "a tool had failed", lambda one: one.failed_tool),
)
"""Kinds of edges, in the order in which they take turns."""
