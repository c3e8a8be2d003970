"""Counts the traffic for `/metrics`: what came into the log since this service started, by provider, model and feature, and no more
labels than can be borne.

Counters begin at 0 with the process, as everybody's do, and Prometheus' rate() and increase() know what that means. Seeding them from
the log would not do: retention shortens the log, and each restart would look like a jump.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from proxy.semconv import DURATION, FIRST_CHUNK, INSTRUMENTS, TOKEN_USAGE, Instrument, error_type, provider_name, server
from proxy.service.exposition import Buckets, Figure

VALUES: Final = 50
"""Values of one label; what comes later is `other`. Those most used in the last week are let in first."""
SERIES: Final = 400
"""Lines of one histogram: what comes later has `other` in every label."""
OTHER: Final = "other"
NONE: Final = ""
"""Label of exchanges that name no feature: to Prometheus the same as no label."""
LONGEST: Final = 128
"""Characters of a label's value."""

_ERROR: Final = "(coalesce(status >= 400, false) OR error_type IS NOT NULL OR ending IN ('partial', 'upstream_error', 'lost'))"
_NEW: Final = "loaded_at > $after AND loaded_at <= $upto"
_GENAI: Final = "operation, provider, request_model, response_model, upstream_url"
Labels = tuple[tuple[str, str], ...]


def _bucket(value: str, instrument: Instrument) -> str:
    steps = " ".join(f"WHEN {value} <= {bound!r} THEN {n}" for n, bound in enumerate(instrument.bounds))
    return f"CASE {steps} ELSE {len(instrument.bounds)} END"


def _histogram(instrument: Instrument, value: str, extra: str, where: str = "") -> str:
    return (
        f"SELECT {_GENAI}, {extra}, {_bucket(value, instrument)}, count(*), CAST(sum({value}) AS DOUBLE) FROM exchanges "  # noqa: S608
        f"WHERE {_NEW} AND operation IS NOT NULL AND {value} IS NOT NULL {where} GROUP BY ALL"
    )


_TOKENS: Final = tuple((kind, _histogram(TOKEN_USAGE, f"{kind}_tokens", "NULL")) for kind in ("input", "output"))
_DURATIONS: Final = _histogram(DURATION, "(duration_ms / 1000)", "{'error_type': error_type, 'status': status, 'ending': ending}")
_FIRST_CHUNKS: Final = _histogram(FIRST_CHUNK, "(time_to_first_chunk_ms / 1000)", "NULL", "AND is_stream")
_FEATURES: Final = (
    f"SELECT coalesce(feature, ''), count(*), count(*) FILTER ({_ERROR}), CAST(sum(cost_usd) AS DOUBLE), count(retry_of), "  # noqa: S608
    f"count(refusal) FROM exchanges WHERE {_NEW} AND purpose = 'app' GROUP BY ALL"
)
_MODELS: Final = (
    "SELECT provider, coalesce(response_model, request_model), purpose, CAST(sum(cost_usd) AS DOUBLE), "  # noqa: S608
    "count(*) FILTER (cost_usd IS NULL AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL)) "
    f"FROM exchanges WHERE {_NEW} GROUP BY ALL"
)
_SCORES: Final = (
    "SELECT name, kind, count(*) FILTER (passed), count(*) FILTER (NOT passed), count(*) - count(passed) "  # noqa: S608
    f"FROM scores WHERE {_NEW} GROUP BY ALL"
)
_FEEDBACK: Final = f"SELECT name, count(*) FROM feedback WHERE {_NEW} GROUP BY ALL"  # noqa: S608
_USED: Final = """
    SELECT {column}, sum(exchanges) FROM rollups WHERE bucket > now() - INTERVAL 7 DAY AND {column} IS NOT NULL
    GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT {most}"""


class Bounded:
    """Label values that were let in, first come first served; all others are OTHER, and stay it: a line never changes its meaning."""

    def __init__(self, most: int = VALUES) -> None:
        self._most = most
        self._known: set[str] = {NONE}

    def __call__(self, value: str | None) -> str:
        """The value as a label may say it."""
        text = (value or NONE)[:LONGEST]
        if text not in self._known:
            if len(self._known) > self._most:
                return OTHER
            self._known.add(text)
        return text


