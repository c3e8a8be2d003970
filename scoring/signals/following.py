"""Follows the log with a cursor and writes what users showed as scores of kind `signal`, each once, late rows and restarts included.

An exchange is settled half an hour after its answer: then whatever follows it has come. The cursor is a row of `records`; if it is lost
the last days are looked at again, which adds nothing, since a row's id is made of what it says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
import structlog

from config.settings import Settings
from proxy.service.client import Access, ServiceError
from proxy.service.opinions import uuid7
from scoring.logged import GENERATIVE, SELECTION, LoggedExchange
from scoring.outbox import Outbox, record_id
from scoring.pages import WITHIN, Window, rows, windows
from scoring.signals.detect import FOLLOW, NAMES, VERSION, WITHDRAWN, Name, Signal, detect
from scoring.signals.turn import Turn, turn
from scoring.watch import Job

EVERY: Final = 60.0
GRACE: Final = timedelta(minutes=5)
"""How late a row may come into the log without being looked for."""
FIRST_DAYS: Final = 7
"""How far back a log is looked at whose signals nobody has computed yet; `goldwash signals compute` goes further."""
LATEST: Final = timedelta(days=2)
"""How late a row may come at all: an outbox that was cut off for so long is taken in."""
SPAN: Final = timedelta(hours=2)
"""Time that is looked at at once, with FOLLOW before and after it."""
MOST_TURNS: Final = 10_000
"""Turns that are in memory at once; a span with more is taken in parts, by person."""
PAGE: Final = 500
BUDGET: Final = 30.0
"""Seconds after which one run of the job stops; the next goes on."""
CURSOR: Final = "signals_cursor"
AWAY: Final = frozenset({502, 503, 504})
"""Status by which the log service says that it cannot be asked now."""
STEP: Final = timedelta(minutes=10)
"""How far the cursor moves before it is written down again."""

_APP: Final = "e.purpose = 'app' AND e.operation IN (SELECT unnest($operations))"
_PERSON: Final = "hash(coalesce(e.session_id, e.user_id, e.api_key_hash, ''))"
_OPERATIONS: Final = {"operations": sorted(GENERATIVE)}


@dataclass(slots=True)
class Cursor:
    """How far the log has been followed."""

    through: datetime  # everything asked before this is settled and done
    seen: datetime | None = None  # rows that came into the log until then were part of it
    written: datetime | None = None


class Known(NamedTuple):
    """A row that is in the log."""

    record_id: str
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Done:
    """What one pass did."""

    exchanges: int
    signals: int  # rows that are new
    through: datetime


def job(settings: Settings) -> Job:
    """For the watcher: looks at what has settled, each minute."""
    cursor: Cursor | None = None

    def run(access: Access, now: datetime) -> None:
        nonlocal cursor
        cursor = cursor or read_cursor(access, now)
        with Outbox(settings, "signals") as outbox:
            follow(access, outbox, cursor, now)

    return Job("signals", EVERY, run)


def follow(access: Access, outbox: Outbox, cursor: Cursor, now: datetime, budget: float = BUDGET) -> Done:
    """Look at what has settled since, and again at what came late; moves the cursor. Raises ServiceError."""
    began = time.monotonic()
    until = now - FOLLOW - GRACE
    if cursor.through > now:  # the clock stepped back
        cursor.through = until
    (newest,) = rows(access, "SELECT max(loaded_at) AS seen FROM exchanges")
    start = _late(access, cursor) if cursor.seen is not None else cursor.through
    exchanges = signals = 0
    while start < until and time.monotonic() - began < budget:
        end = min(start + SPAN, until)
        try:
            done = compute(access, outbox, Window(start, end))
            exchanges, signals = exchanges + done.exchanges, signals + done.signals
        except ServiceError as error:
            if error.status in AWAY:
                raise
            why = str(error)[:200]  # too large for the log's limits, say: what comes after it must not wait for ever
            structlog.get_logger("signals").warning("a span could not be looked at for signals", start=start.isoformat(), why=why)
        start = _next(access, end, until)
        cursor.through = max(cursor.through, start)
    if start >= until:
        cursor.seen = _time(newest["seen"])
    if cursor.written is None or cursor.through - cursor.written >= STEP:
        outbox.add(CURSOR, {"through": cursor.through.isoformat(), "seen": cursor.seen.isoformat() if cursor.seen else None}, uuid7())
        cursor.written = cursor.through
    if signals:
        structlog.get_logger("signals").info("signals", exchanges=exchanges, new=signals, through=cursor.through.isoformat())
    return Done(exchanges, signals, cursor.through)


def compute(access: Access, outbox: Outbox, span: Window) -> Done:
    """Find and write the signals of all exchanges of a span; what the log says already is not said again. Raises ServiceError."""
    near = Window(span.start - FOLLOW, span.end + FOLLOW)
    count = f"SELECT count(*) AS n FROM exchanges e WHERE {WITHIN.format('e.')} AND {_APP}"  # noqa: S608  conditions of our own
    (counted,) = rows(access, count, {**near.parameters, **_OPERATIONS})
    parts = max(1, math.ceil(counted["n"] / MOST_TURNS))
    known = _known(access, span) if counted["n"] else {}
    exchanges = new = 0
    for part in range(parts):
        turns = list(_turns(access, near, parts, part))
        exchanges += sum(span.start <= one.at < span.end for one in turns)
        found = {(one.exchange_id, one.name): one for one in detect(turns, span.start, span.end)}
        here = {one.exchange_id for one in turns if span.start <= one.at < span.end}
        for key, signal in found.items():
            new += _write(outbox, signal, known.get(key))
        for (exchange_id, name), before in known.items():
            if exchange_id in here and (exchange_id, name) not in found:
                new += _write(outbox, Signal(exchange_id, name, 0.0, WITHDRAWN, None), before)
    return Done(exchanges, new, span.end)


def read_cursor(access: Access, now: datetime) -> Cursor:
    """Where the log was followed to; FIRST_DAYS ago where nobody has. Raises ServiceError."""
    found = rows(access, "SELECT content FROM records WHERE name = $name ORDER BY created_at DESC LIMIT 1", {"name": CURSOR})
    start = now - timedelta(days=FIRST_DAYS)
    if not found:
        return Cursor(start)
    content = orjson.loads(found[0]["content"])
    through = _time(content.get("through")) or start
    return Cursor(through, _time(content.get("seen")), through)


def _turns(access: Access, near: Window, parts: int, part: int) -> Iterator[Turn]:
    """The turns of a part of the people, read in windows of so many bytes that no answer of the log is too large."""
    where = f"{_APP} AND {_PERSON} % $parts = $part"
    given = {**_OPERATIONS, "parts": parts, "part": part}
    for window, _ in windows(access, near, where, given):
        after = "00000000-0000-0000-0000-000000000000"
        while page := rows(
            access,
            f"SELECT {SELECTION}, e.ended_at, e.api_key_hash FROM exchanges e LEFT JOIN "  # noqa: S608  names of our own
            f"(SELECT * FROM bodies b WHERE {WITHIN.format('b.')}) b USING (exchange_id) WHERE {WITHIN.format('e.')} AND {where} "
            "AND e.exchange_id > CAST($after AS UUID) ORDER BY e.exchange_id LIMIT $size",
            {**window.parameters, **given, "after": after, "size": PAGE},
        ):
            for row in page:
                made = turn(LoggedExchange.from_row(row), _time(row["ended_at"]), row["api_key_hash"])
                if made is not None:
                    yield made
            after = str(page[-1]["exchange_id"])
            if len(page) < PAGE and len(page) < access.settings.sql.max_rows:
                break


def _known(access: Access, span: Window) -> dict[tuple[str, Name], Known]:
    """What the log says already, by exchange and signal: the latest row of each."""
    found = rows(
        access,
        "SELECT s.exchange_id::VARCHAR AS id, s.name, arg_max(s.record_id, s.created_at)::VARCHAR AS record, "  # noqa: S608
        "arg_max(s.value, s.created_at) AS value, arg_max(s.label, s.created_at) AS label "
        "FROM scores s JOIN exchanges e ON e.exchange_id = s.exchange_id "
        f"WHERE s.kind = 'signal' AND s.scorer_version = $version AND {WITHIN.format('e.')} GROUP BY 1, 2",
        {**span.parameters, "version": VERSION},
    )
    return {(row["id"], row["name"]): Known(row["record"], row["value"], row["label"]) for row in found if row["name"] in NAMES}


def _write(outbox: Outbox, signal: Signal, before: Known | None) -> bool:
    gone = signal.label == WITHDRAWN
    if before is not None and before.label == signal.label and (gone or before.value == signal.value):
        return False
    content: dict[str, Any] = {
        "exchange_id": signal.exchange_id,
        "name": signal.name,
        "kind": "signal",
        "value": None if gone else signal.value,
        "unscored": WITHDRAWN if gone else None,
        "label": signal.label,
        "scorer": "goldwash",
        "scorer_version": VERSION,
        "follower": signal.follower,
    }
    about = (VERSION, signal.exchange_id, signal.name, signal.value, signal.label, before and before.record_id)
    identity = record_id("signal", *about, like=signal.exchange_id)
    outbox.add("scores", content, identity)
    return True


def _late(access: Access, cursor: Cursor) -> datetime:
    """From when on the log must be looked at again: before what came late, if anything did."""
    (row,) = rows(
        access,
        f"SELECT min(e.accepted_at) AS first FROM exchanges e WHERE e.loaded_at > CAST($seen AS TIMESTAMPTZ) "  # noqa: S608
        f"AND e.accepted_at < CAST($through AS TIMESTAMPTZ) AND e.accepted_at >= CAST($least AS TIMESTAMPTZ) AND {_APP}",
        {
            "seen": cursor.seen.isoformat() if cursor.seen else "",
            "through": cursor.through.isoformat(),
            "least": (cursor.through - LATEST).isoformat(),
            **_OPERATIONS,
        },
    )
    first = _time(row["first"])
    return cursor.through if first is None else min(cursor.through, first - FOLLOW)


def _next(access: Access, end: datetime, until: datetime) -> datetime:
    """The end of a span, or the next exchange after it: an empty week is passed over in one step."""
    (row,) = rows(
        access,
        f"SELECT min(e.accepted_at) AS first FROM exchanges e WHERE e.accepted_at >= CAST($end AS TIMESTAMPTZ) AND {_APP}",  # noqa: S608
        {"end": end.isoformat(), **_OPERATIONS},
    )
    first = _time(row["first"])
    return until if first is None else min(max(end, first), until)


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return None if value is None else value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
