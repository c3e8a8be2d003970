"""Asks the log what there is to sample: how many items of a day each stratum has, and those of them that can be drawn.

The log does the counting and the hashing, so that ten million rows become some thousands; `sampling` decides. An item is an exchange, or
a trace that began on the day, where its task is judged as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from config.scoring import Sampling
from proxy.log import rollups
from proxy.service.client import Access
from scoring.logged import GENERATIVE
from scoring.pages import BETWEEN, WITHIN, Window, bounds, parts, rows
from scoring.sampling import RISKS, UNIFORM, Candidate, Design, Stratum
from scoring.tasks import Tasks

UNHAPPY: Final = rollups.UNHAPPY
"""Whether a row `f` of feedback says that the answer was not good; the log counts by the same words."""
FEEDBACK: Final = """
    (SELECT * FROM feedback WHERE exchange_id IS NOT NULL
     UNION ALL SELECT f.* REPLACE (e.exchange_id AS exchange_id) FROM feedback f JOIN exchanges e ON e.response_id = f.response_id
     WHERE f.exchange_id IS NULL)"""
"""Feedback with our id, also where the client knew the provider's alone. An OR in a join would compare each row with each exchange."""
ELIGIBLE: Final = """
    e.purpose = 'app' AND e.ending = 'complete' AND e.error_type IS NULL AND coalesce(e.status, 200) < 400
    AND e.operation IN (SELECT unnest($operations)) AND e.retry_of IS NULL AND e.properties['retry_count'] IS NULL
    AND (e.environment IS NULL OR lower(e.environment) IN (SELECT unnest($environments)))"""
"""Finished production exchanges with an answer; retries and the traffic of judges, gates and shadows are left out."""
LEFT_OUT: Final = """
    CASE WHEN e.purpose <> 'app' THEN 'traffic of ' || e.purpose
        WHEN e.ending <> 'complete' THEN 'not finished: ' || e.ending
        WHEN e.error_type IS NOT NULL OR coalesce(e.status, 200) >= 400 THEN 'answered with an error'
        WHEN e.operation IS NULL OR e.operation NOT IN (SELECT unnest($operations)) THEN 'no words in the answer: ' || coalesce(e.operation, 'unknown')
        WHEN e.retry_of IS NOT NULL OR e.properties['retry_count'] IS NOT NULL THEN 'a retry'
        ELSE 'the environment ' || e.environment || ' is not among [sampling] environments' END"""  # noqa: E501
"""Why an exchange that is not ELIGIBLE is not, in words."""
KNOWN_DAYS: Final = 7
"""Days before in which a prompt version counts as known."""
LONG: Final = 0.95
FEW: Final = 100
"""Exchanges of a feature below which its longest twentieth means nothing."""
BUCKET: Final = 500_000
"""Exchanges in traces that are grouped at once."""
MOST_DRAWN: Final = 20_000
"""Items of one answer of the log."""

MOST_REASONS: Final = 20

_TRACE: Final = "coalesce(e.trace_id, e.session_id)"
_ONE: Final = f"""
    WITH whole AS (SELECT unnest($traced) AS task),
    lengths AS (SELECT unnest($length_features) AS feature, unnest($length_limits) AS limit_),
    known AS (SELECT unnest($known_features) AS feature, unnest($known_versions) AS prompt_version),
    checked AS (
        SELECT exchange_id, label AS task, passed FROM scores
        WHERE kind = 'checks' AND fingerprint = $checks AND {BETWEEN.format("")}),
    said AS (SELECT f.exchange_id, f.response_id FROM feedback f WHERE {UNHAPPY}),
    one AS (
        SELECT e.exchange_id, e.accepted_at, coalesce(e.feature, '') AS feature, c.task, e.prompt_version,
            coalesce(e.response_model, e.request_model) AS model, e.input_tokens, e.output_tokens,
            e.request_bytes, e.response_bytes,
            CASE WHEN c.task IN (SELECT task FROM whole) THEN {_TRACE} END AS trace,
            CASE WHEN e.exchange_id IN (SELECT exchange_id FROM said WHERE exchange_id IS NOT NULL)
                    OR e.response_id IN (SELECT response_id FROM said WHERE exchange_id IS NULL AND response_id IS NOT NULL) THEN 0
                WHEN NOT c.passed THEN 1
                WHEN e.prompt_version IS NOT NULL AND e.feature IN (SELECT feature FROM known)
                    AND NOT EXISTS (SELECT 1 FROM known k WHERE k.feature = e.feature AND k.prompt_version = e.prompt_version) THEN 2
                WHEN coalesce(e.input_tokens, 0) + coalesce(e.output_tokens, 0) > l.limit_ THEN 3
                ELSE 4 END AS risk
        FROM exchanges e LEFT JOIN checked c USING (exchange_id) LEFT JOIN lengths l ON l.feature = coalesce(e.feature, '')
        WHERE {WITHIN.format("e.")} AND {ELIGIBLE} AND (c.passed IS NOT NULL OR NOT $checked_only)"""  # noqa: S608  all of it is ours
