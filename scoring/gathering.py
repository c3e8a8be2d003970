"""Reads the figures of the morning report from the log, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from config.scoring import Sampling
from config.settings import Settings
from proxy.service.client import Access
from scoring.calibration.report import Report as Calibrations
from scoring.calibration.report import report as calibrated
from scoring.checking import CHECKED, fingerprint
from scoring.estimates.estimate import LEVEL
from scoring.estimates.posterior import SEED
from scoring.measuring import measured
from scoring.pages import BETWEEN, WITHIN, Window, bounds, parts, rows
from scoring.pages import day as day_of
from scoring.population import left_out
from scoring.rates import OLD_DAYS, Judged, audited, judged, rates
from scoring.report import Report
from scoring.review import standing
from scoring.review.queue import queue
from scoring.tasks import Tasks

MOST_THEMES: Final = 12
WEEK: Final = 7
NOBODY: Final = ""
"""Who looks: nobody in particular, so that everybody's queue is counted."""


def gather(settings: Settings, day: date, tasks: Tasks, sampling: Sampling) -> Report:
    """The report of a day as the log has it now. Raises LogError, NoLog, ServiceError."""
    span = day_of(day)
    with Access(settings) as access:
        truths = audited(access)
        start, week_ago = day - timedelta(days=OLD_DAYS), day - timedelta(days=WEEK)
        recent = judged(access, week_ago, day + timedelta(days=1), truths)
        older = judged(access, start, week_ago, truths, labelled_only=True)
        today, week = _on(recent, day, day), _on(recent, week_ago, day - timedelta(days=1))
        previous = _on(recent, day - timedelta(days=1), day - timedelta(days=1))
        return Report(
            day,
            _traffic(access, span, fingerprint(tasks)),
            _checks(access, span, tasks),
            _states(access, day),
            _judges(access, day),
            rows(access, "SELECT state, stage, content FROM judge_runs WHERE day = CAST($day AS DATE)", {"day": day.isoformat()}),
            rates(today, [*older, *week]),
            {(one.kind, one.name): one for one in rates(previous, [*older, *_on(week, week_ago, day - timedelta(days=2))])},
            {(one.kind, one.name): one for one in rates(week, older)},
            measured(access, day, tasks),
            _themes(access, day),
            _waiting(access),
            left_out(access, span, sampling),
            _health(access),
        )


def _on(history: Sequence[Judged], first: date, last: date) -> list[Judged]:
    return [row for row in history if first <= row.day <= last]


def _traffic(access: Access, span: Window, checks: str) -> Mapping[str, int]:
    sql = (
        "SELECT count(*) AS exchanges, count(s.exchange_id) AS checked, count(*) FILTER (s.passed = false) AS failed "  # noqa: S608
        f"FROM exchanges e LEFT JOIN (SELECT exchange_id, passed FROM scores WHERE {BETWEEN.format('')} AND kind = 'checks' "
        f"AND fingerprint = $checks) s USING (exchange_id) WHERE {WITHIN.format('e.')} AND {CHECKED}"
    )
    return _summed(access, span, sql, {"checks": checks}, ()).get((), {"exchanges": 0, "checked": 0, "failed": 0})


def _checks(access: Access, span: Window, tasks: Tasks) -> list[dict[str, Any]]:
    marks = sorted({check.fingerprint for task in tasks.tasks for check in task.checks})
    sql = (
        "SELECT s.name, count(*) FILTER (s.passed = false AND (s.properties ->> 'validated') = 'true') AS failed, "  # noqa: S608
        "count(*) FILTER (s.passed = false AND (s.properties ->> 'validated') = 'false') AS informs, "
        f"count(*) FILTER (s.passed IS NULL) AS unscored FROM (SELECT * FROM scores WHERE {BETWEEN.format('')} AND kind = 'check') s "
        f"JOIN exchanges e USING (exchange_id) WHERE {WITHIN.format('e.')} "
        "AND (s.name = 'near_duplicate' OR s.fingerprint IN (SELECT unnest($marks))) GROUP BY s.name"
    )
    found = _summed(access, span, sql, {"marks": marks}, ("name",)).items()
    table = [{"name": name, **counts} for (name,), counts in found]
    return sorted(table, key=lambda one: (-one["failed"], -one["informs"], one["name"]))


