"""Chooses whose exchanges of a span are looked at for signals: in parts that fit into memory, and no more than costs little.

What shows a signal is what the same person does next. So a person who sent one exchange alone, and did not hang up, is looked at without
being read. Where there is too much to read a sample of the people is, each with all that they sent, by the hash of who they are: whoever
is in a sample of a tenth is in one of a fifth. One who sends by the ten thousand within the hour, and an API key over which a crowd comes
that names nobody, is read alone up to MOST_LOOKED and left out beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from proxy.service.client import Access
from scoring.logged import GENERATIVE
from scoring.pages import WITHIN, Window, paged, rows

NEAR: Final = timedelta(minutes=30)
"""Before and after a span, where what belongs to it is looked for."""
MOST_TURNS: Final = 8_000
"""In memory at once, about: what one part may cost."""
MOST_LOOKED: Final = 40_000
"""Of one span. The cost of an exchange is 1, and 1 more for each BYTES of it, LARGEST at most: reading one takes 0.4 ms of CPU."""
ALL: Final = 10**15
"""Instead of MOST_LOOKED, for one who has the time."""
BYTES: Final = 20_000
LARGEST: Final = 200_000

APP: Final = "e.purpose = 'app' AND e.operation IN (SELECT unnest($operations))"
OPERATIONS: Final[dict[str, Any]] = {"operations": sorted(GENERATIVE)}

_SIZE: Final = "(coalesce(e.request_bytes, 0) + coalesce(e.response_bytes, 0))"
_NEAR: Final = f"""
    near AS (
        SELECT e.exchange_id, {_SIZE} AS size, 1 + least({_SIZE}, {LARGEST}) // {BYTES} AS cost,
            coalesce(e.ending = 'client_gone', false) AS gone,
            CAST(hash(coalesce(e.session_id, e.user_id, e.api_key_hash, '')) >> 1 AS BIGINT) AS person,
            e.accepted_at >= CAST($first AS TIMESTAMPTZ) AND e.accepted_at < CAST($last AS TIMESTAMPTZ) AS inside
        FROM exchanges e WHERE {WITHIN.format("e.")} AND {APP}),
    people AS (
        SELECT person, CAST(sum(cost) AS BIGINT) AS cost, count(*) > 1 OR bool_or(gone) AS read, count(*) FILTER (inside) AS here
        FROM near WHERE person BETWEEN $low AND $high GROUP BY person HAVING count(*) FILTER (inside) > 0)"""  # noqa: S608  ours
_PLAN: Final = f"""
    WITH {_NEAR},
    ordinary AS (
        SELECT *, sum(cost) OVER (ORDER BY person ROWS UNBOUNDED PRECEDING) - cost AS before FROM people WHERE read AND cost <= $turns)
    SELECT 'part' AS kind, min(person) AS low, max(person) AS high, CAST(sum(cost) AS BIGINT) AS cost, CAST(sum(here) AS BIGINT) AS here
        FROM ordinary WHERE before < $looked GROUP BY before // $turns
    UNION ALL BY NAME SELECT 'left' AS kind, CAST(sum(here) AS BIGINT) AS here FROM ordinary WHERE before >= $looked
    UNION ALL BY NAME SELECT 'crowd' AS kind, person AS low, person AS high, cost, here FROM people WHERE read AND cost > $turns
    UNION ALL BY NAME SELECT 'alone' AS kind, CAST(sum(here) AS BIGINT) AS here FROM people WHERE NOT read
    ORDER BY kind DESC, cost"""  # noqa: S608  names of our own
_IDS: Final = f"""
    WITH {_NEAR}
    SELECT CAST(n.exchange_id AS VARCHAR) AS id, CAST(n.size AS BIGINT) AS size
    FROM near n JOIN people p ON p.person = n.person WHERE p.read AND (p.cost <= $turns OR $low = $high)"""  # noqa: S608  ours


@dataclass(frozen=True, slots=True)
class Part:
    """People whose hash lies from low to high, who are read at once."""

    low: int
    high: int
    one_in: int = 1  # where one key has more conversations than fit into memory, one in so many is kept
    share: float = 1.0  # of what could be looked at, this stands for


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked at of a span; counts are exchanges of the span itself."""

    parts: tuple[Part, ...]
    alone: int  # of people who sent nothing else: there is nothing to find
    left: int  # of people who are left out, as no part of the sample
    crowds: int  # of keys or people who send too much to be read

    @property
    def is_whole(self) -> bool:
        """Whether everybody is looked at."""
        return not self.left and not self.crowds and all(part.one_in == 1 for part in self.parts)


def plan(access: Access, span: Window, looked: int = MOST_LOOKED) -> Plan:
    """Whom to look at; one query. Raises ServiceError."""
    found = rows(access, _PLAN, {**_given(span), **_ALL, "turns": MOST_TURNS, "looked": looked})
    counts = {kind: sum(row["here"] or 0 for row in found if row["kind"] == kind) for kind in ("part", "left", "alone")}
    share = counts["part"] / max(counts["part"] + counts["left"], 1)
    parts, crowds = [], 0
    for row in found:  # parts first, then crowds, small ones first
        if row["kind"] == "part" and row["low"] is not None:
            parts.append(Part(row["low"], row["high"], share=share))
            looked -= row["cost"]
        elif row["kind"] == "crowd" and row["cost"] <= looked:
            one_in = math.ceil(row["cost"] / MOST_TURNS)
            parts.append(Part(row["low"], row["low"], one_in, 1 / one_in))
            looked -= row["cost"]
        elif row["kind"] == "crowd":
            crowds += row["here"]
    return Plan(tuple(parts), counts["alone"], counts["left"], crowds)


def pages(access: Access, span: Window, part: Part, most_rows: int, most_bytes: int) -> Iterator[list[str]]:
    """The ids of what a part's people sent in the span and NEAR it, in order of time, in pages of so much at most. Raises ServiceError."""
    page: list[str] = []
    size = 0
    given = {**_given(span), "low": part.low, "high": part.high, "turns": MOST_TURNS}
    for row in paged(access, _IDS, "id", given):
        if page and (len(page) >= most_rows or size + row["size"] > most_bytes):
            yield page
            page, size = [], 0
        page.append(row["id"])
        size += row["size"]
    if page:
        yield page


_ALL: Final = {"low": 0, "high": 2**63 - 1}


def _given(span: Window) -> dict[str, Any]:
    near = Window(span.start - NEAR, span.end + NEAR)
    return {**near.parameters, **OPERATIONS, "first": span.start.isoformat(), "last": span.end.isoformat()}
