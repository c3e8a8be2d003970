"""Listens for what should have been heard: a rule of kind watchdog, by what it watches. No data is a state of its own, and never zero.

Each asks the log (or, for the log's lag and the channels, what stands beside it) for one figure and compares it; None = nothing can be
said yet, such as on the first day, or where a part of Goldwash was never used.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from proxy.service.client import Access, ServiceError
from scoring.alerts.delivery import standing
from scoring.alerts.kinds import Watchdog, spelled
from scoring.alerts.states import Reading
from scoring.pages import rows

WEEK: Final = timedelta(days=7)
LONGEST_GAPS: Final = 3
"""So many times the longest quiet of the last week is still usual."""
IN_USE: Final = timedelta(days=45)
"""What was not used for so long is not missed."""


def reading(access: Access, rule: Watchdog, now: datetime) -> Reading:
    """What a watchdog hears now. Raises ServiceError."""
    return WATCHED[rule.watch](access, rule, now)


def out_of_reach(rule: Watchdog, now: datetime, since: datetime) -> Reading:
    """The log's lag while the log service does not answer: at least as long as that."""
    silent = now - since
    return Reading(
        rule.name, {}, now, silent.total_seconds(), rule.after.total_seconds(), 0.0, 1, silent > rule.after,
        f"the log service has not answered for {_told(silent)}: nothing can be asked; see its messages, or `goldwash doctor`",
    )  # fmt: skip


def _traffic(access: Access, rule: Watchdog, now: datetime) -> Reading:
    row = rows(
        access,
        "SELECT max(bucket) AS newest, max(epoch(bucket) - epoch(before)) AS gap FROM ("
        "SELECT bucket, lag(bucket) OVER (ORDER BY bucket) AS before FROM ("
        "SELECT DISTINCT bucket FROM rollups WHERE purpose = 'app' AND exchanges > 0 "
        "AND bucket >= CAST($since AS TIMESTAMPTZ) AND bucket <= CAST($now AS TIMESTAMPTZ)))",
        {"since": (now - 2 * WEEK).isoformat(), "now": now.isoformat()},
    )[0]
    if row["newest"] is None:
        return _nothing(rule, now, "no request in two weeks: nothing is expected")
    silent = now - row["newest"].astimezone(UTC)
    usual = timedelta(seconds=row["gap"] or 0)
    limit = max(rule.after, LONGEST_GAPS * usual)
    message = f"no request for {_told(silent)}; the longest quiet of the two weeks before was {_told(usual)}"
    return _compared(rule, now, silent.total_seconds(), limit.total_seconds(), usual.total_seconds(), message)


def _scoring(access: Access, rule: Watchdog, now: datetime) -> Reading:
    row = rows(
        access,
        "SELECT (SELECT max(created_at) FROM scores WHERE kind IN ('checks', 'judge') "
        "AND created_at >= CAST($since AS TIMESTAMPTZ)) AS scored, "
        "(SELECT sum(exchanges)::BIGINT FROM rollups WHERE purpose = 'app' AND bucket >= CAST($from AS TIMESTAMPTZ) "
        "AND bucket < CAST($to AS TIMESTAMPTZ)) AS traffic",
        {
            "since": (now - IN_USE).isoformat(),
            "from": (now - rule.after - timedelta(days=1)).isoformat(),
            "to": (now - rule.after + timedelta(hours=12)).isoformat(),
        },
    )[0]
    if row["scored"] is None:
        return _nothing(rule, now, "nothing was scored in the last weeks: `goldwash score` each night would")
    if not row["traffic"]:
        return _nothing(rule, now, "there was no traffic to score")
    old = now - row["scored"].astimezone(UTC)
    message = (
        f"the newest score is {_told(old)} old, and there was traffic: does `goldwash score` run each night, and does its judge answer?"
    )
    return _compared(rule, now, old.total_seconds(), rule.after.total_seconds(), None, message, int(row["traffic"]))


