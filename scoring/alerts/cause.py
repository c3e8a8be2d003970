"""Says what carries a change: which slice within the alert's slice, and what in it is new since; with the SQL to see it, and examples.

Contribution: of all bad events (or dollars, or slow answers) that the alert's window has more than its share of the time before would
make, how much each value of each column brings. The column whose one value brings most, at least half and more than its share of the
traffic, is named. What changed first: a response_model, fingerprint, prompt version or price list that the time before did not know, by
when it was seen first; or a feature or model whose share of the traffic moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from proxy.log.indicators import SAID
from proxy.log.rollups import UNHAPPY
from proxy.service.client import Access
from scoring.alerts.kinds import Burn, Cost, Errors, Latency, Rule, Watchdog
from scoring.alerts.measuring import condition
from scoring.alerts.notifications import Notification
from scoring.alerts.rules import RuleFile
from scoring.pages import rows

CARRIERS: Final = {
    "feature": "feature",
    "response_model": "response_model",
    "request_model": "request_model",
    "prompt_version": "prompt_version",
    "upstream": "provider",
    "status": "CAST(status AS VARCHAR)",
    "error_type": "error_type",
}
"""What may carry a change. A failed answer often names no response_model: it must not look like a model of its own."""
NEW: Final = {
    "response_model": "response_model",
    "system_fingerprint": "system_fingerprint",
    "prompt_version": "prompt_version",
    "price_version": "price_version",
}
"""What may be new."""
MOST_SHARE: Final = 0.5
"""Of the surplus that one value must bring to be named."""
MIX: Final = 0.15
"""How far a share of the traffic must move to be named."""
EVERYTHING: Final = 0.95
"""Share of the traffic beyond which a value says nothing, unless it is new."""
SAMPLES: Final = 5
BEFORE: Final = timedelta(days=7)
LEAST: Final = timedelta(hours=1)
"""A change is looked for from so long before the alert's trouble began."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A value that carries a change."""

    column: str
    value: str
    share: float  # of the surplus, 0 to 1
    rate: float  # of bad events now; mean dollars or milliseconds for rules of those
    before: float | None  # the same in the time before; None = there was nothing of it


@dataclass(frozen=True, slots=True)
class Moved:
    """A value whose share of the traffic is another than before."""

    column: str
    value: str
    now: float
    before: float


@dataclass(frozen=True, slots=True)
class First:
    """Something that the time before did not know."""

    column: str
    value: str
    at: datetime
    share: float  # of the window's exchanges


def explainer(access: Access, file: RuleFile, now: datetime) -> Callable[[Notification], Notification]:
    """For the delivery: adds cause, SQL and samples to a notification. Raises ServiceError when called and the log cannot be asked."""

    def explain(what: Notification) -> Notification:
        rule = next((one for one in file.rules if one.name in what.rule.split(", ")), None)
        if rule is None or isinstance(rule, Watchdog):
            return what
        start, end = window(rule, what.since, now)
        bad = bad_event(rule)
        found = parts(access, what.slice, bad, start, end)
        carried = most(found)
        within = {**what.slice, **({carried.column: carried.value} if carried and carried.column in ("feature", "prompt_version") else {})}
        new = firsts(access, within, start, end)
        text = "\n".join([what.text, *told(carried, new, mixed(found))])
        return replace(
            what,
            text=text,
            sql=question(what.slice, bad, start, end, carried),
            samples=samples(access, what.slice, bad, start, end, carried),
        )

    return explain


def window(rule: Rule, since: datetime, now: datetime) -> tuple[datetime, datetime]:
    """From a little before the trouble began until now: where what is bad is looked for."""
    lead = rule.long / 4 if isinstance(rule, Errors) else rule.window / 4 if isinstance(rule, Latency | Cost) else timedelta(0)
    return min(since - lead, now - LEAST / 4), now


def bad_event(rule: Rule) -> str:
    """What counts as bad for a rule, as an expression over `exchanges`: a truth value, dollars, or milliseconds."""
    match rule:
        case Latency():
            return "CASE WHEN ending = 'complete' AND turns IS NULL THEN duration_ms END"
        case Cost():
            return "CAST(cost_usd AS DOUBLE)"
        case Burn():
            return ERROR
    sli = getattr(rule, "sli", "judged_pass")
    if sli == "errors":
        return ERROR
    if sli == "retries":
        return "CAST(retry_of IS NOT NULL AS DOUBLE)"
    if sli == "thumbs_down":
        rated = "SELECT exchange_id FROM feedback WHERE score IS NOT NULL OR value IS NOT NULL"
        said = f"SELECT exchange_id FROM feedback f WHERE {UNHAPPY}"  # noqa: S608  names of our own
        return f"CASE WHEN exchange_id IN ({rated}) THEN CAST(exchange_id IN ({said}) AS DOUBLE) END"
    if sli == "judged_pass":
        said = "SELECT exchange_id FROM score_items WHERE NOT passed"
        known = "SELECT exchange_id FROM score_items WHERE passed IS NOT NULL"
    else:
        names = SAID[sli].partition("name ")[2]
        said = f"SELECT exchange_id FROM scores WHERE name {names} AND NOT passed"  # noqa: S608  names of our own
        known = "SELECT exchange_id FROM scores WHERE kind IN ('checks', 'judge')"
    return f"CASE WHEN exchange_id IN ({known}) OR exchange_id IN ({said}) THEN CAST(exchange_id IN ({said}) AS DOUBLE) END"


