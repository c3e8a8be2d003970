"""The schema of the log as numbered steps: append to the list, never edit a step that has shipped.

No keys and no indexes: exactly-once comes from the positions that are stored with the rows, ids are UUIDv7 (ascending, so that the
zone maps find them), and a lake knows neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import duckdb

from proxy.log import rollups

Connection = duckdb.DuckDBPyConnection


class NewerSchema(Exception):
    """The log was written by a newer Goldwash."""


def _exchanges(db: Connection) -> None:
    """What happened: one row an exchange, its bodies and the turns of a WebSocket session apart."""
    db.execute("""
        CREATE TABLE exchanges (
            exchange_id UUID, accepted_at TIMESTAMPTZ, ended_at TIMESTAMPTZ,
            provider VARCHAR, dialect VARCHAR, operation VARCHAR, method VARCHAR, path VARCHAR, status USMALLINT, ending VARCHAR,
            is_stream BOOLEAN, request_model VARCHAR, response_model VARCHAR, response_id VARCHAR,
            input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT, reasoning_tokens BIGINT,
            input_audio_tokens BIGINT, output_audio_tokens BIGINT, usage_source VARCHAR,
            cost_usd DECIMAL(24, 12), price_source VARCHAR, price_version VARCHAR, service_tier VARCHAR,
            finish_reasons VARCHAR[], tool_calls JSON, output_text VARCHAR, reasoning_text VARCHAR,
            error_type VARCHAR, error_message VARCHAR, duration_ms DOUBLE, time_to_first_chunk_ms DOUBLE, turns UINTEGER,
            request_bytes UBIGINT, response_bytes UBIGINT, request_sha256 VARCHAR, response_sha256 VARCHAR,
            api_key_hash VARCHAR, feature VARCHAR, user_id VARCHAR, session_id VARCHAR, task VARCHAR, prompt_version VARCHAR,
            environment VARCHAR, properties MAP(VARCHAR, VARCHAR), trace_id VARCHAR, span_id VARCHAR,
            purpose VARCHAR, retry_of VARCHAR, system_fingerprint VARCHAR,
            query VARCHAR, upstream_url VARCHAR, host VARCHAR, worker VARCHAR, user_agent VARCHAR,
            is_batch BOOLEAN, speed VARCHAR, service_tier_requested VARCHAR,
            reported_cost_usd DECIMAL(24, 12), price_hash VARCHAR, cost_note VARCHAR, usage_raw JSON,
            cache_write_5m_tokens BIGINT, cache_write_1h_tokens BIGINT, cache_read_audio_tokens BIGINT,
            input_image_tokens BIGINT, output_image_tokens BIGINT, web_searches BIGINT, search_units BIGINT, audio_seconds DOUBLE,
            pages BIGINT, images BIGINT, characters BIGINT,
            refusal VARCHAR, terminal BOOLEAN, metrics JSON, unread VARCHAR,
            request_truncated BOOLEAN, response_truncated BOOLEAN, request_headers JSON, response_headers JSON)""")
    db.execute("""
        CREATE TABLE bodies (
            exchange_id UUID, accepted_at TIMESTAMPTZ,
            request_body VARCHAR, response_body VARCHAR, request_body_coding VARCHAR, response_body_coding VARCHAR)""")
    db.execute("""
        CREATE TABLE turns (
            exchange_id UUID, turn UINTEGER, response_id VARCHAR, response_model VARCHAR, finish_reason VARCHAR, output_text VARCHAR,
            input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT, reasoning_tokens BIGINT,
            input_audio_tokens BIGINT, output_audio_tokens BIGINT, usage_raw JSON)""")


def _opinions(db: Connection) -> None:
    """What somebody thinks of it: one row an opinion or event, whatever no column names is in `properties`."""
    head = "record_id UUID, created_at TIMESTAMPTZ, exchange_id UUID"
    db.execute(f"""
        CREATE TABLE feedback ({head}, response_id VARCHAR, name VARCHAR, score DOUBLE, value VARCHAR, comment VARCHAR,
            source VARCHAR, user_id VARCHAR, session_id VARCHAR, properties JSON)""")
    db.execute(f"""
        CREATE TABLE scores ({head}, response_id VARCHAR, run_id VARCHAR, name VARCHAR, kind VARCHAR, value DOUBLE, label VARCHAR,
            passed BOOLEAN, unscored VARCHAR, reason VARCHAR, evidence VARCHAR, scorer VARCHAR, scorer_version VARCHAR,
            fingerprint VARCHAR, request_model VARCHAR, response_model VARCHAR, judge_exchange_id UUID, cost_usd DECIMAL(24, 12),
            stratum VARCHAR, inclusion_probability DOUBLE, properties JSON)""")
    db.execute(f"""
        CREATE TABLE labels ({head}, response_id VARCHAR, name VARCHAR, value VARCHAR, passed BOOLEAN, labeler VARCHAR, origin VARCHAR,
            split VARCHAR, note VARCHAR, expected JSON, inclusion_probability DOUBLE, fingerprint VARCHAR, properties JSON)""")
    db.execute(f"""
        CREATE TABLE flags ({head}, flag_id VARCHAR, run_id VARCHAR, name VARCHAR, kind VARCHAR, severity DOUBLE, state VARCHAR,
            reason VARCHAR, score_record_id UUID, "by" VARCHAR, properties JSON)""")
    db.execute(f"""
        CREATE TABLE contexts ({head}, response_id VARCHAR, document_id VARCHAR, "rank" INTEGER, relevance DOUBLE, title VARCHAR,
            source VARCHAR, text VARCHAR, properties JSON)""")
    db.execute(f"""
        CREATE TABLE golden_cases ({head}, case_id VARCHAR, version INTEGER, status VARCHAR, event VARCHAR, "by" VARCHAR,
            content JSON, properties JSON)""")
    db.execute(f"""
        CREATE TABLE judge_runs ({head}, run_id VARCHAR, day DATE, state VARCHAR, stage VARCHAR, fingerprint VARCHAR, seed BIGINT,
            n_population BIGINT, n_sampled BIGINT, n_scored BIGINT, n_failed BIGINT, n_skipped BIGINT, cost_usd DECIMAL(24, 12),
            content JSON, properties JSON)""")
    db.execute(f"""
        CREATE TABLE alerts ({head}, rule VARCHAR, feature VARCHAR, day DATE, state VARCHAR, value DOUBLE, threshold DOUBLE, n BIGINT,
            message VARCHAR, properties JSON)""")
    db.execute("CREATE TABLE records (record_id UUID, created_at TIMESTAMPTZ, name VARCHAR, content VARCHAR)")
    db.execute(f"""
        CREATE TABLE reprices ({head}, old_cost_usd DECIMAL(24, 12), new_cost_usd DECIMAL(24, 12), old_price_source VARCHAR,
            new_price_source VARCHAR, old_price_version VARCHAR, new_price_version VARCHAR, new_price_hash VARCHAR,
            new_cost_note VARCHAR, properties JSON)""")
    db.execute(f"CREATE TABLE readings_history ({head}, version VARCHAR, before JSON, after JSON, properties JSON)")


def _bookkeeping(db: Connection) -> None:
    """How far each run of the spool has been loaded, and the ledger: what was accepted and what became of it."""
    db.execute("""
        CREATE TABLE spool_position (
            run VARCHAR, host VARCHAR, worker VARCHAR, segment UBIGINT, "offset" UBIGINT, seq UBIGINT, carry UBIGINT, done BOOLEAN,
            updated_at TIMESTAMPTZ)""")
    db.execute("""
        CREATE TABLE ledger (
            day DATE, host VARCHAR, worker VARCHAR, run VARCHAR, accepted UBIGINT, complete UBIGINT, partial UBIGINT,
            client_gone UBIGINT, upstream_error UBIGINT, lost UBIGINT, shed UBIGINT)""")
    db.execute("""
        CREATE TABLE shed (
            shed_at TIMESTAMPTZ, host VARCHAR, worker VARCHAR, run VARCHAR, exchanges UBIGINT, bytes UBIGINT, reason VARCHAR)""")
    db.execute("""
        CREATE TABLE losses (
            found_at TIMESTAMPTZ, host VARCHAR, worker VARCHAR, run VARCHAR, segment UBIGINT, "offset" UBIGINT, frames UBIGINT,
            bytes UBIGINT, kind VARCHAR, note VARCHAR)""")


def _expired(db: Connection) -> None:
    """What retention has deleted, so that the ledger still adds up."""
    db.execute("CREATE TABLE expired (day DATE, host VARCHAR, worker VARCHAR, rows UBIGINT, expired_at TIMESTAMPTZ)")


def _turn_costs(db: Connection) -> None:
    """What each response of a WebSocket session cost, and the rest of what that depends on."""
    for column in (
        *("cache_read_audio_tokens BIGINT", "input_image_tokens BIGINT", "output_image_tokens BIGINT", "audio_seconds DOUBLE"),
        *("cost_usd DECIMAL(24, 12)", "cost_note VARCHAR"),
    ):
        db.execute(f"ALTER TABLE turns ADD COLUMN {column}")


def _score_items(db: Connection) -> None:
    """The ledger of scoring: what became of each sampled exchange or trace, and how it came to be drawn."""
    db.execute("""
        CREATE TABLE score_items (
            record_id UUID, created_at TIMESTAMPTZ, exchange_id UUID, run_id VARCHAR, day DATE, item VARCHAR, unit VARCHAR,
            exchanges UINTEGER, feature VARCHAR, task VARCHAR, model VARCHAR, prompt_version VARCHAR, trace_id VARCHAR,
            risk VARCHAR, stratum VARCHAR, inclusion_probability DOUBLE, is_random BOOLEAN, label_probability DOUBLE,
            state VARCHAR, why VARCHAR, passed BOOLEAN, decided_by VARCHAR, confidence DOUBLE, rubric VARCHAR, fingerprint VARCHAR,
            second_fingerprint VARCHAR, calls UINTEGER, cost_usd DECIMAL(24, 12), properties JSON)""")


def _proxy_keys(db: Connection) -> None:
    """Which proxy key let an exchange in, by its name."""
    db.execute("ALTER TABLE exchanges ADD COLUMN proxy_key VARCHAR")


def _releases(db: Connection) -> None:
    """What shipped when, on which verdict, accepted by whom."""
    db.execute("""
        CREATE TABLE releases (
            record_id UUID, created_at TIMESTAMPTZ, exchange_id UUID, release VARCHAR, "at" TIMESTAMPTZ, event VARCHAR, outcome VARCHAR,
            environment VARCHAR, feature VARCHAR, prompt_version VARCHAR, model VARCHAR, "by" VARCHAR, content JSON, properties JSON)""")


def _notifications(db: Connection) -> None:
    """What was told to whom: a row when a message went out, failed, or was given up, and the silences that people asked for."""
    head = "record_id UUID, created_at TIMESTAMPTZ, exchange_id UUID"
    db.execute(f"""
        CREATE TABLE notifications ({head}, incident_id VARCHAR, kind VARCHAR, severity VARCHAR, rule VARCHAR, slice JSON, channel VARCHAR,
            state VARCHAR, tries UINTEGER, title VARCHAR, error VARCHAR, told_at TIMESTAMPTZ, properties JSON)""")
    db.execute(f"""
        CREATE TABLE silences ({head}, silence_id VARCHAR, event VARCHAR, rule VARCHAR, slice JSON, starts_at TIMESTAMPTZ,
            ends_at TIMESTAMPTZ, owner VARCHAR, reason VARCHAR, properties JSON)""")


def _loaded_at(db: Connection) -> None:
    """When a row came into the log: ever later from row to row, which accepted_at is not. Who follows the log goes by it."""
    for table in ("exchanges", "scores", "feedback"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN loaded_at TIMESTAMPTZ")


def _rollups(db: Connection) -> None:
    """Sums by minute and slice beside the rows, and what the log holds already counted into them."""
    rollups.create(db)
    rollups.backfill(db)


def _gate_runs(db: Connection) -> None:
    """What the gate said of production, night by night, and what each run of each golden case came to."""
    head = "record_id UUID, created_at TIMESTAMPTZ, exchange_id UUID"
    db.execute(f"""
        CREATE TABLE gate_runs ({head}, run_id VARCHAR, "at" TIMESTAMPTZ, target VARCHAR, model VARCHAR, dataset VARCHAR, outcome VARCHAR,
            exit_code UINTEGER, is_inconclusive BOOLEAN, cases UINTEGER, runs UINTEGER, passed DOUBLE, unmeasured UINTEGER,
            cost_usd DECIMAL(24, 12), prices VARCHAR, judge VARCHAR, rules VARCHAR, verdict JSON, properties JSON)""")
    db.execute(f"""
        CREATE TABLE gate_results ({head}, run_id VARCHAR, "at" TIMESTAMPTZ, target VARCHAR, golden_case VARCHAR, case_version VARCHAR,
            run UINTEGER, status VARCHAR, slice VARCHAR, critical BOOLEAN, passed BOOLEAN, error VARCHAR, cost_usd DECIMAL(24, 12),
            latency_ms DOUBLE, response_model VARCHAR, system_fingerprint VARCHAR, grades JSON, properties JSON)""")


def _large_bodies(db: Connection) -> None:
    """Large bodies in pieces, beside the others; the view `bodies` has both. Bodies that were stored whole stay so."""
    db.execute("ALTER TABLE bodies RENAME TO small_bodies")
    db.execute("""
        CREATE TABLE large_bodies (
            exchange_id UUID, accepted_at TIMESTAMPTZ, request_body VARCHAR[], response_body VARCHAR[],
            request_body_coding VARCHAR, response_body_coding VARCHAR)""")


MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (
    *(_exchanges, _opinions, _bookkeeping, _expired, _turn_costs, _proxy_keys),
    _score_items,
    _releases,
    _notifications,
    _loaded_at,
    _rollups,
    _gate_runs,
    _large_bodies,
)


def version(db: Connection) -> int:
    """How many steps this log has had; 0 = an empty database."""
    known = db.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_version' AND database_name = current_database()"
    ).fetchone()
    if not known or not known[0]:
        return 0
    row = db.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(row[0] or 0) if row else 0


def check(db: Connection, address: str) -> int:
    """The log's version; raises NewerSchema where this Goldwash does not know it."""
    found = version(db)
    if found > len(MIGRATIONS):
        raise NewerSchema(
            f"{address}: the log has schema version {found}, and this Goldwash knows {len(MIGRATIONS)}: "
            "update Goldwash, or point [log] address at another file"
        )
    return found


def migrate(db: Connection, address: str) -> None:
    """Take all steps the log has not had, each in a transaction of its own with its number."""
    for number in range(check(db, address) + 1, len(MIGRATIONS) + 1):
        step = MIGRATIONS[number - 1]
        db.execute("BEGIN")
        try:
            if number == 1:
                db.execute("CREATE TABLE schema_version (version INTEGER, name VARCHAR, applied_at TIMESTAMPTZ)")
            step(db)
            db.execute("INSERT INTO schema_version VALUES (?, ?, now())", [number, step.__name__.strip("_")])
            db.execute("COMMIT")
        except duckdb.Error:
            db.execute("ROLLBACK")
            raise
