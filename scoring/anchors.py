"""Judges frozen anchors again: items that people labelled, whose earlier verdicts are known, so that a changed judge shows by its flips.

Anchors are chosen by hash among the labelled items of each rubric that still have their bodies, those that are anchors already first, so
that they stay the same ones. Each is asked again `anchor_days` after the judge last saw it; `goldwash calibrate` compares the first verdict
with the last.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from config.scoring import Judge, Scoring
from proxy.service.client import Access
from scoring.judge.fingerprint import fingerprint
from scoring.judge.rubric import Rubric
from scoring.judging import Task
from scoring.pages import Window, rows
from scoring.pages import day as day_of
from scoring.population import Item
from scoring.sampling import Drawn, Stratum

DAYS: Final = 90
"""How far back anchors are looked for."""
_ANCHORS: Final = """
    WITH labelled AS (
        SELECT exchange_id, bool_or(split = 'rubric_dev') AS tuned FROM labels WHERE passed IS NOT NULL AND exchange_id IS NOT NULL
        GROUP BY exchange_id),
    read AS (
        SELECT exchange_id, min(created_at) FILTER (kind IN ('anchor', 'second_anchor')) AS since,
            max(created_at) FILTER (fingerprint IN (SELECT unnest($marks))) AS last
        FROM scores WHERE kind IN ('anchor', 'second_anchor', 'judge', 'second_judge')
            AND exchange_id IN (SELECT exchange_id FROM labelled) GROUP BY exchange_id)
    SELECT l.item, l.exchange_id::VARCHAR AS exchange_id, l.trace_id, l.exchanges, l.feature, l.task, l.model, l.prompt_version, l.risk,
        l.inclusion_probability AS p, l.is_random, l.rubric, l.day, r.last,
        CAST(coalesce(e.request_bytes, 0) + coalesce(e.response_bytes, 0) AS BIGINT) AS bytes,
        CAST(coalesce(e.input_tokens, 0) + coalesce(e.output_tokens, 0) AS BIGINT) AS tokens
    FROM score_ledger l JOIN labelled USING (exchange_id) JOIN exchanges e USING (exchange_id) LEFT JOIN read r USING (exchange_id)
    WHERE NOT coalesce(labelled.tuned, false) AND l.state = 'scored' AND l.day >= CAST($first AS DATE)
        AND l.rubric IN (SELECT unnest($rubrics))
        AND EXISTS (SELECT 1 FROM bodies b WHERE b.exchange_id = l.exchange_id AND b.request_body IS NOT NULL)
    QUALIFY row_number() OVER (PARTITION BY l.rubric ORDER BY r.since IS NULL, sha256($seed || l.item), l.day) <= $most"""


def due(access: Access, options: Scoring, judge: Judge | None, rubrics: dict[str, Rubric], day: date) -> tuple[list[Task], Window]:
    """The anchors whose last reading by this judge is too old, and the span of time that holds them. Raises ServiceError."""
    if judge is None or not options.anchors or not rubrics:
        return [], day_of(day)
    now = datetime.now(UTC)
    found = rows(
        access,
        _ANCHORS,
        {
            "marks": [fingerprint(judge, rubric, options.most_characters).id for rubric in rubrics.values()],
            "rubrics": list(rubrics),
            "first": (day - timedelta(days=DAYS)).isoformat(),
            "seed": options.sampling.seed,
            "most": options.anchors,
        },
    )
    old = [row for row in found if row["last"] is None or now - row["last"] >= timedelta(days=options.anchor_days)]
    if not old:
        return [], day_of(day)
    first, last = day_of(min(row["day"] for row in old)), day_of(max(row["day"] for row in old))
    return [_task(row, rubrics[row["rubric"]]) for row in old], Window(first.start, last.end)


def spent(access: Access, day: date) -> float:
    """Dollars that anchors cost in the nights of this day. Raises ServiceError."""
    sql = """SELECT CAST(coalesce(sum(cost_usd), 0) AS DOUBLE) AS usd FROM scores
        WHERE kind IN ('anchor', 'second_anchor') AND (properties ->> 'reading') = $day"""
    return float(rows(access, sql, {"day": day.isoformat()})[0]["usd"])


def _task(row: dict[str, Any], rubric: Rubric) -> Task:
    stratum = Stratum(row["feature"] or "", row["risk"] or "none")
    item = Item(
        item=row["item"],
        exchange_id=row["exchange_id"],
        trace_id=row["trace_id"],
        exchanges=row["exchanges"] or 1,
        feature=stratum.feature,
        task=row["task"],
        model=row["model"],
        prompt_version=row["prompt_version"],
        risk=stratum.risk,
        tokens=row["tokens"],
        bytes=row["bytes"],
    )
    return Task(item, Drawn(row["item"], stratum, row["p"] or 1.0, bool(row["is_random"]), 0.0), 0.0, rubric)
