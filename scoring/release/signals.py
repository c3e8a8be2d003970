"""Asks the log how a span of production was: traffic, errors, latency, cost, checks, users, judged samples. Raises ServiceError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from proxy.service.client import Access
from scoring import online
from scoring.online import Count
from scoring.pages import WITHIN, Window, paged, rows, table
from scoring.rates import Judged, judged

Floats = npt.NDArray[np.float64]

MOST: Final = 20_000
"""Exchanges of a span whose time and cost are looked at one by one, a random part of more."""
ERRORS: Final = "(e.error_type IS NOT NULL OR coalesce(e.status >= 400, false) OR e.ending IN ('partial', 'upstream_error', 'lost'))"


@dataclass(frozen=True, slots=True)
class Slice:
    """Which traffic a release is about; None = all of it."""

    feature: str | None = None
    environment: str | None = None

    @property
    def where(self) -> str:
        """Over `exchanges e`."""
        parts = [online.APP]
        parts += ["e.feature = $feature"] if self.feature else []
        parts += ["e.environment = $environment"] if self.environment else []
        return " AND ".join(parts)

    @property
    def parameters(self) -> dict[str, Any]:
        """For `where`."""
        said = {"feature": self.feature, "environment": self.environment}
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class Signals:
    """One span. Arrays hold what is known of single exchanges, in no order; unknown ones are left out."""

    span: Window
    exchanges: int
    errors: int
    durations_ms: Floats  # of whole answers
    first_chunks_ms: Floats
    costs_usd: Floats
    unpriced: int
    versions: Mapping[str, int]  # prompt version → exchanges
    checks: Mapping[str, Count]
    users: Mapping[str, Count]
    judged: tuple[Judged, ...]


def signals(access: Access, span: Window, of: Slice) -> Signals:
    """Of a span of production traffic."""
    parameters = {**span.parameters, **of.parameters}
    counted = rows(
        access,
        f"SELECT count(*) AS n, count(*) FILTER ({ERRORS}) AS errors, count(*) FILTER (e.cost_usd IS NULL AND NOT {ERRORS}) AS unpriced "  # noqa: S608
        f"FROM exchanges e WHERE {WITHIN.format('e.')} AND {of.where}",
        parameters,
    )[0]
    single, _ = table(
        access,
        f"SELECT CASE WHEN e.ending = 'complete' AND NOT {ERRORS} AND e.turns IS NULL THEN e.duration_ms END AS duration, "  # noqa: S608
        f"CASE WHEN NOT {ERRORS} THEN e.time_to_first_chunk_ms END AS first, CAST(e.cost_usd AS DOUBLE) AS cost "
        f"FROM exchanges e WHERE {WITHIN.format('e.')} AND {of.where} ORDER BY md5(e.exchange_id::VARCHAR) LIMIT {MOST}",
        parameters,
    )
    versions = rows(
        access,
        f"SELECT coalesce(e.prompt_version, '(none)') AS version, count(*) AS n FROM exchanges e "  # noqa: S608
        f"WHERE {WITHIN.format('e.')} AND {of.where} GROUP BY 1 ORDER BY n DESC, 1",
        parameters,
    )
    return Signals(
        span,
        counted["n"],
        counted["errors"],
        _known(single.column("duration")),
        _known(single.column("first")),
        _known(single.column("cost")),
        counted["unpriced"],
        {row["version"]: row["n"] for row in versions},
        online.checks(access, span, of.where, of.parameters),
        online.unhappy(access, span, of.where, of.parameters),
        _judged(access, span, of),
    )


def oldest(access: Access) -> datetime | None:
    """When the log begins; None = it is empty."""
    found = rows(access, "SELECT epoch(min(accepted_at)) AS at FROM exchanges")
    at = found[0]["at"]
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _judged(access: Access, span: Window, of: Slice) -> tuple[Judged, ...]:
    """Items of the night's sample that were accepted in the span; a trace counts when its last exchange was."""
    first, last = span.start.date(), span.end.date() + timedelta(days=1)
    inside = paged(
        access,
        "SELECT DISTINCT l.item FROM score_ledger l JOIN exchanges e USING (exchange_id) "  # noqa: S608
        f"WHERE l.inclusion_probability IS NOT NULL AND {WITHIN.format('e.')} AND {of.where}",
        "item",
        {**span.parameters, **of.parameters},
    )
    items = {row["item"] for row in inside}
    return tuple(one for one in judged(access, first, last) if one.item in items) if items else ()


def _known(column: Any) -> Floats:
    values = np.array([value for value in column.to_pylist() if value is not None], np.float64)
    return values[np.isfinite(values)]