ERROR: Final = "CAST(coalesce(status >= 400, false) OR error_type IS NOT NULL OR ending IN ('partial', 'upstream_error', 'lost') AS DOUBLE)"
"""The log's own definition of an error, see proxy/log/rollups.py."""


def parts(access: Access, slice_: Mapping[str, str], bad: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """What is bad by each value of each carrier, now and in the time before: (column, value, is_now, n, bad). Raises ServiceError."""
    values = ", ".join(f"coalesce({expression}, '') AS {name}" for name, expression in CARRIERS.items())
    sets = ", ".join(f"(is_now, {name})" for name in CARRIERS)
    marks = " ".join(
        f"WHEN {sum(1 << (len(CARRIERS) - 1 - other) for other in range(len(CARRIERS)) if other != place)} THEN '{name}'"
        for place, name in enumerate(CARRIERS)
    )
    sql = f"""
        WITH base AS (
            SELECT accepted_at >= CAST($start AS TIMESTAMPTZ) AS is_now, {values}, {bad} AS bad FROM exchanges
            WHERE accepted_at >= CAST($before AS TIMESTAMPTZ) AND accepted_at < CAST($end AS TIMESTAMPTZ) AND {condition(slice_)})
        SELECT CASE grouping({", ".join(CARRIERS)}) {marks} END AS "column", coalesce({", ".join(CARRIERS)}) AS value, is_now,
            count(bad) AS n, coalesce(sum(bad), 0) AS bad
        FROM base WHERE bad IS NOT NULL GROUP BY GROUPING SETS ({sets})
        ORDER BY bad DESC LIMIT 2000"""  # noqa: S608  names of our own
    return rows(access, sql, {"start": start.isoformat(), "end": end.isoformat(), "before": (start - BEFORE).isoformat()})


def most(found: Sequence[Mapping[str, Any]]) -> Carried | None:
    """The value that brings most of the surplus, from rows of (column, value, is_now, n, bad). Pure."""
    totals = {(row["is_now"]): [0.0, 0.0] for row in found}
    for row in found:
        if row["column"] == "upstream":  # each exchange stands once in each column, and upstreams are few
            totals[row["is_now"]][0] += row["n"]
            totals[row["is_now"]][1] += row["bad"]
    n, bad = totals.get(True, [0.0, 0.0])
    n_before, bad_before = totals.get(False, [0.0, 0.0])
    if not n or not bad:
        return None
    usual = bad_before / n_before if n_before else 0.0
    surplus = bad - n * usual
    if surplus <= 0:
        return None
    before = {(row["column"], row["value"]): (row["n"], row["bad"]) for row in found if not row["is_now"]}
    best: tuple[float, Carried] | None = None
    for row in found:
        if not row["is_now"] or not row["value"]:
            continue
        n_then, bad_then = before.get((row["column"], row["value"]), (0, 0.0))
        rate_then = bad_then / n_then if n_then else None
        brought = (row["bad"] - row["n"] * (usual if rate_then is None else rate_then)) / surplus
        of_traffic = row["n"] / n
        if brought < MOST_SHARE or (of_traffic > EVERYTHING and (rate_then is not None or not n_before)):
            continue
        stands_out = min(brought, 1.0) - of_traffic  # what brings as much as it is of the traffic carries nothing
        if row["column"] in ("status", "error_type"):
            stands_out -= 0.5  # what kind of failure it is, is named where nothing says whose it is
        if best is None or stands_out > best[0]:
            carried = Carried(row["column"], row["value"], min(brought, 1.0), row["bad"] / row["n"], rate_then)
            best = stands_out, carried
    return best[1] if best else None


def mixed(found: Sequence[Mapping[str, Any]]) -> Moved | None:
    """The feature or model whose share of the traffic moved most, if it moved by MIX; from the rows of `parts`. Pure."""
    best: Moved | None = None
    for column in ("feature", "response_model"):
        n = {(row["value"], row["is_now"]): row["n"] for row in found if row["column"] == column and row["value"]}
        now, before = (sum(count for (_, is_now), count in n.items() if is_now is which) for which in (True, False))
        if not now or not before:
            continue
        for value in sorted({value for value, _ in n}):
            moved = Moved(column, value, n.get((value, True), 0) / now, n.get((value, False), 0) / before)
            if abs(moved.now - moved.before) >= MIX and (best is None or abs(moved.now - moved.before) > abs(best.now - best.before)):
                best = moved
    return best


def firsts(access: Access, slice_: Mapping[str, str], start: datetime, end: datetime) -> list[First]:
    """What is new in a slice since shortly before `start`, and features whose share moved; the earliest first. Raises ServiceError."""
    since = start - max((end - start) / 2, LEAST)
    columns = ", ".join(NEW)
    sets = ", ".join(f"({name})" for name in NEW)
    marks = " ".join(
        f"WHEN {sum(1 << (len(NEW) - 1 - other) for other in range(len(NEW)) if other != place)} THEN '{name}'"
        for place, name in enumerate(NEW)
    )
    sql = f"""
        WITH values_ AS (
            SELECT CASE grouping({columns}) {marks} END AS "column", coalesce({columns}) AS value, min(accepted_at) AS first,
                count(*) FILTER (accepted_at >= CAST($start AS TIMESTAMPTZ)) AS n
            FROM exchanges WHERE accepted_at >= CAST($before AS TIMESTAMPTZ) AND accepted_at < CAST($end AS TIMESTAMPTZ)
                AND {condition(slice_)}
            GROUP BY GROUPING SETS ({sets})),
        whole AS (SELECT "column", sum(n) AS whole FROM values_ GROUP BY "column")
        SELECT v."column", v.value, v.first, v.n, w.whole FROM values_ v JOIN whole w ON w."column" = v."column"
        WHERE v.value IS NOT NULL AND v.first >= CAST($since AS TIMESTAMPTZ) AND v.n > 0 AND v.n >= 0.02 * w.whole
            AND EXISTS (SELECT 1 FROM values_ o WHERE o."column" = v."column" AND o.value IS NOT NULL
                AND o.first < CAST($since AS TIMESTAMPTZ))
        ORDER BY v.first, v."column" LIMIT 20"""  # noqa: S608  names of our own
    found = rows(
        access,
        sql,
        {"start": start.isoformat(), "end": end.isoformat(), "before": (start - BEFORE).isoformat(), "since": since.isoformat()},
    )
    # Where nothing was known before, nothing is new.
    return [First(row["column"], row["value"], row["first"].astimezone(UTC), row["n"] / max(row["whole"], 1)) for row in found]


def told(carried: Carried | None, new: Sequence[First], mix: Moved | None = None) -> list[str]:
    """The cause in sentences."""
    lines = []
    if carried is not None:
        usual = "nothing of it before" if carried.before is None else f"{_figure(carried.before)} before"
        lines.append(f"{carried.column} {carried.value!r} brings {carried.share:.0%} of it ({_figure(carried.rate)} an exchange, {usual}).")
    if new:
        first = new[0]
        lines.append(
            f"New since {first.at:%Y-%m-%d %H:%M} UTC: {first.column} {first.value!r}, {first.share:.0%} of the exchanges"
            + "".join(f"; {one.column} {one.value!r} ({one.at:%H:%M})" for one in new[1:3])
            + "."
        )
    if mix is not None:
        lines.append(f"Traffic mix: {mix.column} {mix.value!r} is {mix.now:.0%} of the exchanges, {mix.before:.0%} in the week before.")
    return lines


def question(slice_: Mapping[str, str], bad: str, start: datetime, end: datetime, carried: Carried | None) -> str:
    """A query for `goldwash sql` that shows it: hour by hour, by the column that carries it."""
    by = CARRIERS[carried.column] if carried else "request_model"
    name = carried.column if carried else "request_model"
    return (
        f"SELECT date_trunc('hour', accepted_at) AS hour, {by} AS \"{name}\", count(*) AS exchanges, round(avg({bad}), 4) AS bad "  # noqa: S608
        f"FROM exchanges WHERE accepted_at >= '{(start - timedelta(hours=6)):%Y-%m-%d %H:%M}:00+00' "
        f"AND accepted_at < '{(end + timedelta(minutes=1)):%Y-%m-%d %H:%M}:00+00' "
        f"AND {condition(slice_)} GROUP BY ALL ORDER BY hour, exchanges DESC"
    )


def samples(
    access: Access, slice_: Mapping[str, str], bad: str, start: datetime, end: datetime, carried: Carried | None
) -> tuple[str, ...]:
    """Ids of some of the worst and newest exchanges. Raises ServiceError."""
    parameters: dict[str, Any] = {"start": start.isoformat(), "end": end.isoformat()}
    among = condition(slice_)
    if carried:
        among += f" AND {CARRIERS[carried.column]} = $value"
        parameters["value"] = carried.value
    sql = f"""
        SELECT CAST(exchange_id AS VARCHAR) AS id FROM (SELECT exchange_id, accepted_at, {bad} AS bad FROM exchanges
        WHERE accepted_at >= CAST($start AS TIMESTAMPTZ) AND accepted_at < CAST($end AS TIMESTAMPTZ) AND {among})
        WHERE bad > 0 ORDER BY bad DESC, accepted_at DESC LIMIT {SAMPLES}"""  # noqa: S608  names of our own
    return tuple(row["id"] for row in rows(access, sql, parameters))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