def _summed(access: Access, span: Window, sql: str, given: Mapping[str, Any], by: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, int]]:
    """Counts of a query over the parts of a day, by some of its columns."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for part in parts(access, span):
        for row in rows(access, sql, {**given, **part.parameters, **bounds(access, part)}):
            counts = found.setdefault(tuple(row[name] for name in by), {})
            for name, n in row.items():
                if name not in by:
                    counts[name] = counts.get(name, 0) + n
    return found


def _states(access: Access, day: date) -> list[dict[str, Any]]:
    return rows(
        access,
        "SELECT state, why, count(*) AS n FROM score_ledger WHERE day = CAST($day AS DATE) AND inclusion_probability IS NOT NULL "
        "GROUP BY ALL ORDER BY n DESC, state, why",
        {"day": day.isoformat()},
    )


def _judges(access: Access, day: date) -> list[dict[str, Any]]:
    return rows(
        access,
        "SELECT s.scorer, s.kind AS role, count(*) AS answers, count(*) FILTER (s.passed IS NULL) AS unscored, "
        "CAST(sum(s.cost_usd) AS DOUBLE) AS cost_usd, count(*) FILTER (s.cost_usd IS NULL) AS unpriced, "
        "string_agg(DISTINCT s.response_model, ', ' ORDER BY s.response_model) AS answered_as, "
        "CAST(sum(CAST(s.properties ->> 'tries' AS INTEGER)) AS BIGINT) AS tries "
        "FROM scores s JOIN (SELECT DISTINCT exchange_id FROM score_ledger WHERE day = CAST($day AS DATE)) l USING (exchange_id) "
        "WHERE s.kind IN ('judge', 'second_judge') GROUP BY ALL ORDER BY s.kind, s.scorer",
        {"day": day.isoformat()},
    )


def _themes(access: Access, day: date) -> list[dict[str, Any]]:
    """The day's themes, the largest first; new where no flag of the week before has a word of its name."""
    sql = """
        SELECT theme, count(DISTINCT exchange_id) AS flags, count(DISTINCT "group") AS groups, string_agg(DISTINCT name, ', ' ORDER BY name) AS names,
            arg_max(reason, severity) AS example
        FROM (SELECT *, properties ->> 'theme' AS theme, properties ->> 'group' AS "group" FROM flags
            WHERE (properties ->> 'day') = $day AND kind <> 'audit')
        WHERE theme IS NOT NULL GROUP BY theme ORDER BY flags DESC, theme"""  # noqa: E501
    found = rows(access, sql, {"day": day.isoformat()})
    earlier = rows(
        access,
        "SELECT DISTINCT properties ->> 'theme' AS theme FROM flags "
        "WHERE (properties ->> 'day') >= $first AND (properties ->> 'day') < $day",
        {"first": (day - timedelta(days=WEEK)).isoformat(), "day": day.isoformat()},
    )
    known = {word for row in earlier for word in (row["theme"] or "").replace(",", " ").split()}
    return [
        {**row, "example": (row["example"] or "")[:160], "is_new": not known & set(row["theme"].replace(",", " ").split())}
        for row in found[:MOST_THEMES]
    ]


def _waiting(access: Access) -> dict[str, int]:
    """One of each group of near-duplicates counts, as `goldwash review` shows them."""
    streams = queue(standing.flags(access), standing.labels(access), NOBODY).streams
    flagged = streams["flagged"]
    candidates = rows(
        access,
        "SELECT count(*) AS n FROM (SELECT case_id, arg_max(status, created_at) AS status FROM golden_cases "
        "WHERE case_id IS NOT NULL GROUP BY case_id) WHERE status = 'candidate'",
    )
    failures = sum(item.flags[0].kind == "failure" for item in flagged)
    return {
        "failure": failures,
        "review": len(flagged) - failures,
        "exchanges": sum(1 + len(item.alike) for item in flagged),
        "audit": len(streams["audit"]),
        "second": len(streams["second"]),
        "candidates": candidates[0]["n"],
    }


def _health(access: Access) -> Calibrations | None:
    now = datetime.now(UTC)
    found = calibrated(access, now - timedelta(days=OLD_DAYS), now, questions=False, level=LEVEL, seed=SEED)
    return found if found.calibrations or found.people else None
