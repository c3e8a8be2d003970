"""Keeps sums beside the rows, so that rates, costs and percentiles of a month are had without scanning a month.

Every row of `rollups` and `rollup_scores` is additive: counts of one slice in one bucket of time, written in the transaction that loads
what it counts. Whoever reads sums them; several rows of the same slice and bucket are as good as one, and upkeep merges them and makes
buckets wider with age. A correction subtracts what was counted and adds what is right.

An exchange stands in the minute in which it ended: then at the latest anybody could know. An error is an answer with status 400 or
more, an error in the answer itself, or an ending that left the client without a whole answer (partial, upstream_error, lost); a client
that went by itself is none. Durations are those of whole, good answers, WebSocket sessions left out, in bins an eighth of a doubling
wide (see `milliseconds`): a percentile of merged bins is right within 4.5%. An opinion stands in the hour of the exchange it is about.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import duckdb
import pyarrow as pa

DIMENSIONS: Final = ("feature", "provider", "operation", "response_model", "prompt_version", "purpose", "environment")
"""What a slice is made of; response_model is the request's where the answer named none."""
COUNTS: Final = (
    *("exchanges", "errors", "complete", "partial", "client_gone", "upstream_error", "lost", "rate_limited", "refusals", "retries"),
    *("with_usage", "input_tokens", "output_tokens", "cache_read_tokens", "unpriced"),
)
"""Sums that are whole numbers. with_usage: exchanges whose tokens are known; unpriced: those of them without a price."""
BINS: Final = ("durations", "first_chunks")
"""Histograms, a map from bin to count."""
OTHER: Final = "(other)"
"""Stands for the values of a slice beyond MOST."""
MOST_FEATURES: Final = 10_000
MOST_OF_A_FEATURE: Final = 50
"""Values of a column that are told apart in one merged span, those with most exchanges first: a prompt version for each request, or a
feature for each user, must not make the sums as long as the log."""
MOST_TOKENS: Final = 10**12
"""Of one exchange: a provider that reports more must not make a sum overflow, which would stop the loading."""
TIERS: Final[dict[str, tuple[tuple[int, timedelta, timedelta], ...]]] = {
    "rollups": (
        (5, timedelta(minutes=30), timedelta(hours=1)),
        (60, timedelta(days=15), timedelta(days=1)),
        (1440, timedelta(days=120), timedelta(days=10)),
    ),
    "rollup_scores": (
        (60, timedelta(hours=1), timedelta(days=1)),
        (1440, timedelta(days=3), timedelta(days=1)),
    ),
}
"""By table: width in minutes that buckets are merged to, the age from which they are, and the span that is merged at once."""

_DIMENSIONS: Final = ", ".join(DIMENSIONS)
_ERROR: Final = "(coalesce(status >= 400, false) OR error_type IS NOT NULL OR ending IN ('partial', 'upstream_error', 'lost'))"
_WHOLE: Final = "ending = 'complete' AND NOT is_error AND turns IS NULL"
UNHAPPY: Final = """
    (f.score <= 0 OR (lower(f.name) IN ('rating', 'stars') AND f.score <= 2)
     OR lower(f.value) IN ('false', 'down', 'thumbs_down', 'thumbs-down', 'thumbsdown', 'bad', 'negative', 'dislike', 'no', '👎', '-1', '0')
     OR lower(f.name) IN ('correction', 'bug', 'bug_report', 'report', 'complaint'))"""
"""Whether a row `f` of feedback says that the answer was not good: thumbs down, one or two stars, a correction, a report."""


class Log(Protocol):
    """An open log; proxy.log.attach.Log is one."""

    def cursor(self) -> duckdb.DuckDBPyConnection: ...


def milliseconds(bin_: float) -> float:
    """The duration at which a bin of `durations` begins; bin + 1 is where it ends. Bins are eighths of a doubling from 0.25 ms on."""
    return float(2.0 ** ((bin_ - 16) / 8))


