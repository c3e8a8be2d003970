"""Reads from the log which exchanges users rated, and which signals were found of them: what agreement is measured on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from proxy.service.client import Access
from scoring.pages import WITHIN, Window, paged
from scoring.population import UNHAPPY
from scoring.signals.agreement import Agreed, Rated, agree
from scoring.signals.detect import EDITED, FOLLOW, NAMES, VERSION
from scoring.signals.following import GRACE

_RATED: Final = f"""
    WITH said AS (
        SELECT coalesce(f.exchange_id, r.exchange_id) AS exchange_id, bool_or({UNHAPPY}) AS down
        FROM feedback f LEFT JOIN exchanges r ON f.exchange_id IS NULL AND r.response_id = f.response_id
        GROUP BY 1)
    SELECT e.exchange_id::VARCHAR AS id, coalesce(e.session_id, e.user_id, e.exchange_id::VARCHAR) AS cluster, said.down,
        (SELECT list(s.name || ':' || s.value::VARCHAR) FROM (
            SELECT name, arg_max(value, created_at) AS value FROM scores
            WHERE kind = 'signal' AND scorer_version = $version AND exchange_id = e.exchange_id
            GROUP BY name HAVING arg_max(label, created_at) <> 'withdrawn') s) AS found
    FROM said JOIN exchanges e ON e.exchange_id = said.exchange_id
    WHERE {WITHIN.format("e.")} AND e.purpose = 'app'"""  # noqa: S608  all of it is ours


def agreement(access: Access, span: Window) -> list[Agreed]:
    """How far each signal agrees with what users said of the exchanges of a span. Raises ServiceError."""
    found = [_rated(row) for row in paged(access, _RATED, "id", {**span.parameters, "version": VERSION})]
    return agree(found, [name if name != "next_edit_distance" else "edited" for name in NAMES])


def counts(access: Access, span: Window) -> dict[str, int]:
    """Exchanges of a span by signal. Raises ServiceError."""
    found = dict.fromkeys(NAMES, 0)
    sql = f"""
        SELECT name, count(*) AS n FROM (
            SELECT s.name, s.exchange_id FROM scores s JOIN exchanges e ON e.exchange_id = s.exchange_id
            WHERE s.kind = 'signal' AND s.scorer_version = $version AND {WITHIN.format("e.")}
            GROUP BY ALL HAVING arg_max(s.label, s.created_at) <> 'withdrawn')
        GROUP BY name"""  # noqa: S608
    for row in paged(access, sql, "name", {**span.parameters, "version": VERSION}):
        if row["name"] in found:
            found[row["name"]] = row["n"]
    return {str(name): n for name, n in found.items()}


def settled(now: datetime) -> datetime:
    """Until when signals can be told: of what is newer nobody knows yet what follows."""
    return now - FOLLOW - GRACE


def _rated(row: dict[str, Any]) -> Rated:
    signals = set()
    for text in row["found"] or ():
        name, _, value = text.partition(":")
        number = float(value)
        if name == "next_edit_distance":
            if number <= EDITED:
                signals.add("edited")
        else:
            signals.add(name)
    return Rated(row["id"], row["cluster"], bool(row["down"]), frozenset(signals))
