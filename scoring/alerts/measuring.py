"""Asks the log what the rules go by: counts, percentiles and costs of windows, a slice at a time, from the roll-ups wherever they have it.

Only production traffic of apps counts: what judges, gates and shadows ask, and environments that are plainly not production, are left
out. One query a rule, for all its dimensions and windows at once; each gives the slices with most events first. A prompt version is told
apart by feature, since two features may both call theirs "v2". Errors are counted by the minute; what is said of an exchange (checks,
feedback, signals) by the hour of that exchange, so that a window of such an indicator begins at a full hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from proxy.log.indicators import PRODUCTION, SAID
from proxy.log.rollups import OTHER, milliseconds
from proxy.service.client import Access
from scoring.alerts.series import Counted, Days, Spent
from scoring.pages import rows

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "all": (),
    "feature": ("feature",),
    "response_model": ("response_model",),
    "prompt_version": ("feature", "prompt_version"),
    "route": ("route",),
}
"""By dimension, the keys of its slices."""
KEYS: Final = ("feature", "response_model", "prompt_version", "route")
ROUTE: Final = "provider || '/' || coalesce(operation, '?')"

_SLICED: Final = "bucket, feature, response_model, prompt_version, provider, operation, purpose, environment"
_ASKED_AGAIN: Final = (
    f"(SELECT {_SLICED}, exchanges AS n, retries AS failed FROM rollups UNION ALL "  # noqa: S608  names of our own
    f"SELECT {_SLICED}, 0, \"values\" FROM rollup_scores WHERE source = 'score' AND name = 'regenerated')"
)
"""Answers that were asked for again: the app said so (`retry_of`), or the same prompt came again at once (see docs/signals.md)."""
_BETWEEN: Final = "bucket >= CAST($from AS TIMESTAMPTZ) AND bucket < CAST($to AS TIMESTAMPTZ)"


@dataclass(frozen=True, slots=True)
class Timed:
    """The slow end of one slice in one bucket."""

    slice: Mapping[str, str]
    start: datetime
    n: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Usual:
    """What the slow end of a slice usually is."""

    slice: Mapping[str, str]
    buckets: int  # with enough requests
    first: datetime  # beginning of the oldest of them
    median: float  # milliseconds


Slice = Mapping[str, str]
Span = tuple[datetime, datetime]  # from inclusive, until exclusive


def counts(
    access: Access, sli: str, dimensions: Sequence[str], spans: Sequence[Span], most: int, within: Slice | None = None
) -> list[tuple[Slice, list[Counted]]]:
    """Events of an indicator, by slice, in each span in order. within: only what has these values. Raises ServiceError."""
    source, n, failed, where = _source(sli)
    sums = ", ".join(
        f"coalesce(sum({what}) FILTER (bucket >= {_time(_begin(sli, start))} AND bucket < {_time(end)}), 0)::BIGINT AS {what}{index}"
        for index, (start, end) in enumerate(spans)
        for what in ("n", "failed")
    )
    parameters: dict[str, Any] = {
        "from": min(_begin(sli, start) for start, _ in spans).isoformat(),
        "to": max(end for _, end in spans).isoformat(),
    }
    narrowed = _narrowed(within, parameters)
    sql = f"""
        WITH base AS (
            SELECT bucket, feature, response_model, prompt_version, {ROUTE} AS route, {n} AS n, {failed} AS failed
            FROM {source} WHERE {_BETWEEN} AND {PRODUCTION} AND {where}),
        sliced AS (
            SELECT {_slices(dimensions)}, sum(n) AS weight, {sums} FROM base WHERE {narrowed} GROUP BY GROUPING SETS ({_sets(dimensions)}))
        SELECT * FROM sliced WHERE {_named(dimensions)}
        QUALIFY row_number() OVER (PARTITION BY dimension ORDER BY weight DESC, {", ".join(KEYS)}) <= {int(most)}"""  # noqa: S608  ours
    return [
        (_slice(row), [Counted(row[f"n{index}"], row[f"failed{index}"]) for index in range(len(spans))])
        for row in rows(access, sql, parameters)
    ]


def days(access: Access, sli: str, dimensions: Sequence[str], since: date, last: date, most: int) -> list[tuple[Slice, Days]]:
    """Each slice's days (UTC) of an indicator: from `since` to the last with data, or to `last` if overdue. Raises ServiceError."""
    parameters = {"from": since.isoformat(), "to": (last + timedelta(days=1)).isoformat()}
    if sli == "judged_pass":
        joined = f"""
            LEFT JOIN (
                SELECT exchange_id, {ROUTE} AS route FROM exchanges
                WHERE accepted_at >= CAST($from AS TIMESTAMPTZ) - INTERVAL 1 DAY AND accepted_at < CAST($to AS TIMESTAMPTZ) + INTERVAL 1 DAY
            ) e ON e.exchange_id = i.exchange_id"""  # noqa: S608  names of our own
        by_route = "route" in dimensions
        base = f"""
            SELECT i.day, i.feature, i.model AS response_model, i.prompt_version, {"e.route" if by_route else "NULL::VARCHAR AS route"},
                1 AS n, CAST(NOT i.passed AS INTEGER) AS failed
            FROM score_ledger i {joined if by_route else ""}
            WHERE i.day >= CAST($from AS DATE) AND i.day < CAST($to AS DATE) AND i.passed IS NOT NULL AND coalesce(i.is_random, true)"""  # noqa: S608
    else:
        source, n, failed, where = _source(sli)
        base = f"""
            SELECT CAST(bucket AT TIME ZONE 'UTC' AS DATE) AS day, feature, response_model, prompt_version, {ROUTE} AS route,
                {n} AS n, {failed} AS failed
            FROM {source} WHERE {_BETWEEN} AND {PRODUCTION} AND {where}"""  # noqa: S608  names of our own
    sql = f"""
        WITH base AS ({base}),
        sliced AS (
            SELECT {_slices(dimensions)}, day, sum(n)::BIGINT AS n, sum(failed)::BIGINT AS failed
            FROM base GROUP BY GROUPING SETS ({_sets(dimensions, "day")})),
        whole AS (SELECT *, sum(n) OVER (PARTITION BY dimension, {", ".join(KEYS)}) AS weight FROM sliced WHERE {_named(dimensions)})
        SELECT * EXCLUDE (weight) FROM whole
        QUALIFY dense_rank() OVER (PARTITION BY dimension ORDER BY weight DESC, {", ".join(KEYS)}) <= {int(most)}"""  # noqa: S608  ours
    found: dict[tuple[tuple[str, str], ...], list[tuple[date, float, float]]] = {}
    for row in rows(access, sql, parameters):
        if row["n"]:
            found.setdefault(tuple(_slice(row).items()), []).append((row["day"], float(row["n"]), float(row["failed"])))
    newest = max((day for stream in found.values() for day, _, _ in stream), default=last)
    end = newest if (last - newest).days <= 1 else last  # what the night brings comes a day late; later than that, it is missing
    return [(dict(key), Days.of(stream, end)) for key, stream in found.items()]