_ALONE: Final = f"""{_ONE}),
    items AS (
        SELECT exchange_id::VARCHAR AS item, CAST(NULL AS VARCHAR) AS trace_id, CAST(1 AS BIGINT) AS exchanges,
            exchange_id::VARCHAR AS exchange_id, feature, task, model, prompt_version, risk,
            CAST(coalesce(input_tokens, 0) + coalesce(output_tokens, 0) AS BIGINT) AS tokens,
            CAST(coalesce(request_bytes, 0) + coalesce(response_bytes, 0) AS BIGINT) AS bytes
        FROM one WHERE trace IS NULL)"""  # noqa: S608
"""Exchanges that stand alone, of a part of the day."""
_TRACED: Final = f"""{_ONE} AND {_TRACE} IS NOT NULL AND hash({_TRACE}) % $buckets = $bucket),
    earlier AS (
        SELECT DISTINCT {_TRACE} AS trace FROM exchanges e
        WHERE e.accepted_at >= CAST($before AS TIMESTAMPTZ) AND e.accepted_at < CAST($start AS TIMESTAMPTZ) AND e.purpose = 'app'
        AND {_TRACE} IS NOT NULL AND hash({_TRACE}) % $buckets = $bucket),
    items AS (
        SELECT trace AS item, trace AS trace_id, count(*) AS exchanges,
            max(exchange_id)::VARCHAR AS exchange_id, arg_min(feature, exchange_id) AS feature, arg_max(task, exchange_id) AS task,
            arg_max(model, exchange_id) AS model, arg_max(prompt_version, exchange_id) AS prompt_version, min(risk) AS risk,
            CAST(max(coalesce(input_tokens, 0)) + sum(coalesce(output_tokens, 0)) AS BIGINT) AS tokens,
            CAST(sum(coalesce(request_bytes, 0) + coalesce(response_bytes, 0)) AS BIGINT) AS bytes
        FROM one WHERE trace IS NOT NULL AND trace NOT IN (SELECT trace FROM earlier) GROUP BY trace)"""  # noqa: S608
"""Traces that began on the day, in so many parts by their hash."""


@dataclass(frozen=True, slots=True)
class Item:
    """What may be drawn, and once drawn is judged: an exchange or a trace."""

    item: str
    exchange_id: str  # the last one, which stands for the trace
    trace_id: str | None  # None: the exchange stands alone
    exchanges: int
    feature: str
    task: str | None
    model: str | None
    prompt_version: str | None
    risk: str
    tokens: int  # of the longest request and all answers, as the log has them
    bytes: int  # of all its bodies, as they passed

    @property
    def candidate(self) -> Candidate:
        """As sampling takes it."""
        return Candidate(self.item, Stratum(self.feature, self.risk))

    @property
    def unit(self) -> str:
        """What kind of item it is."""
        return "exchange" if self.trace_id is None else "trace"


def left_out(access: Access, span: Window, options: Sampling) -> dict[str, int]:
    """Exchanges of a day that cannot be sampled: why -> how many, the most first. Raises ServiceError."""
    found = rows(
        access,
        f"SELECT {LEFT_OUT} AS why, count(*) AS n FROM exchanges e WHERE {WITHIN.format('e.')} AND NOT coalesce({ELIGIBLE}, false) "  # noqa: S608
        "GROUP BY 1 ORDER BY n DESC, why LIMIT $most",
        {**span.parameters, **_eligible(options), "most": MOST_REASONS},
    )
    return {row["why"] or "unknown": row["n"] for row in found}


def _eligible(options: Sampling) -> dict[str, Any]:
    """The parameters of ELIGIBLE."""
    return {"operations": sorted(GENERATIVE), "environments": [name.lower() for name in options.environments] or [""]}