def create(db: duckdb.DuckDBPyConnection) -> None:
    """The two tables, empty."""
    slices = ", ".join(f"{name} VARCHAR" for name in DIMENSIONS)
    counts = ", ".join(f"{name} BIGINT" for name in COUNTS)
    bins = ", ".join(f"{name} MAP(UTINYINT, BIGINT)" for name in BINS)
    db.execute(
        f"CREATE TABLE rollups (bucket TIMESTAMPTZ, minutes USMALLINT, {slices}, {counts}, "
        f"cost_usd DECIMAL(38, 12), duration_ms DOUBLE, {bins})"
    )
    db.execute(
        f"CREATE TABLE rollup_scores (bucket TIMESTAMPTZ, minutes USMALLINT, source VARCHAR, name VARCHAR, {slices}, "
        'n BIGINT, failed BIGINT, unscored BIGINT, "values" BIGINT, "value" DOUBLE)'
    )


def backfill(db: duckdb.DuckDBPyConnection) -> None:
    """Count what a log holds already, a day at a time; for a new log there is nothing to do."""
    row = db.execute("SELECT min(coalesce(ended_at, accepted_at)), max(coalesce(ended_at, accepted_at)) FROM exchanges").fetchone()
    if row and row[0] is not None:
        day, until = row[0].astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0), row[1]
        while day <= until:
            among = "coalesce(ended_at, accepted_at) >= $from AND coalesce(ended_at, accepted_at) < $to"
            db.execute(_counted("exchanges", among, minutes=5), {"from": day, "to": day + timedelta(days=1)})
            day += timedelta(days=1)
    for query in _said("true"):
        db.execute(query)


def count(db: duckdb.DuckDBPyConnection, source: str) -> None:
    """Add the exchanges of a table or view, which arrive for the first time; in the caller's transaction."""
    db.execute(_COUNT.format(source=source))


def take_out(db: duckdb.DuckDBPyConnection, record_ids: Sequence[str]) -> None:
    """Subtract the exchanges that these records of `readings_history` are about, before they are corrected; `put_in` afterwards."""
    with _among(db, record_ids):
        db.execute(_TAKE_OUT)


def put_in(db: duckdb.DuckDBPyConnection, record_ids: Sequence[str]) -> None:
    """Add the exchanges that these records of `readings_history` are about, as they now are."""
    with _among(db, record_ids):
        db.execute(_PUT_IN)


def say(db: duckdb.DuckDBPyConnection, table: str, record_ids: Sequence[str]) -> None:
    """Add rows that have just come into `scores` or `feedback`, by their ids; in the caller's transaction. Other tables: nothing."""
    if table in ("scores", "feedback") and record_ids:
        with _among(db, record_ids):
            for query in _SAID[table]:
                db.execute(query)


@contextlib.contextmanager
def _among(db: duckdb.DuckDBPyConnection, record_ids: Sequence[str]) -> Iterator[None]:
    """The ids as a relation `among_ids`: as a parameter each would be bound by itself, 20 µs apiece."""
    db.register("among_ids", pa.table({"id": pa.array(record_ids, pa.string())}))
    try:
        yield
    finally:
        db.unregister("among_ids")


def expire(db: duckdb.DuckDBPyConnection, cutoff: datetime) -> None:
    """Delete the sums of what is older than an operator keeps."""
    for table in TIERS:
        db.execute(f"DELETE FROM {table} WHERE bucket < ?", [cutoff])  # noqa: S608  names of our own


def tidy(log: Log, now: datetime, seconds: float = 0.5) -> bool:
    """As `compact`, on a cursor of its own."""
    db = log.cursor()
    try:
        return compact(db, now, seconds)
    finally:
        db.close()


def compact(db: duckdb.DuckDBPyConnection, now: datetime, seconds: float = 0.5) -> bool:
    """Merge rows of a slice and bucket, and widen buckets with age; whether there is more to do after about `seconds`.

    Each span in a transaction of its own. In a lake another log service may do the same: then one of both gives way until next time.
    Raises duckdb.Error, and what was merged before stays merged.
    """
    until = time.monotonic() + seconds
    for table, tiers in TIERS.items():
        for width, age, span in tiers:
            cutoff = _floor(now - age, timedelta(minutes=width))
            while (first := _first(db, table, width, cutoff)) is not None:
                if time.monotonic() > until:
                    return True
                start = _floor(first, span)
                try:
                    _merge(db, table, width, start, min(start + span, cutoff))
                except duckdb.TransactionException:
                    break
    return False


