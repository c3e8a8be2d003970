"""Asks the log what the last weeks' traffic is like, for the golden set to be held against. Raises ServiceError."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from config.scoring import Sampling
from proxy.service.client import Access
from scoring import online
from scoring.golden.seeding import pool
from scoring.golden.seeding.from_log import asked
from scoring.golden.staleness import Seen, Trend
from scoring.logged import GENERATIVE, LoggedExchange
from scoring.pages import WITHIN, Window, rows
from scoring.population import ELIGIBLE

FORMATS: Final = ("valid_json", "json_schema", "required_fields", "label", "empty", "truncated", "citations", "tool_arguments")
"""Checks that look at the form of an answer alone."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Of some weeks."""

    exchanges: int
    texts: Sequence[str]  # what random ones ask, as the set compares cases
    features: dict[str, Seen]
    formats: Sequence[Trend]
    unhappy: Sequence[Trend]


def observe(access: Access, span: Window, options: Sampling) -> Observed:
    """The traffic of a window; trends are of its second half against its first."""
    drawn = [one.exchange for one in pool.drawn(access, span, options)]
    found = features(access, span, options, drawn)
    texts = [text for exchange in drawn if (text := asked(exchange)).strip()]
    middle = span.start + (span.end - span.start) / 2
    formats, unhappy = _halves(access, Window(span.start, middle), Window(middle, span.end))
    return Observed(sum(one.exchanges for one in found.values()), texts, found, formats, unhappy)


def features(access: Access, span: Window, options: Sampling, drawn: Sequence[LoggedExchange] | None = None) -> dict[str, Seen]:
    """What a window's traffic holds by feature; tools only where exchanges with bodies are given."""
    offered: dict[str, set[str]] = {}
    for exchange in drawn or ():
        offered.setdefault(exchange.feature or "", set()).update(tool.name for tool in exchange.tools[0])
    parameters = {
        **span.parameters,
        "operations": sorted(GENERATIVE),
        "environments": [name.lower() for name in options.environments] or [""],
    }
    found = rows(
        access,
        "SELECT coalesce(e.feature, '') AS feature, count(*) AS n, list(DISTINCT e.request_model) AS models, "  # noqa: S608
        f"list(DISTINCT e.prompt_version) AS versions FROM exchanges e WHERE {WITHIN.format('e.')} AND {ELIGIBLE} GROUP BY 1",
        parameters,
    )
    return {
        row["feature"]: Seen(
            row["n"],
            frozenset(one for one in row["models"] if one),
            frozenset(one for one in row["versions"] if one),
            frozenset(offered[row["feature"]]) if row["feature"] in offered else None,
        )
        for row in found
    }


def _halves(access: Access, before: Window, after: Window) -> tuple[list[Trend], list[Trend]]:
    first, second = online.checks(access, before), online.checks(access, after)
    formats = [Trend(name, *second[name], *first[name]) for name in FORMATS if name in first and name in second]
    said, says = online.unhappy(access, before), online.unhappy(access, after)
    return formats, [Trend(name, *says[name], *said[name]) for name in says if name in said]