class Population:
    """The items of one day. Raises ServiceError."""

    def __init__(self, access: Access, span: Window, tasks: Tasks, checks: str, options: Sampling, *, checked_only: bool = True) -> None:
        """checks: the fingerprint under which the day was checked. checked_only: False = what was not checked yet counts too."""
        self._access, self._span = access, span
        self._parts = [(part, bounds(access, part)) for part in parts(access, span)]
        self._shared: dict[str, Any] = {
            "traced": [task.name for task in tasks.tasks if task.unit == "trace"] or [""],
            **_eligible(options),
            **_lengths(access, span, options),
            **_versions(access, span),
            "checks": checks,
            "checked_only": checked_only,
        }
        sql = f"SELECT count(*) AS n FROM exchanges e WHERE {WITHIN.format('e.')} AND {_TRACE} IS NOT NULL"  # noqa: S608  all of it is ours
        self._in_traces: int = rows(access, sql, span.parameters)[0]["n"]

    def sizes(self) -> dict[Stratum, int]:
        """How many items each stratum has."""
        found: dict[Stratum, int] = {}
        for items, given in self._pieces():
            for row in rows(self._access, f"{items} SELECT feature, risk, count(*) AS n FROM items GROUP BY ALL", given):  # noqa: S608
                stratum = Stratum(row["feature"], RISKS[row["risk"]])
                found[stratum] = found.get(stratum, 0) + row["n"]
        return dict(sorted(found.items()))

    def candidates(self, plan: Design) -> Iterator[Item]:
        """The items that can be drawn: those whose number lies below their stratum's threshold. A page after the other."""
        limits: dict[str, list[Any]] = {"features": [], "risks": [], "limits": []}
        for stratum in plan.sizes:
            limits["features"].append(stratum.feature)
            limits["risks"].append(RISKS.index(stratum.risk))
            limits["limits"].append(plan.threshold(stratum))
        if not plan.sizes:
            return
        drawn = """, limits AS (SELECT unnest($features) AS feature, unnest($risks) AS risk, unnest($limits) AS limit_)
            SELECT items.* FROM items JOIN limits USING (feature, risk) WHERE """
        most = min(MOST_DRAWN, self._access.settings.sql.max_rows)
        for items, given in self._pieces():
            sql = f"{items}{drawn} {UNIFORM} < limit_ AND item > $after ORDER BY item LIMIT {most}"
            after = ""
            while page := rows(self._access, sql, {**given, **limits, "seed": plan.seed, "after": after}):
                for row in page:
                    yield Item(**{**row, "risk": RISKS[row["risk"]]})
                if len(page) < most:
                    break
                after = page[-1]["item"]

    def _pieces(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The queries that give all items between them, each with its parameters."""
        for part, ids in self._parts:
            yield _ALONE, {**self._shared, **part.parameters, **ids}
        buckets = -(-self._in_traces // BUCKET)
        day = {
            **self._span.parameters,
            "least": min((ids["least"] for _, ids in self._parts), default=""),
            "greatest": max((ids["greatest"] for _, ids in self._parts), default=""),
            "before": (self._span.start - timedelta(days=1)).isoformat(),
        }
        for bucket in range(buckets):
            yield _TRACED, {**self._shared, **day, "buckets": buckets, "bucket": bucket}


def _lengths(access: Access, span: Window, options: Sampling) -> dict[str, list[Any]]:
    """Tokens above which an exchange is among the longest of its feature, as lists beside each other."""
    found = rows(
        access,
        f"SELECT coalesce(e.feature, '') AS feature, "  # noqa: S608  all of it is ours
        f"CAST(quantile_disc(coalesce(e.input_tokens, 0) + coalesce(e.output_tokens, 0), {LONG}) AS BIGINT) AS limit_ "
        f"FROM exchanges e WHERE {WITHIN.format('e.')} AND {ELIGIBLE} GROUP BY 1 HAVING count(*) >= {FEW} ORDER BY 1",
        {**span.parameters, **_eligible(options)},
    )
    return {
        "length_features": [row["feature"] for row in found] or [""],
        "length_limits": [row["limit_"] for row in found] or [2**62],
    }


def _versions(access: Access, span: Window) -> dict[str, list[Any]]:
    """Prompt versions of each feature that the days before knew, as lists beside each other."""
    found = rows(
        access,
        "SELECT DISTINCT e.feature, e.prompt_version FROM exchanges e WHERE e.accepted_at >= CAST($known AS TIMESTAMPTZ) "
        "AND e.accepted_at < CAST($start AS TIMESTAMPTZ) AND e.purpose = 'app' AND e.feature IS NOT NULL ORDER BY ALL",
        {"known": (span.start - timedelta(days=KNOWN_DAYS)).isoformat(), "start": span.start.isoformat()},
    )
    return {
        "known_features": [row["feature"] for row in found] or [None],
        "known_versions": [row["prompt_version"] for row in found] or [None],
    }
