"""What the log says of the watch itself, as gauges for `/metrics`: alerts, indicators, scoring, judge, review, prices, export.

Nothing is made up here: a table without rows gives no figure, so that a dashboard shows a gap and not a zero.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from proxy.accounting.catalogue import price_data_version
from proxy.log.indicators import PRODUCTION, SAID
from proxy.service.exposition import Figure, one

VALUES: Final = 50
"""Values of one label; the rest is summed up as `other` where it can be, and left out where it cannot."""
EXPORT: Final = "otel.json"
"""File in data_dir by which the export says how far it is; written by scoring.export."""

_ALERTS: Final = """
    SELECT rule, state, count(*) FROM (
        SELECT rule, state FROM alerts WHERE rule IS NOT NULL AND state IS NOT NULL
        QUALIFY row_number() OVER (
            PARTITION BY rule, feature, CAST(properties -> '$.slice' AS VARCHAR)
            ORDER BY created_at DESC, TRY_CAST(properties ->> '$.seq' AS BIGINT) DESC NULLS LAST, record_id DESC) = 1)
    GROUP BY ALL ORDER BY ALL LIMIT 500"""
_REQUESTS: Final = f"""
    SELECT CAST(sum(exchanges) AS BIGINT), CAST(sum(errors) AS BIGINT), CAST(sum(retries) AS BIGINT)
    FROM rollups WHERE bucket >= now() - INTERVAL 1 DAY AND {PRODUCTION}"""  # noqa: S608  names of our own
_SAID: Final = " UNION ALL ".join(
    f"SELECT '{sli}' AS sli, CAST(sum(n) AS BIGINT) AS n, CAST(sum(failed) AS BIGINT) AS failed "  # noqa: S608  names of our own
    f"FROM rollup_scores WHERE bucket >= now() - INTERVAL 7 DAY AND {PRODUCTION} AND {where}"
    for sli, where in SAID.items()
)
_JUDGED: Final = """
    SELECT 'judged_pass', count(*), count(*) FILTER (NOT passed) FROM score_ledger
    WHERE day >= CAST(now() - INTERVAL 7 DAY AS DATE) AND passed IS NOT NULL AND coalesce(is_random, true)"""
_OPINIONS: Final = """
    SELECT source, name, CAST(sum(n) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(unscored) AS BIGINT)
    FROM rollup_scores WHERE bucket >= now() - INTERVAL 7 DAY AND name IS NOT NULL
    GROUP BY ALL ORDER BY sum(n) DESC, source, name LIMIT {most}"""
_NIGHT: Final = """
    SELECT day, created_at, state, n_population, n_sampled, n_scored, n_failed, n_skipped, CAST(cost_usd AS DOUBLE)
    FROM judge_runs WHERE day IS NOT NULL AND n_sampled IS NOT NULL ORDER BY created_at DESC LIMIT 1"""
_SCORED: Final = "SELECT max(created_at) FROM scores WHERE created_at > now() - INTERVAL 90 DAY AND passed IS NOT NULL"
_REVIEW: Final = """
    SELECT count(*), min(since) FROM (
        SELECT f.exchange_id, min(f.created_at) AS since FROM flags f
        WHERE f.exchange_id IS NOT NULL AND coalesce(f.state, 'open') = 'open' AND f.created_at > now() - INTERVAL 90 DAY
            AND f.exchange_id NOT IN (SELECT exchange_id FROM labels WHERE exchange_id IS NOT NULL)
        GROUP BY f.exchange_id)"""
_NOTICES: Final = """
    SELECT channel, state, count(*) FROM notifications WHERE created_at > now() - INTERVAL 1 DAY AND channel IS NOT NULL
    GROUP BY ALL ORDER BY ALL LIMIT 200"""


def standing(cursor: duckdb.DuckDBPyConnection, now: datetime) -> list[Figure]:
    """All figures that come from the log. Raises duckdb.Error."""
    return [
        *_alerts(cursor.execute(_ALERTS).fetchall(), cursor.execute(_NOTICES).fetchall()),
        *_indicators(cursor.execute(_REQUESTS).fetchone(), cursor.execute(f"{_SAID} UNION ALL {_JUDGED}").fetchall()),
        *_scores(cursor.execute(_OPINIONS.format(most=VALUES)).fetchall()),
        *_night(cursor.execute(_NIGHT).fetchone(), cursor.execute(_SCORED).fetchone(), now),
        *_review(cursor.execute(_REVIEW).fetchone(), now),
    ]


def _alerts(rules: list[tuple[Any, ...]], notices: list[tuple[Any, ...]]) -> list[Figure]:
    return [
        Figure(
            "goldwash_alerts",
            "gauge",
            "Slices of an alert rule by the state they are in: inactive, pending, firing, resolved, no_data.",
            tuple(({"rule": rule, "state": state}, count) for rule, state, count in rules),
        ),
        Figure(
            "goldwash_notifications_recent",
            "gauge",
            "Messages of the last day by channel and what became of them.",
            tuple(({"channel": channel, "state": state or "unknown"}, count) for channel, state, count in notices),
        ),
    ]


def _indicators(requests: tuple[Any, ...] | None, said: list[tuple[Any, ...]]) -> list[Figure]:
    exchanges, errors, retries = requests or (None, None, None)
    counted = [("errors", "1d", exchanges, errors), ("retries", "1d", exchanges, retries)]
    counted += [(sli, "7d", n, failed) for sli, n, failed in said]
    labels = [({"sli": sli, "window": window}, n, failed or 0) for sli, window, n, failed in counted if n]
    return [
        Figure(
            "goldwash_sli_bad_ratio",
            "gauge",
            "Share of bad events of an indicator, over production traffic, as the alert rules count them.",
            tuple((label, failed / n) for label, n, failed in labels),
        ),
        Figure(
            "goldwash_sli_events", "gauge", "Events that the indicator counted in its window.", tuple((label, n) for label, n, _ in labels)
        ),
    ]


def _scores(opinions: list[tuple[Any, ...]]) -> list[Figure]:
    labels = [({"source": source, "name": name}, n or 0, failed or 0, unscored or 0) for source, name, n, failed, unscored in opinions]
    return [
        Figure(
            "goldwash_score_failed_ratio",
            "gauge",
            "Share of failures among scores of the last seven days, by name; source says whether checks and judges, or users.",
            tuple((label, failed / n) for label, n, failed, _ in labels if n),
        ),
        Figure(
            "goldwash_score_results",
            "gauge",
            "Scores of the last seven days with a verdict, by name.",
            tuple((label, n) for label, n, _, _ in labels),
        ),
        Figure(
            "goldwash_score_unscored",
            "gauge",
            "Scores of the last seven days that came to no verdict, by name.",
            tuple((label, unscored) for label, _, _, unscored in labels),
        ),
    ]


def _night(run: tuple[Any, ...] | None, scored: tuple[Any, ...] | None, now: datetime) -> list[Figure]:
    found = []
    if scored and scored[0] is not None:
        found.append(one("goldwash_last_score_age_seconds", "gauge", "Age of the newest verdict.", _age(scored[0], now)))
    if run is None:
        return found
    _, at, _, population, sampled, done, failed, skipped, cost = run
    items = tuple(({"state": name}, count) for name, count in (("scored", done), ("failed", failed), ("skipped", skipped)))
    return [
        *found,
        one("goldwash_night_age_seconds", "gauge", "Age of the last night's report.", _age(at, now)),
        one("goldwash_night_population", "gauge", "Items that the last night could have drawn.", population),
        one("goldwash_night_sampled", "gauge", "Items that it drew.", sampled),
        Figure("goldwash_night_items", "gauge", "What became of the items that it drew.", items),
        one(
            "goldwash_night_coverage_ratio",
            "gauge",
            "Share of the drawn items that were scored.",
            done / sampled if sampled and done is not None else None,
        ),
        one("goldwash_night_cost_usd", "gauge", "What its judges cost, in dollars.", cost),
    ]


def _review(waiting: tuple[Any, ...] | None, now: datetime) -> list[Figure]:
    if waiting is None:
        return []
    count, oldest = waiting
    return [
        one("goldwash_review_waiting", "gauge", "Flagged exchanges that nobody has labelled.", count),
        one("goldwash_review_oldest_seconds", "gauge", "Age of the oldest of them.", _age(oldest, now) if oldest else None),
    ]


def prices(now: datetime, *, data: Callable[..., Any] = price_data_version) -> list[Figure]:
    """How old the packaged prices are at least."""
    found = data(now.date())
    age = None if found.age_days is None else found.age_days * 86400
    return [
        one("goldwash_prices_age_seconds", "gauge", "Age of the newest packaged price that has begun.", age),
        Figure(
            "goldwash_prices_info", "gauge", "Which packaged prices are in use.", (({"version": found.version, "hash": found.hash}, 1),)
        ),
    ]


def export(data_dir: Path, now: float) -> list[Figure]:
    """How the export to OpenTelemetry does, by what it noted itself; nothing where there is none. now: Unix time."""
    try:
        streams: dict[str, dict[str, Any]] = json.loads((data_dir / EXPORT).read_text(encoding="utf-8"))["streams"]
        told = [({"stream": name}, stream) for name, stream in streams.items()]
        held = tuple((label, max(now - stream["held_since"], 0.0) if stream["held_since"] else 0.0) for label, stream in told)
        sent = tuple((label, int(stream["sent"])) for label, stream in told)
        refused = tuple((label, int(stream["refused"])) for label, stream in told)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [
        Figure("goldwash_export_sent_total", "counter", "Rows that the receiver of [otel] has acknowledged.", sent),
        Figure("goldwash_export_refused_total", "counter", "Rows that it would not take, which are not sent again.", refused),
        Figure("goldwash_export_held_seconds", "gauge", "How long it has taken nothing; 0 = it takes what is sent.", held),
    ]


def _age(at: datetime, now: datetime) -> float:
    return max((now - at.astimezone(UTC)).total_seconds(), 0.0)