def timings(access: Access, quantile: float, dimensions: Sequence[str], bucket: timedelta, span: Span, most: int) -> list[Timed]:
    """The quantile of good answers' durations of each slice in each bucket of a span. Raises ServiceError."""
    sql = f"""
        WITH {_buckets(quantile, dimensions, bucket)}
        SELECT dimension, {", ".join(KEYS)}, t, n, bin FROM quantiles
        QUALIFY dense_rank() OVER (PARTITION BY dimension ORDER BY weight DESC, {", ".join(KEYS)}) <= {int(most)}"""  # noqa: S608  ours
    found = rows(access, sql, {"from": span[0].isoformat(), "to": span[1].isoformat()})
    return [Timed(_slice(row), row["t"].astimezone(UTC), int(row["n"]), milliseconds(row["bin"])) for row in found]


def usual_timings(
    access: Access, quantile: float, dimensions: Sequence[str], bucket: timedelta, span: Span, most: int, fewest: int
) -> list[Usual]:
    """The median of a slice's buckets in a span, those with fewer than `fewest` requests left out. Raises ServiceError."""
    sql = f"""
        WITH {_buckets(quantile, dimensions, bucket)}
        SELECT dimension, {", ".join(KEYS)}, count(*) AS buckets, min(t) AS first_, median(bin) AS bin, max(weight) AS weight
        FROM quantiles WHERE n >= {int(fewest)} GROUP BY dimension, {", ".join(KEYS)}
        QUALIFY row_number() OVER (PARTITION BY dimension ORDER BY max(weight) DESC, {", ".join(KEYS)}) <= {int(most)}"""  # noqa: S608
    found = rows(access, sql, {"from": span[0].isoformat(), "to": span[1].isoformat()})
    return [Usual(_slice(row), int(row["buckets"]), row["first_"].astimezone(UTC), milliseconds(row["bin"])) for row in found]