def _judge(access: Access, rule: Watchdog, now: datetime) -> Reading:
    """A judge that is in use is held against people's labels: how old is the newest label on what it judged?"""
    row = rows(
        access,
        "SELECT count(*) AS judged, min(created_at) AS first, "
        "(SELECT max(created_at) FROM labels WHERE passed IS NOT NULL AND labeler IS NOT NULL) AS labelled "
        "FROM scores WHERE kind = 'judge' AND created_at >= CAST($since AS TIMESTAMPTZ)",
        {"since": (now - max(IN_USE, 2 * rule.after)).isoformat()},
    )[0]
    if not row["judged"]:
        return _nothing(rule, now, "no judge is in use")
    newest = row["labelled"] or row["first"]
    old = now - newest.astimezone(UTC)
    what = "the newest human label" if row["labelled"] else "no human label stands beside it; its first verdict"
    fix = "label some of `goldwash review`, then `goldwash calibrate`"
    message = f"a judge is in use ({row['judged']:,} verdicts), and {what} is {_told(old)} old: {fix}"
    return _compared(rule, now, old.total_seconds(), rule.after.total_seconds(), None, message, int(row["judged"]))


def _prices(access: Access, rule: Watchdog, now: datetime) -> Reading:
    row = rows(
        access,
        "SELECT coalesce(sum(with_usage), 0)::BIGINT AS n, coalesce(sum(unpriced), 0)::BIGINT AS unpriced FROM rollups "
        "WHERE bucket >= CAST($since AS TIMESTAMPTZ) AND bucket <= CAST($now AS TIMESTAMPTZ)",
        {"since": (now - timedelta(days=1)).isoformat(), "now": now.isoformat()},
    )[0]
    installed = _prices_installed()
    age = now - installed if installed else None
    n, unpriced = int(row["n"]), int(row["unpriced"])
    if age is not None and age > rule.after and n:
        message = f"the price data was installed {_told(age)} ago: install a newer genai-prices, or set [prices] file"
        return _compared(rule, now, age.total_seconds(), rule.after.total_seconds(), None, message, n)
    if n < rule.min_count:
        return _nothing(rule, now, f"{n} requests with usage in a day say nothing", n)
    message = (
        f"{unpriced} of {n} requests with usage of the last day have no price: `goldwash sql` on cost_note says why, [prices] file adds one"
    )
    return _compared(rule, now, unpriced / n, rule.limit, None, message, n)


def _review(access: Access, rule: Watchdog, now: datetime) -> Reading:
    row = rows(
        access,
        "SELECT count(*) AS n, count(*) FILTER (first < CAST($before AS TIMESTAMPTZ)) AS old FROM ("
        "SELECT exchange_id, min(created_at) AS first FROM flags WHERE coalesce(state, 'open') = 'open' AND exchange_id IS NOT NULL "
        "AND exchange_id NOT IN (SELECT exchange_id FROM labels WHERE exchange_id IS NOT NULL) "
        "AND created_at >= CAST($since AS TIMESTAMPTZ) GROUP BY exchange_id)",
        {"before": (now - rule.after).isoformat(), "since": (now - 2 * IN_USE).isoformat()},
    )[0]
    if not row["n"]:
        return _nothing(rule, now, "nothing waits for a person")
    old, waiting = int(row["old"]), int(row["n"])
    message = f"{old} flagged exchanges wait longer than {spelled(rule.after)} for a person ({waiting} wait in all): `goldwash review next`"
    return _compared(rule, now, float(old), rule.limit, None, message, waiting)


def _log_lag(access: Access, rule: Watchdog, now: datetime) -> Reading:
    lag = _figure(access, "goldwash_log_lag_seconds")
    if lag is None:
        return _nothing(rule, now, "the log service tells no lag")
    message = (
        f"the log is {_told(timedelta(seconds=lag))} behind the traffic: see the log service's messages, the disk, and `goldwash doctor`"
    )
    return _compared(rule, now, lag, rule.after.total_seconds(), None, message)