def _first(db: duckdb.DuckDBPyConnection, table: str, width: int, cutoff: datetime) -> datetime | None:
    """The oldest bucket that is narrower than it should be."""
    row = db.execute(f"SELECT min(bucket) FROM {table} WHERE minutes < ? AND bucket < ?", [width, cutoff]).fetchone()  # noqa: S608
    return row[0] if row else None


def _merge(db: duckdb.DuckDBPyConnection, table: str, width: int, start: datetime, end: datetime) -> None:
    values = {"from": start, "to": end, "width": width}
    db.execute("BEGIN")
    try:
        db.execute(f"CREATE OR REPLACE TEMP TABLE merging AS {_MERGES[table]}", values)
        db.execute(
            f"DELETE FROM {table} WHERE bucket >= $from AND bucket < $to AND minutes <= $width",  # noqa: S608  names of our own
            values,
        )
        db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM merging")  # noqa: S608  names of our own
        db.execute("DROP TABLE merging")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _floor(at: datetime, span: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return at - (at - epoch) % span


def _bucket(column: str, minutes: int | str) -> str:
    micros = f"(CAST({minutes} AS BIGINT) * 60000000)"
    return f"make_timestamptz(epoch_us({column}) // {micros} * {micros})"


def _bin(column: str) -> str:
    return f"CASE WHEN {_WHOLE} THEN CAST(greatest(0, least(250, floor(8 * log2(greatest({column}, 0.25))) + 16)) AS UTINYINT) END"


def _counted(source: str, where: str = "", minutes: int = 1, sign: int = 1) -> str:
    """The statement that adds (or with sign -1 subtracts) rows of exchanges."""
    whole = (
        *("count(*)", "count(*) FILTER (is_error)"),
        *(f"count(*) FILTER (ending = '{name}')" for name in ("complete", "partial", "client_gone", "upstream_error", "lost")),
        *("count(*) FILTER (status = 429)", "count(refusal)", "count(retry_of)"),
        "count(*) FILTER (is_known)",
        *(f"sum({name})" for name in ("input_tokens", "output_tokens", "cache_read_tokens")),
        "count(*) FILTER (is_known AND cost_usd IS NULL)",
    )
    minus = "" if sign > 0 else "-"
    counts = ", ".join(f"{minus}{sum_} AS {name}" for name, sum_ in zip(COUNTS, whole, strict=True))
    tokens = ", ".join(
        f"greatest(0, least({name}, {MOST_TOKENS})) AS {name}" for name in ("input_tokens", "output_tokens", "cache_read_tokens")
    )
    turned = "map_from_entries(list_transform(map_entries(histogram({})), lambda e: {{'k': e.key, 'v': -CAST(e.value AS BIGINT)}}))"
    histogram = "histogram({})" if sign > 0 else turned
    bins = ", ".join(f"{histogram.format(name)} AS {name}" for name in BINS)
    slices = ", ".join(name for name in DIMENSIONS if name != "response_model")
    return f"""
        INSERT INTO rollups BY NAME
        SELECT {_bucket("at_", minutes)} AS bucket, {minutes} AS minutes, {_DIMENSIONS}, {counts},
            {minus}sum(cost_usd) AS cost_usd, {minus}sum(duration_ms) FILTER (durations IS NOT NULL) AS duration_ms, {bins}
        FROM (
            SELECT {slices}, coalesce(response_model, request_model) AS response_model, coalesce(ended_at, accepted_at) AS at_,
                is_error, input_tokens IS NOT NULL OR output_tokens IS NOT NULL AS is_known,
                status, ending, refusal, retry_of, {tokens}, cost_usd, duration_ms,
                {_bin("duration_ms")} AS durations, {_bin("time_to_first_chunk_ms")} AS first_chunks
            FROM (SELECT *, {_ERROR} AS is_error FROM {source}{f" WHERE {where}" if where else ""}))
        GROUP BY bucket, {_DIMENSIONS}"""  # noqa: S608  names of our own


def _said(which: str) -> tuple[str, ...]:
    """The statements that add rows of scores and of feedback."""
    return *_scores(which), *_feedback(which)


def _scores(which: str) -> tuple[str, ...]:
    """Scores: the summary of an exchange's checks counts for each check that it names, and the rows of failed checks say it again."""
    listed = "unnest(from_json({}, '[\"VARCHAR\"]'))"
    unscored = "CASE WHEN json_valid(unscored) THEN unscored END"
    checks = " UNION ALL ".join(
        f"SELECT hour, {_DIMENSIONS}, {listed.format(key)} AS name, {passed} AS passed, NULL AS value FROM told WHERE kind = 'checks'"  # noqa: S608
        for key, passed in (
            *(("properties -> '$.ran'", "true"), ("properties -> '$.failed'", "false"), ("properties -> '$.informs'", "false")),
            (unscored, "NULL"),
        )
    )
    return (
        f"""
        INSERT INTO rollup_scores BY NAME
        WITH told AS MATERIALIZED (
            SELECT {_of_the_exchange("s")}, s.name, s.kind, s.passed, s.value, s.unscored, s.properties
            FROM scores s LEFT JOIN exchanges e ON e.exchange_id = s.exchange_id WHERE s.kind <> 'check' AND {which.format("s")}
        ), each_ AS (
            SELECT hour, {_DIMENSIONS}, name, passed, value FROM told UNION ALL {checks}
        )
        SELECT hour AS bucket, 1 AS minutes, 'score' AS source, name, {_DIMENSIONS},
            count(passed) AS n, count(*) FILTER (NOT passed) AS failed,
            count(*) - count(passed) AS unscored, count(value) AS "values", sum(value) AS "value"
        FROM each_ GROUP BY hour, name, {_DIMENSIONS}""",  # noqa: S608  names of our own
    )


def _feedback(which: str) -> tuple[str, ...]:
    """Feedback: about an exchange by its id, or by the provider's id of the answer, looked for in the ten days before."""
    by_answer = (
        "e.response_id = f.response_id AND e.accepted_at >= (SELECT min(created_at) - INTERVAL 10 DAYS FROM feedback f "  # noqa: S608
        f"WHERE f.exchange_id IS NULL AND {which.format('f')})"
    )
    return tuple(
        f"""
        INSERT INTO rollup_scores BY NAME
        SELECT hour AS bucket, 1 AS minutes, 'feedback' AS source, name, {_DIMENSIONS},
            count(unhappy) AS n, count(*) FILTER (unhappy) AS failed,
            count(*) - count(unhappy) AS unscored, count(score) AS "values", sum(score) AS "value"
        FROM (
            SELECT {_of_the_exchange("f")}, f.name, f.score,
                CASE WHEN f.score IS NOT NULL OR f.value IS NOT NULL OR coalesce({UNHAPPY}, false) THEN coalesce({UNHAPPY}, false) END
                    AS unhappy
            FROM feedback f LEFT JOIN exchanges e ON {on} WHERE {among} AND {which.format("f")})
        GROUP BY hour, name, {_DIMENSIONS}"""  # noqa: S608  names of our own
        for on, among in (("e.exchange_id = f.exchange_id", "f.exchange_id IS NOT NULL"), (by_answer, "f.exchange_id IS NULL"))
    )


def _of_the_exchange(opinion: str) -> str:
    columns = (f"coalesce(e.{name}, e.request_model) AS {name}" if name == "response_model" else f"e.{name}" for name in DIMENSIONS)
    return f"{_bucket(f'coalesce(e.accepted_at, {opinion}.created_at)', 60)} AS hour, {', '.join(columns)}"


def _merged(table: str, keys: Sequence[str], sums: dict[str, str], bins: Sequence[str], weight: str) -> str:
    """The rows that a span becomes: $from, $to, $width. weight: the column that says which values of a slice are the most used."""
    known = f"""
        old AS MATERIALIZED (
            SELECT * REPLACE ({_bucket("bucket", "$width")} AS bucket)
            FROM {table} WHERE bucket >= $from AND bucket < $to AND minutes <= $width),
        features AS (
            SELECT feature FROM old WHERE feature IS NOT NULL
            GROUP BY feature ORDER BY sum({weight}) DESC, feature LIMIT {MOST_FEATURES}),
        fewer AS MATERIALIZED (
            SELECT o.* REPLACE (CASE WHEN o.feature IS NULL OR f.feature IS NOT NULL THEN o.feature ELSE '{OTHER}' END AS feature)
            FROM old o LEFT JOIN features f ON f.feature = o.feature),
        prompts AS (
            SELECT feature, prompt_version FROM fewer WHERE prompt_version IS NOT NULL GROUP BY feature, prompt_version
            QUALIFY row_number() OVER (PARTITION BY feature ORDER BY sum({weight}) DESC, prompt_version) <= {MOST_OF_A_FEATURE}),
        models AS (
            SELECT feature, response_model FROM fewer WHERE response_model IS NOT NULL GROUP BY feature, response_model
            QUALIFY row_number() OVER (PARTITION BY feature ORDER BY sum({weight}) DESC, response_model) <= {MOST_OF_A_FEATURE}),
        told AS MATERIALIZED (
            SELECT o.* REPLACE (
                CASE WHEN o.prompt_version IS NULL OR p.prompt_version IS NOT NULL THEN o.prompt_version ELSE '{OTHER}' END
                    AS prompt_version,
                CASE WHEN o.response_model IS NULL OR m.response_model IS NOT NULL THEN o.response_model ELSE '{OTHER}' END
                    AS response_model)
            FROM fewer o
            LEFT JOIN prompts p ON p.prompt_version = o.prompt_version AND p.feature IS NOT DISTINCT FROM o.feature
            LEFT JOIN models m ON m.response_model = o.response_model AND m.feature IS NOT DISTINCT FROM o.feature)"""  # noqa: S608
    group = ", ".join(keys)
    summed = ", ".join(f"{sum_} AS {name}" for name, sum_ in sums.items())
    whole = f"summed AS (SELECT {group}, {summed} FROM told GROUP BY ALL)"  # noqa: S608
    histograms = (
        f"""{name}_ AS (
            SELECT {group}, map_from_entries(list({{'k': bin, 'v': n}} ORDER BY bin)) AS {name} FROM (
                SELECT {group}, entry.key AS bin, CAST(sum(entry.value) AS BIGINT) AS n
                FROM (SELECT {group}, unnest(map_entries({name})) AS entry FROM told) GROUP BY ALL HAVING sum(entry.value) <> 0)
            GROUP BY ALL)"""  # noqa: S608
        for name in bins
    )
    same = " AND ".join(f"{{}}.{key} IS NOT DISTINCT FROM s.{key}" for key in keys)
    joins = " ".join(f"LEFT JOIN {name}_ ON {same.replace('{}', f'{name}_')}" for name in bins)
    columns = ", ".join([f"s.{key}" for key in keys] + [f"s.{name}" for name in sums] + [f"{name}_.{name}" for name in bins])
    return f"WITH {', '.join((known, whole, *histograms))} SELECT CAST($width AS USMALLINT) AS minutes, {columns} FROM summed s {joins}"  # noqa: S608


def _plain(*names: str) -> dict[str, str]:
    return {f'"{name}"': f'CAST(sum("{name}") AS BIGINT)' for name in names}


def _totals() -> dict[str, Any]:
    return {
        "rollups": _merged(
            "rollups",
            ("bucket", *DIMENSIONS),
            {**_plain(*COUNTS), "cost_usd": "sum(cost_usd)", "duration_ms": "sum(duration_ms)"},
            BINS,
            "exchanges",
        ),
        "rollup_scores": _merged(
            "rollup_scores",
            ("bucket", "source", "name", *DIMENSIONS),
            {**_plain("n", "failed", "unscored", "values"), '"value"': 'sum("value")'},
            (),
            "(n + unscored)",
        ),
    }


_MERGES: Final = _totals()
_CORRECTED: Final = (
    "exchange_id IN (SELECT h.exchange_id FROM readings_history h WHERE h.record_id IN (SELECT CAST(id AS UUID) FROM among_ids))"
)
_COUNT: Final = _counted("{source}")
_TAKE_OUT: Final = _counted("exchanges", _CORRECTED, sign=-1)
_PUT_IN: Final = _counted("exchanges", _CORRECTED)
_FRESH: Final = "{}.record_id IN (SELECT CAST(id AS UUID) FROM among_ids)"
_SAID: Final = {"scores": _scores(_FRESH), "feedback": _feedback(_FRESH)}