def costs(
    access: Access, dimensions: Sequence[str], start: datetime, cell: timedelta, cells: int, most: int
) -> list[tuple[Slice, list[Spent]]]:
    """Tasks that have a price and what they cost, by slice, in `cells` equal spans from `start` on. Raises ServiceError.

    A task is a trace, a session, or an exchange that names neither; one that goes on for long counts once in each span.
    """
    micros = int(cell.total_seconds()) * 1_000_000
    keys = ", ".join(KEYS)
    sql = f"""
        WITH base AS (
            SELECT hash(coalesce(trace_id, session_id, CAST(exchange_id AS VARCHAR))) AS task, feature,
                coalesce(response_model, request_model) AS response_model, prompt_version, {ROUTE} AS route,
                (epoch_us(accepted_at) - epoch_us(CAST($from AS TIMESTAMPTZ))) // {micros} AS cell, sum(cost_usd) AS cost
            FROM exchanges
            WHERE accepted_at >= CAST($from AS TIMESTAMPTZ) AND accepted_at < CAST($to AS TIMESTAMPTZ) AND {PRODUCTION}
                AND cost_usd IS NOT NULL
            GROUP BY ALL),
        sliced AS (
            SELECT {_slices(dimensions)}, cell, count(DISTINCT task)::BIGINT AS n, sum(cost)::DOUBLE AS cost
            FROM base GROUP BY GROUPING SETS ({_sets(dimensions, "cell")})),
        whole AS (SELECT *, sum(n) OVER (PARTITION BY dimension, {keys}) AS weight FROM sliced WHERE {_named(dimensions)})
        SELECT * EXCLUDE (weight) FROM whole
        QUALIFY dense_rank() OVER (PARTITION BY dimension ORDER BY weight DESC, {keys}) <= {int(most)}"""  # noqa: S608  names of our own
    found: dict[tuple[tuple[str, str], ...], list[Spent]] = {}
    for row in rows(access, sql, {"from": start.isoformat(), "to": (start + cells * cell).isoformat()}):
        found.setdefault(tuple(_slice(row).items()), [Spent()] * cells)[row["cell"]] = Spent(row["cost"], row["n"])
    return [(dict(key), spent) for key, spent in found.items()]


def condition(slice_: Mapping[str, str], alias: str = "") -> str:
    """A slice as SQL over `exchanges`, its values as literals: for a person to run."""
    dot = f"{alias}." if alias else ""
    columns = {
        "feature": f"{dot}feature",
        "prompt_version": f"{dot}prompt_version",
        "response_model": f"coalesce({dot}response_model, {dot}request_model)",
        "route": f"{dot}provider || '/' || coalesce({dot}operation, '?')",
    }
    parts = [f"{columns[key]} = '{value.replace(chr(39), chr(39) * 2)}'" for key, value in slice_.items() if key in columns]
    return " AND ".join([f"{dot}purpose = 'app'", *parts])


def _source(sli: str) -> tuple[str, str, str, str]:
    """Table, events, bad events and condition of an indicator."""
    if sli == "errors":
        return "rollups", "exchanges", "errors", "true"
    if sli == "retries":
        return _ASKED_AGAIN, "n", "failed", "true"
    return "rollup_scores", "n", "failed", SAID[sli]