def _lost(access: Access, rule: Watchdog, now: datetime) -> Reading:
    """Exchanges that were accepted and whose end nobody saw, or whose frames are missing or were shed."""
    row = rows(
        access,
        "SELECT (SELECT coalesce(sum(lost), 0) FROM rollups WHERE bucket >= CAST($since AS TIMESTAMPTZ))::BIGINT AS lost, "
        "(SELECT coalesce(sum(exchanges), 0) FROM rollups WHERE bucket >= CAST($since AS TIMESTAMPTZ))::BIGINT AS n, "
        "(SELECT coalesce(sum(frames), 0) + count(*) FILTER (frames IS NULL) FROM losses "
        "WHERE kind <> 'repeated' AND found_at >= CAST($since AS TIMESTAMPTZ))::BIGINT AS frames, "
        "(SELECT coalesce(sum(exchanges), 0) FROM shed WHERE shed_at >= CAST($since AS TIMESTAMPTZ))::BIGINT AS shed",
        {"since": (now - rule.after).isoformat()},
    )[0]
    value = int(row["lost"]) + int(row["frames"]) + int(row["shed"])
    message = (
        f"in the last {spelled(rule.after)}, {row['lost']} requests ended as lost (a worker died), {row['shed']} were shed for want of "
        f"disk, {row['frames']} frames are missing: `goldwash verify` accounts for all"
    )
    return _compared(rule, now, float(value), rule.limit, 0.0, message, int(row["n"]) + value)


def _channel(access: Access, rule: Watchdog, now: datetime) -> Reading:
    channels = standing(access.settings.data_dir)
    if not channels:
        return _nothing(rule, now, "no channel has had anything to say")
    failing = [one for one in channels if one.failing_since is not None and now - one.failing_since > rule.after]
    dead = [one for one in channels if one.dead]
    worst = max((now - one.failing_since for one in channels if one.failing_since is not None), default=timedelta(0))
    parts = [f"{one.name} has failed for {_told(now - one.failing_since)} ({one.error})" for one in failing if one.failing_since]
    parts += [f"{one.name} gave up {one.dead} messages" for one in dead]
    message = "; ".join(parts) + ": mend [channel.NAME], then `goldwash alerts test CHANNEL`" if parts else "every channel delivers"
    return Reading(
        rule.name, {}, now, worst.total_seconds(), rule.after.total_seconds(), 0.0, len(channels), bool(failing or dead), message
    )


WATCHED: Final[dict[str, Callable[[Access, Watchdog, datetime], Reading]]] = {
    "traffic": _traffic,
    "scoring": _scoring,
    "judge": _judge,
    "prices": _prices,
    "review": _review,
    "log_lag": _log_lag,
    "lost": _lost,
    "channel": _channel,
}
"""What each `watch` asks."""


def _compared(rule: Watchdog, now: datetime, value: float, limit: float, usual: float | None, message: str, n: int = 1) -> Reading:
    return Reading(rule.name, {}, now, value, limit, usual, n, value > limit, message)


def _nothing(rule: Watchdog, now: datetime, message: str, n: int = 0) -> Reading:
    return Reading(rule.name, {}, now, n=n, message=message)


def _figure(access: Access, name: str) -> float | None:
    """One of the log service's own figures. Raises ServiceError where it does not answer."""
    if access.remote is None:
        return None
    token = access.remote.token
    connection = http.client.HTTPConnection(access.remote.at.reach, access.remote.at.port, timeout=10.0)
    headers: dict[str, Any] = {"Connection": "close", **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        connection.request("GET", "/metrics", headers=headers)
        with connection.getresponse() as response:
            text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError(503, f"the log service does not answer ({error})", "it is starting, or `goldwash up` does not run") from error
    finally:
        connection.close()
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def _prices_installed() -> datetime | None:
    """When the packaged prices came onto this machine, since they do not say when they were made; None = the file's date says nothing."""
    found = find_spec("genai_prices")
    if found is None or found.origin is None:
        return None
    at = datetime.fromtimestamp(Path(found.origin).stat().st_mtime, UTC)
    return at if at.year >= 2025 else None  # builds that leave dates out write 1970 or 1980


def _told(length: timedelta) -> str:
    seconds = max(int(length.total_seconds()), 0)
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
