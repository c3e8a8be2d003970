"""Asks the log and result files for both sides of the gap: judged production, runs of the set, what each asks. Raises ServiceError."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import md5
from typing import Any, Final

from proxy.service.client import Access
from scoring import themes
from scoring.gate.results import Results
from scoring.golden.case import GoldenCase
from scoring.golden.likeness import what_varies
from scoring.golden.seeding.from_log import asked
from scoring.logged import LoggedExchange
from scoring.pages import by_id, paged, rows
from scoring.rates import Judged, judged
from scoring.release.gap import Offline, Outcome
from scoring.release.mark import fingerprints

MOST: Final = 3_000
"""Sampled items whose words are looked at, over all weeks; of more, a part by hash."""
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the set: failures by case, before the cases' themes are known."""

    name: str
    on: date
    failed: Mapping[str, float]
    fingerprints: frozenset[str]


@dataclass(frozen=True, slots=True)
class Themed:
    """Items and cases under the same themes."""

    of_item: Mapping[tuple[str, date], int]
    of_case: Mapping[str, int]
    names: Sequence[str]


def sampled(access: Access, start: date, end: date) -> list[Judged]:
    """The judged items of some weeks."""
    return judged(access, start, end)


def of_file(results: Results) -> Run:
    """A run of a result file. Its header's made_at is its day; without one, today's run cannot be told from an old one: the epoch's."""
    failed = _means((row.case, row.passed) for row in results.rows)
    made = results.header.made_at
    return Run(results.name, date.fromisoformat(made[:10]) if made else date.min, failed, frozenset(fingerprints(results)))


def of_log(access: Access, since: date) -> list[Run]:
    """The scheduled runs since then, oldest first."""
    sql = """
        SELECT strftime(g.at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S ') || r.run_id || r.golden_case AS key, r.run_id, g.target,
            strftime(g.at AT TIME ZONE 'UTC', '%Y-%m-%d') AS day, r.golden_case,
            avg(CASE WHEN r.passed THEN 0.0 ELSE 1.0 END) AS failed, any_value(r.grades)::VARCHAR AS grades
        FROM gate_results r JOIN gate_runs g USING (run_id)
        WHERE r.passed IS NOT NULL AND g.at >= CAST($since AS TIMESTAMPTZ) GROUP BY ALL"""
    found = paged(access, sql, "key", {"since": since.isoformat()})
    runs: dict[str, tuple[dict[str, Any], dict[str, float], set[str]]] = {}
    for row in found:
        _, failed, marks = runs.setdefault(row["run_id"], (row, {}, set()))
        failed[row["golden_case"]] = row["failed"]
        marks |= _marks(row["grades"])
    return [
        Run(f"{head['target']} {head['day']}", date.fromisoformat(head["day"]), failed, frozenset(marks))
        for head, failed, marks in runs.values()
    ]


def themed(access: Access, items: Sequence[Judged], cases: Sequence[GoldenCase]) -> Themed:
    """Items and cases under the themes of both together."""
    few = sorted(items, key=lambda one: md5(f"{one.item}{one.day}".encode(), usedforsecurity=False).hexdigest())[:MOST]
    few.sort(key=lambda one: (one.day, one.item))
    words = _words(access, few)
    spoken = [one for one in few if words.get((one.item, one.day), "").strip()]
    texts = [words[one.item, one.day] for one in spoken]
    labels, names = themes.themes([*texts, *(what_varies(case) for case in cases)])
    of_item = {(one.item, one.day): label for one, label in zip(spoken, labels[: len(spoken)], strict=True)}
    return Themed(of_item, {case.id: label for case, label in zip(cases, labels[len(spoken) :], strict=True)}, names)


def offline(run: Run, of_case: Mapping[str, int], stale: frozenset[str]) -> Offline:
    """A run with the themes of its representative cases; others of its cases are left out."""
    outcomes = tuple(Outcome(case, of_case[case], failed, case in stale) for case, failed in sorted(run.failed.items()) if case in of_case)
    return Offline(run.name, run.on, outcomes, run.fingerprints)


def _words(access: Access, items: Sequence[Judged]) -> dict[tuple[str, date], str]:
    """What each item asks: of its last exchange."""
    found: dict[tuple[str, date], str] = {}
    for day in sorted({one.day for one in items}):
        names = [one.item for one in items if one.day == day]
        told = rows(
            access,
            "SELECT item, exchange_id::VARCHAR AS id FROM score_ledger WHERE day = CAST($day AS DATE) "
            "AND item IN (SELECT unnest($items)) AND exchange_id IS NOT NULL",
            {"day": day.isoformat(), "items": names},
        )
        ids = sorted({row["id"] for row in told})
        exchanges: dict[str, LoggedExchange] = {}
        for start in range(0, len(ids), PAGE):
            exchanges |= by_id(access, ids[start : start + PAGE])
        found |= {(row["item"], day): asked(exchanges[row["id"]]) for row in told if row["id"] in exchanges}
    return found


def _means(given: Iterable[tuple[str, bool | None]]) -> dict[str, float]:
    told: dict[str, list[bool]] = {}
    for case, passed in given:
        if passed is not None:
            told.setdefault(case, []).append(passed)
    return {case: 1 - sum(passed) / len(passed) for case, passed in told.items()}


def _marks(grades: str | None) -> set[str]:
    value = json.loads(grades) if grades else []
    details = [one.get("detail") or {} for one in value if isinstance(one, dict)]
    return {str(one["fingerprint"]) for one in details if one.get("fingerprint")}


def monday(of: datetime | date) -> date:
    """The first day of its week."""
    day = of.date() if isinstance(of, datetime) else of
    return date.fromordinal(day.toordinal() - day.weekday())