def _begin(sli: str, start: datetime) -> datetime:
    return start if sli == "errors" else start.replace(minute=0, second=0, microsecond=0)


def _time(at: datetime) -> str:
    return f"TIMESTAMPTZ '{at.astimezone(UTC).isoformat()}'"


def _slices(dimensions: Sequence[str]) -> str:
    """The keys, NULL where a set does not have them, and which dimension a row is of."""
    known = sorted({key for dimension in dimensions for key in COLUMNS[dimension]}, key=KEYS.index)
    keys = ", ".join(key if key in known else f"NULL::VARCHAR AS {key}" for key in KEYS)
    if not known:
        return f"{keys}, 'all' AS dimension"
    marks = {
        sum(1 << (len(known) - 1 - place) for place, key in enumerate(known) if key not in COLUMNS[dimension]): dimension
        for dimension in dimensions
    }
    cases = " ".join(f"WHEN {mark} THEN '{dimension}'" for mark, dimension in marks.items())
    return f"{keys}, CASE grouping({', '.join(known)}) {cases} END AS dimension"


def _sets(dimensions: Sequence[str], *with_: str) -> str:
    return ", ".join(f"({', '.join((*with_, *COLUMNS[dimension]))})" for dimension in dimensions)


def _named(dimensions: Sequence[str]) -> str:
    """A slice has a value for each of its keys; what clients made up beyond the bounds is none."""
    parts = [
        f"WHEN '{dimension}' THEN " + (" AND ".join(f"{key} IS NOT NULL AND {key} <> '{OTHER}'" for key in COLUMNS[dimension]) or "true")
        for dimension in dimensions
    ]
    return f"CASE dimension {' '.join(parts)} END"


def _narrowed(within: Mapping[str, str] | None, parameters: dict[str, Any]) -> str:
    parts = []
    for key, value in (within or {}).items():
        parameters[f"in_{key}"] = value
        parts.append(f"{key} = $in_{key}")
    return " AND ".join(parts) or "true"


def _buckets(quantile: float, dimensions: Sequence[str], bucket: timedelta) -> str:
    """`quantiles`: by slice and bucket t (from the beginning of the span on), the requests n and the bin that the quantile lies in."""
    micros = int(bucket.total_seconds()) * 1_000_000
    keys = ", ".join(KEYS)
    begin = "epoch_us(CAST($from AS TIMESTAMPTZ))"
    return f"""
        base AS (
            SELECT make_timestamptz({begin} + (epoch_us(bucket) - {begin}) // {micros} * {micros}) AS t, feature, response_model,
                prompt_version, {ROUTE} AS route, unnest(map_entries(durations)) AS entry
            FROM rollups WHERE {_BETWEEN} AND {PRODUCTION}),
        parts AS (
            SELECT t, feature, response_model, prompt_version, route, entry.key AS bin, sum(entry.value) AS n FROM base GROUP BY ALL),
        bins AS (
            SELECT {_slices(dimensions)}, t, bin, sum(n) AS n FROM parts GROUP BY GROUPING SETS ({_sets(dimensions, "t", "bin")})),
        cumulated AS (
            SELECT *, sum(n) OVER (PARTITION BY dimension, {keys}, t ORDER BY bin) AS upto,
                sum(n) OVER (PARTITION BY dimension, {keys}, t) AS whole, sum(n) OVER (PARTITION BY dimension, {keys}) AS weight
            FROM bins WHERE {_named(dimensions)}),
        quantiles AS (
            SELECT dimension, {keys}, t, any_value(whole)::BIGINT AS n, any_value(weight) AS weight,
                min(bin + ({float(quantile)} * whole - (upto - n)) / n) AS bin
            FROM cumulated WHERE upto >= {float(quantile)} * whole AND n > 0 GROUP BY dimension, {keys}, t)"""  # noqa: S608  names of our own


def _slice(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: row[key] for key in COLUMNS[row["dimension"]]}
