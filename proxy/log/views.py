"""Ready-made views over the log: what most people ask first. Made anew at each start, so that they are never old.

Days and hours are UTC and reckoned from microseconds: `AT TIME ZONE` and `date_trunc` of a time with a zone ask a calendar library for each
row, which took two thirds of a view's time, and ten times as long where a view is asked for a few days.
"""

from __future__ import annotations

from typing import Final

import duckdb

VIEWS: Final = {
    "bodies": """
        SELECT exchange_id, accepted_at, request_body, response_body, request_body_coding, response_body_coding FROM small_bodies
        UNION ALL
        SELECT exchange_id, accepted_at, array_to_string(request_body, ''), array_to_string(response_body, ''),
            request_body_coding, response_body_coding
        FROM large_bodies WHERE exchange_id IS NOT NULL""",
    "cost_daily": """
        SELECT CAST(make_timestamp(epoch_us(accepted_at)) AS DATE) AS day,
            provider, coalesce(response_model, request_model) AS model,
            feature, purpose, count(*) AS exchanges, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens,
            sum(reasoning_tokens) AS reasoning_tokens, sum(cost_usd) AS cost_usd,
            count(*) FILTER (cost_usd IS NULL) AS without_cost,
            count(*) FILTER (usage_source = 'estimated') AS estimated,
            sum(cost_usd) FILTER (usage_source = 'estimated') AS estimated_cost_usd,
            sum(coalesce(r.new_cost_usd, cost_usd)) AS repriced_cost_usd
        FROM exchanges LEFT JOIN (
            SELECT exchange_id AS repriced_id, arg_max(new_cost_usd, created_at) AS new_cost_usd FROM reprices GROUP BY exchange_id
        ) r ON r.repriced_id = exchange_id
        GROUP BY ALL""",
    "latency_hourly": """
        SELECT make_timestamptz(epoch_us(accepted_at) // 3600000000 * 3600000000) AS hour,
            provider, coalesce(response_model, request_model) AS model, is_stream,
            count(*) AS exchanges, quantile_cont(duration_ms, 0.5) AS p50_ms, quantile_cont(duration_ms, 0.95) AS p95_ms,
            quantile_cont(duration_ms, 0.99) AS p99_ms, quantile_cont(time_to_first_chunk_ms, 0.5) AS first_chunk_p50_ms,
            quantile_cont(time_to_first_chunk_ms, 0.95) AS first_chunk_p95_ms,
            sum(output_tokens) FILTER (duration_ms > 0) / nullif(sum(duration_ms) FILTER (output_tokens IS NOT NULL) / 1000, 0)
                AS output_tokens_per_second
        FROM exchanges WHERE ending = 'complete' GROUP BY ALL""",
    "errors_hourly": """
        SELECT make_timestamptz(epoch_us(accepted_at) // 3600000000 * 3600000000) AS hour,
            provider, ending, status, error_type, count(*) AS exchanges,
            any_value(error_message) AS example
        FROM exchanges WHERE ending <> 'complete' OR status >= 400 OR error_type IS NOT NULL GROUP BY ALL""",
    "quality_daily": """
        SELECT CAST(make_timestamp(epoch_us(e.accepted_at)) AS DATE) AS day,
            e.feature, coalesce(e.response_model, e.request_model) AS model,
            s.name, s.kind, s.fingerprint, count(*) AS scores, count(*) FILTER (s.passed) AS passed,
            count(*) FILTER (NOT s.passed) AS failed, count(*) FILTER (s.unscored IS NOT NULL) AS unscored,
            avg(s.value) AS mean_value, sum(s.cost_usd) AS cost_usd
        FROM scores s JOIN exchanges e ON e.exchange_id = s.exchange_id GROUP BY ALL""",
    "sessions": """
        SELECT session_id, any_value(user_id) AS user_id, any_value(feature) AS feature, min(accepted_at) AS started_at,
            max(ended_at) AS ended_at, count(*) AS exchanges, sum(input_tokens) AS input_tokens,
            sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd, count(*) FILTER (cost_usd IS NULL) AS without_cost,
            count(*) FILTER (ending <> 'complete' OR status >= 400) AS errors
        FROM exchanges WHERE session_id IS NOT NULL GROUP BY session_id""",
    "score_ledger": """
        SELECT * FROM score_items
        QUALIFY row_number() OVER (PARTITION BY day, item ORDER BY created_at DESC, record_id DESC) = 1""",
    "spool_newest": """
        SELECT * FROM spool_position
        QUALIFY row_number() OVER (PARTITION BY run ORDER BY seq DESC, done DESC, updated_at DESC) = 1""",
    "ledger_daily": """
        SELECT day, host, worker, CAST(sum(accepted) AS BIGINT) AS accepted, CAST(sum(complete) AS BIGINT) AS complete,
            CAST(sum(partial) AS BIGINT) AS partial, CAST(sum(client_gone) AS BIGINT) AS client_gone,
            CAST(sum(upstream_error) AS BIGINT) AS upstream_error, CAST(sum(lost) AS BIGINT) AS lost, CAST(sum(shed) AS BIGINT) AS shed,
            CAST(sum(accepted) AS BIGINT) - CAST(sum(complete + partial + client_gone + upstream_error + lost) AS BIGINT) AS open
        FROM ledger GROUP BY ALL""",
}


def create(db: duckdb.DuckDBPyConnection) -> None:
    """Make all views, replacing those of an older version."""
    for name, query in VIEWS.items():
        db.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
