"""Counts what the checks and the users said of the traffic of a span: the online side of every comparison. Raises ServiceError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from proxy.log.rollups import UNHAPPY
from proxy.service.client import Access
from scoring.pages import WITHIN, Window, rows
from scoring.population import FEEDBACK

APP: Final = "e.purpose = 'app'"
CORRECTED: Final = "lower(f.name) IN ('correction', 'corrected', 'edit')"


class Count(NamedTuple):
    """So many of so many."""

    hits: int
    n: int


def checks(access: Access, span: Window, where: str = APP, parameters: Mapping[str, Any] | None = None) -> dict[str, Count]:
    """Check → (exchanges that failed it, exchanges that it could tell something of). where: over `exchanges e`.

    An exchange that was checked twice counts with its last row.
    """
    sql = f"""
        WITH newest AS (
            SELECT s.exchange_id, arg_max(s.properties, s.created_at) AS told
            FROM scores s JOIN exchanges e USING (exchange_id) WHERE s.kind = 'checks' AND {WITHIN.format("e.")} AND {where} GROUP BY 1),
        said AS (
            SELECT unnest(coalesce(CAST(told -> '$.ran' AS VARCHAR[]), [])) AS name, false AS failed FROM newest
            UNION ALL SELECT unnest(coalesce(CAST(told -> '$.failed' AS VARCHAR[]), [])), true FROM newest
            UNION ALL SELECT unnest(coalesce(CAST(told -> '$.informs' AS VARCHAR[]), [])), true FROM newest)
        SELECT name, count(*) FILTER (failed) AS hits, count(*) AS n FROM said GROUP BY name ORDER BY name"""  # noqa: S608  all ours
    found = rows(access, sql, {**span.parameters, **(parameters or {})})
    return {row["name"]: Count(row["hits"], row["n"]) for row in found}


def unhappy(access: Access, span: Window, where: str = APP, parameters: Mapping[str, Any] | None = None) -> dict[str, Count]:
    """`thumbs-down` and `corrections`: exchanges that users complained of, or corrected, of all; empty where no user said anything at all,
    since silence is not contentment.
    """
    sql = f"""
        WITH said AS (
            SELECT e.exchange_id, bool_or({UNHAPPY}) AS bad, bool_or({CORRECTED}) AS corrected
            FROM {FEEDBACK} f JOIN exchanges e USING (exchange_id)
            WHERE {WITHIN.format("e.")} AND {where} GROUP BY 1)
        SELECT count(*) AS n, count(*) FILTER (s.bad AND NOT coalesce(s.corrected, false)) AS thumbs,
            count(*) FILTER (s.corrected) AS corrected, count(s.exchange_id) AS said
        FROM exchanges e LEFT JOIN said s USING (exchange_id) WHERE {WITHIN.format("e.")} AND {where}"""  # noqa: S608
    row = rows(access, sql, {**span.parameters, **(parameters or {})})[0]
    if not row["said"]:
        return {}
    return {"thumbs-down": Count(row["thumbs"], row["n"]), "corrections": Count(row["corrected"], row["n"])}