class Traffic:
    """Everything counted so far. refresh() from one thread at a time."""

    def __init__(self, host: str | None = None) -> None:
        """host: of a lake, whose other machines count their own."""
        self._host = host
        self._after: datetime | None = None
        self._labels: dict[str, Bounded] = defaultdict(Bounded)
        self._lines: dict[str, dict[Labels, list[float]]] = {instrument.name: {} for instrument in INSTRUMENTS}
        self._sums: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))

    def begin(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Count from here on, with the labels that were used most lately let in. Raises duckdb.Error."""
        for label, column in (("feature", "feature"), ("model", "response_model"), ("gen_ai_response_model", "response_model")):
            for value, _ in cursor.execute(_USED.format(column=column, most=VALUES)).fetchall():
                self._labels[label](value)
        self._after = _newest(cursor) or datetime.fromtimestamp(0, UTC)

    def refresh(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Count what has come into the log since the last time. Raises duckdb.Error, and then nothing was counted."""
        if self._after is None:
            self.begin(cursor)
            return
        after, upto = self._after, _newest(cursor)
        if upto is None or upto <= after:
            return
        span = {"after": after, "upto": upto}
        tokens = [(kind, self._rows(cursor, query, span)) for kind, query in _TOKENS]
        durations, first_chunks = self._rows(cursor, _DURATIONS, span), self._rows(cursor, _FIRST_CHUNKS, span)
        features, models = self._rows(cursor, _FEATURES, span), self._rows(cursor, _MODELS, span)
        scores, feedback = cursor.execute(_SCORES, span).fetchall(), cursor.execute(_FEEDBACK, span).fetchall()
        self._after = upto
        for kind, rows in tokens:
            self._genai(TOKEN_USAGE, rows, lambda _, kind=kind: {"gen_ai_token_type": kind})  # type: ignore[misc]
        self._genai(DURATION, durations, self._error)
        self._genai(FIRST_CHUNK, first_chunks, lambda _: {})
        for feature, count, errors, cost, retries, refusals in features:
            labels = {"feature": self._labels["feature"](feature)}
            named = {"exchanges": count, "errors": errors, "cost_usd": cost, "retries": retries, "refusals": refusals}
            for name, value in named.items():
                self._add(f"goldwash_feature_{name}_total", labels, value)
        for provider, model, purpose, cost, unpriced in models:
            labels = {
                "provider": self._labels["provider"](provider),
                "model": self._labels["model"](model),
                "purpose": self._labels["purpose"](purpose),
            }
            self._add("goldwash_cost_usd_total", labels, cost)
            self._add("goldwash_unpriced_total", labels, unpriced)
        for name, kind, passed, failed, unscored in scores:
            for outcome, count in (("passed", passed), ("failed", failed), ("unscored", unscored)):
                labels = {"name": self._labels["score"](name), "kind": self._labels["kind"](kind), "outcome": outcome}
                self._add("goldwash_scores_total", labels, count)
        for name, count in feedback:
            self._add("goldwash_feedback_total", {"name": self._labels["feedback"](name)}, count)

    def figures(self) -> list[Figure]:
        """All of it, for the page."""
        found = [
            Figure(
                instrument.prometheus,
                "histogram",
                instrument.sentence,
                tuple(
                    (dict(labels), Buckets(instrument.bounds, tuple(int(count) for count in line[:-1]), line[-1]))
                    for labels, line in self._lines[instrument.name].items()
                ),
            )
            for instrument in INSTRUMENTS
        ]
        return found + [
            Figure(name, "counter", SENTENCES[name], tuple((dict(labels), value) for labels, value in lines.items()))
            for name, lines in self._sums.items()
        ]

    def _rows(self, cursor: duckdb.DuckDBPyConnection, query: str, span: dict[str, Any]) -> list[tuple[Any, ...]]:
        if self._host is None:
            return cursor.execute(query, span).fetchall()
        return cursor.execute(query.replace(_NEW, f"{_NEW} AND host = $host"), {**span, "host": self._host}).fetchall()

    def _genai(self, instrument: Instrument, rows: list[tuple[Any, ...]], more: Callable[[Any], dict[str, str]]) -> None:
        for operation, provider, asked, answered, url, extra, bucket, count, total in rows:
            place = server(url)
            labels = {
                "gen_ai_operation_name": self._labels["operation"](operation),
                "gen_ai_provider_name": self._labels["provider"](provider_name(provider)),
                "gen_ai_request_model": self._labels["gen_ai_request_model"](asked),
                "gen_ai_response_model": self._labels["gen_ai_response_model"](answered),
                "server_address": self._labels["server"](place[0] if place else None),
                "server_port": str(place[1]) if place else NONE,
                **more(extra),
            }
            lines = self._lines[instrument.name]
            key = _key(labels)
            if key not in lines and len(lines) >= SERIES:
                key = _key(dict.fromkeys(labels, OTHER))
            line = lines.setdefault(key, [0.0] * (len(instrument.bounds) + 2))
            line[bucket] += count
            line[-1] += total

    def _error(self, how: dict[str, Any]) -> dict[str, str]:
        return {"error_type": self._labels["error"](error_type(how["error_type"], how["status"], how["ending"]))}

    def _add(self, name: str, labels: dict[str, str], value: float | None) -> None:
        if value is not None:
            self._sums[name][_key(labels)] += value


def _newest(cursor: duckdb.DuckDBPyConnection) -> datetime | None:
    newest_of = ", ".join(f"(SELECT max(loaded_at) FROM {table})" for table in ("exchanges", "scores", "feedback"))  # noqa: S608
    row = cursor.execute(f"SELECT greatest({newest_of})").fetchone()
    newest: datetime | None = row[0] if row else None
    return newest


def _key(labels: dict[str, str]) -> Labels:
    """Labels without the empty ones, which Prometheus takes for absent anyway."""
    return tuple((name, value) for name, value in labels.items() if value != NONE)


_SINCE: Final = ", since this process started."
SENTENCES: Final = {
    "goldwash_feature_exchanges_total": f"Exchanges of apps that came into the log, by feature{_SINCE}",
    "goldwash_feature_errors_total": f"Of them those that failed: status 400 or more, an error in the answer, a broken end{_SINCE}",
    "goldwash_feature_cost_usd_total": f"What they cost, in dollars; without what has no price{_SINCE}",
    "goldwash_feature_retries_total": f"Of them those that say they repeat another{_SINCE}",
    "goldwash_feature_refusals_total": f"Of them those that the provider marked as refused{_SINCE}",
    "goldwash_cost_usd_total": f"What exchanges cost, in dollars; for a bill ask the log{_SINCE}",
    "goldwash_unpriced_total": f"Exchanges with known tokens and no known price{_SINCE}",
    "goldwash_scores_total": f"Scores that came into the log, by name and outcome{_SINCE}",
    "goldwash_feedback_total": f"Feedback that came into the log, by name{_SINCE}",
}
