"""Asks the log for what a first set is chosen from: a random part of the days, and whatever lies at an edge of a column.

Random by a hash of the id, so that the same log gives the same pool. Raises ServiceError.
"""

from __future__ import annotations

from typing import Any, Final

from config.scoring import Sampling
from proxy.service.client import Access
from scoring.golden.candidates import gathered
from scoring.golden.evidence import Evidence
from scoring.logged import GENERATIVE
from scoring.pages import WITHIN, Window, rows
from scoring.population import ELIGIBLE

POOL: Final = 1_000
"""Random exchanges that are looked at with their bodies: a share of 5% is found 50 times, one of 0.5% with probability 0.99."""
EXTREMES: Final = 25
"""Exchanges of each end that are looked at too."""
_EDGES: Final = (
    "coalesce(e.input_tokens, e.request_bytes / 4) DESC",
    "coalesce(e.request_bytes, 0) DESC",
    "coalesce(e.request_bytes, 0)",
    "coalesce(e.output_tokens, 0) DESC",
    "(list_contains(e.finish_reasons, 'length') OR list_contains(e.finish_reasons, 'max_tokens')) DESC",
)


def count(access: Access, span: Window, options: Sampling) -> int:
    """How many exchanges of the days could be cases."""
    found = rows(access, f"SELECT count(*) AS n FROM exchanges e WHERE {WITHIN.format('e.')} AND {ELIGIBLE}", _parameters(span, options))  # noqa: S608
    return int(found[0]["n"])


def elsewhere(access: Access, span: Window) -> dict[str, int]:
    """Environments of the app's exchanges in the days, with their numbers: where they are when none of them is production's."""
    found = rows(
        access,
        "SELECT coalesce(e.environment, '(none)') AS environment, count(*) AS n FROM exchanges e "  # noqa: S608  all of it is ours
        f"WHERE {WITHIN.format('e.')} AND e.purpose = 'app' GROUP BY 1 ORDER BY n DESC, 1",
        span.parameters,
    )
    return {row["environment"]: row["n"] for row in found}


def drawn(access: Access, span: Window, options: Sampling, size: int = POOL) -> list[Evidence]:
    """So many at random, in the order of their ids."""
    sql = f"SELECT e.exchange_id::VARCHAR AS id FROM exchanges e WHERE {WITHIN.format('e.')} AND {ELIGIBLE} ORDER BY md5(e.exchange_id::VARCHAR) LIMIT $n"  # noqa: S608, E501
    found = rows(access, sql, {**_parameters(span, options), "n": size})
    return gathered(access, sorted(row["id"] for row in found))


def extremes(access: Access, span: Window, options: Sampling) -> list[Evidence]:
    """Those at the ends of a column, in the order of their ids."""
    ids: set[str] = set()
    for order in _EDGES:
        sql = f"SELECT e.exchange_id::VARCHAR AS id FROM exchanges e WHERE {WITHIN.format('e.')} AND {ELIGIBLE} ORDER BY {order}, e.exchange_id LIMIT $n"  # noqa: S608, E501
        ids |= {row["id"] for row in rows(access, sql, {**_parameters(span, options), "n": EXTREMES})}
    return gathered(access, sorted(ids))


def _parameters(span: Window, options: Sampling) -> dict[str, Any]:
    environments = [name.lower() for name in options.environments] or [""]
    return {**span.parameters, "operations": sorted(GENERATIVE), "environments": environments}
