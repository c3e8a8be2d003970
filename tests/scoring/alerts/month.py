"""Fills a log with a month of production, by SQL: daily and weekly patterns, some features, models and prompt versions, and troubles on request."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb

from proxy.log import rollups
from proxy.log.attach import Log

COLUMNS = (
    "exchange_id accepted_at ended_at provider operation status ending request_model response_model input_tokens output_tokens cost_usd "
    "price_version error_type duration_ms time_to_first_chunk_ms feature prompt_version purpose session_id system_fingerprint"
).split()


def fill(
    db: duckdb.DuckDBPyConnection, start: datetime, days: int, a_day: int, *, trouble: dict[str, str] | None = None, seed: float = 0.5
) -> int:
    """Rows of exchanges from `start` on. trouble: column -> expression instead, over the columns below (`at_`, `feature`, `model`, `u`…).

    Returns how many. The hours follow a working day, the weekend has half the traffic; 0.4% of answers fail; durations are lognormal.
    """
    db.execute(f"SELECT setseed({seed})")
    said = {
        "status": "CASE WHEN u < 0.004 THEN 500 ELSE 200 END",
        "cost": "0.002 * (0.5 + u2) * (1 + 0.1 * sin(2 * pi() * hour / 24))",
        "ms": "exp(6.6 + 0.25 * sin(2 * pi() * hour / 24) + 0.6 * sqrt(-2 * ln(greatest(u3, 1e-9))) * cos(2 * pi() * u4))",
        "model": "CASE WHEN feature_number < 3 THEN 'gpt-4.1-2025-04-14' ELSE 'claude-sonnet-4-2025' END",
        "prompt_version": "'v' || (1 + feature_number % 2)",
        "fingerprint": "'fp_1'",
        "price_version": "'2026.1'",
        **(trouble or {}),
    }
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE making AS
        WITH slots AS (
            SELECT CAST(? AS TIMESTAMPTZ) + to_seconds(86400.0 * {days} * i / ({days} * {a_day} * 2)) AS slot, random() AS keep, random() AS u,
                random() AS u2, random() AS u3, random() AS u4, random() AS u5, random() AS u6
            FROM range({days} * {a_day} * 2) t(i)),
        shaped AS (
            SELECT *, slot + to_seconds(u6) AS at_, extract(hour FROM slot) + extract(minute FROM slot) / 60 AS hour, isodow(slot) AS weekday,
                CAST(floor(6 * u5 * u5) AS INTEGER) AS feature_number
            FROM slots),
        kept AS (
            SELECT *, 'feature' || feature_number AS feature FROM shaped
            WHERE keep < 0.58 * (1 + 0.7 * sin(2 * pi() * (hour - 8) / 24)) * CASE WHEN weekday > 5 THEN 0.5 ELSE 1 END)
        SELECT uuidv7() AS exchange_id, at_, feature, feature_number, hour, weekday, u, u2, u3, u4, {said["model"]} AS model FROM kept ORDER BY at_""",
        [start],
    )
    named = ", ".join(f'"{name}"' for name in COLUMNS)
    db.execute(
        f"""
        INSERT INTO exchanges ({named})
        SELECT exchange_id, at_, at_ + to_milliseconds(CAST(ms AS BIGINT)), 'openai', 'chat', status, 'complete', model, model, CASE WHEN status < 400 THEN 200 END,
            CASE WHEN status < 400 THEN 100 END,
            CASE WHEN status < 400 THEN cost END, price_version, CASE WHEN status >= 400 THEN 'server_error' END, ms, ms / 3, feature,
            prompt_version, 'app', 's' || (hash(exchange_id) % {days * a_day // 3}), fingerprint
        FROM (SELECT *, {said["status"]} AS status, {said["cost"]} AS cost, {said["ms"]} AS ms, {said["prompt_version"]} AS prompt_version,
            {said["fingerprint"]} AS fingerprint, {said["price_version"]} AS price_version FROM making)"""
    )
    row = db.execute("SELECT count(*) FROM making").fetchone()
    db.execute("DROP TABLE making")
    return int(row[0]) if row else 0


def made(data_dir: Path, start: datetime, days: int, a_day: int, **said: object) -> int:
    """A log in a data directory, filled and counted."""
    log = Log.open("goldwash.duckdb", data_dir)
    db = log.cursor()
    count = fill(db, start, days, a_day, **said)  # type: ignore[arg-type]
    rollups.backfill(db)
    db.close()
    log.close()
    return count
