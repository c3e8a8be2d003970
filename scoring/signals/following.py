"""Follows the log with a cursor and writes what users showed as scores of kind `signal`, each once, late rows and restarts included.

An exchange is settled half an hour after its answer: then whatever follows it has come. The cursor is a row of `records`; if it is lost
the last days are looked at again, which adds nothing, since a row's id is made of what it says.

What is near a span must be read with it, half an hour on either side. So a busy log is looked at half an hour at a time, and not a minute
at a time with sixty others around it; and of a very busy one a sample of the people (scoring.signals.people).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson
import structlog

from config.settings import Settings
from proxy.service.client import Access, ServiceError
from proxy.service.opinions import uuid7
from scoring.logged import SELECTION, LoggedExchange
from scoring.outbox import Outbox, record_id
from scoring.pages import BETWEEN, WITHIN, Window, among, rows
from scoring.signals.detect import FOLLOW, NAMES, VERSION, WITHDRAWN, Name, Signal, detect
from scoring.signals.people import APP, MOST_LOOKED, OPERATIONS, Part, pages, plan
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
"""Time that is looked at at once, with FOLLOW before and after it; FOLLOW to twice FOLLOW where that is too much."""
FEW: Final = 1_000
"""Exchanges that are looked at again for a minute's news; where more are near, FOLLOW of news is waited for."""
PAGE: Final = 500
PAGE_BYTES: Final = 8 << 20
"""Of bodies that are read at once: in memory they are several times that."""
KNOWN: Final = 2_000
"""Exchanges whose signals are asked for at once."""
BUDGET: Final = 10.0
"""Seconds after which one run of the job begins no other span; the next run goes on."""
CURSOR: Final = "signals_cursor"
AWAY: Final = frozenset({502, 503, 504})
"""Status by which the log service says that it cannot be asked now."""
STEP: Final = timedelta(minutes=10)
"""How far the cursor moves before it is written down again."""


@dataclass(slots=True)
class Cursor:
    """How far the log has been followed."""

    through: datetime  # everything asked before this is settled and done
    seen: datetime | None = None  # rows that came into the log until then were part of it
    written: datetime | None = None
    at: datetime | None = None  # where a pass that was broken off goes on
    sees: datetime | None = None  # and what `seen` becomes when it is done


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
    until = now - FOLLOW - GRACE
    if cursor.through > now:  # the clock stepped back
        cursor.through = until
        cursor.at = None
    start = _start(access, cursor, until)
    exchanges = signals = 0
    began = time.monotonic()  # now, so that each run does something, however long the log took so far
    while start < until and time.monotonic() - began < budget:
        end = min(start + SPAN, until)
        try:
            done = compute(access, outbox, Window(start, end))
            exchanges, signals, end = exchanges + done.exchanges, signals + done.signals, done.through
        except ServiceError as error:
            if error.status in AWAY:
                raise
            why = str(error)[:200]  # too large for the log's limits, say: what comes after it must not wait for ever
            structlog.get_logger("signals").warning("a span could not be looked at for signals", start=start.isoformat(), why=why)
        start = cursor.at = _next(access, end, until)
        cursor.through = max(cursor.through, start)
    if cursor.at is not None and cursor.at >= until:
        cursor.at, cursor.seen = None, cursor.sees
    if cursor.written is None or cursor.through - cursor.written >= STEP:
        outbox.add(CURSOR, {"through": cursor.through.isoformat(), "seen": cursor.seen.isoformat() if cursor.seen else None}, uuid7())
        cursor.written = cursor.through
    if signals:
        structlog.get_logger("signals").info("signals", exchanges=exchanges, new=signals, through=cursor.through.isoformat())
    return Done(exchanges, signals, cursor.through)


def compute(access: Access, outbox: Outbox, span: Window, looked: int = MOST_LOOKED) -> Done:
    """Find and write the signals of a span, or of its first half hour where it holds too much for one look; the log is told nothing twice.

    looked: what may be read of a span, see scoring.signals.people; of more, a sample of the people is. Raises ServiceError.
    """
    chosen = plan(access, span, looked)
    if not chosen.is_whole and span.end - span.start > 2 * FOLLOW:  # not a minute more than FOLLOW: that minute would be a look of its own
        span = Window(span.start, span.start + FOLLOW)
        chosen = plan(access, span, looked)
    exchanges, new = chosen.alone, 0
    for part in chosen.parts:
        turns, known = _read(access, span, part)
        here = {one.exchange_id for one in turns if span.start <= one.at < span.end}
        exchanges += len(here)
        found = {(one.exchange_id, one.name): one for one in detect(turns, span.start, span.end)}
        for key, signal in found.items():
            new += _write(outbox, signal, known.get(key), part.share)
        for (exchange_id, name), before in known.items():
            if exchange_id in here and (exchange_id, name) not in found:
                new += _write(outbox, Signal(exchange_id, name, 0.0, WITHDRAWN, None), before, part.share)
    if not chosen.is_whole:
        structlog.get_logger("signals").info(
            "too many exchanges to look at all for signals",
            start=span.start.isoformat(),
            looked=exchanges,
            left=chosen.left,
            crowds=chosen.crowds,
        )
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


def _start(access: Access, cursor: Cursor, until: datetime) -> datetime:
    """Where to go on; `until` = nothing is to be done yet."""
    if cursor.at is not None:
        return cursor.at
    (newest,) = rows(
        access,
        "SELECT max(loaded_at) AS seen FROM exchanges WHERE accepted_at >= CAST($least AS TIMESTAMPTZ)",
        {"least": (cursor.through - LATEST).isoformat()},
    )
    start = _late(access, cursor) if cursor.seen is not None else cursor.through
    if until - cursor.through < FOLLOW:
        near = Window(start - FOLLOW, until + FOLLOW)
        count = f"SELECT count(*) AS n FROM exchanges e WHERE {WITHIN.format('e.')} AND {APP}"  # noqa: S608  conditions of our own
        (counted,) = rows(access, count, {**near.parameters, **OPERATIONS})
        if counted["n"] > FEW:
            return until
    cursor.at, cursor.sees = start, _time(newest["seen"]) or cursor.seen
    return start


def _read(access: Access, span: Window, part: Part) -> tuple[list[Turn], dict[tuple[str, Name], Known]]:
    """A part's turns, and what the log says of them already."""
    turns: list[Turn] = []
    for ids in pages(access, span, part, min(PAGE, access.settings.sql.max_rows), PAGE_BYTES):
        found = rows(
            access,
            "WITH wanted AS (SELECT CAST(unnest($ids) AS UUID) AS exchange_id) "  # noqa: S608  names of our own
            f"SELECT {SELECTION}, e.ended_at, e.api_key_hash "
            f"FROM (SELECT * FROM exchanges e WHERE {BETWEEN.format('e.')} AND exchange_id IN (FROM wanted)) e LEFT JOIN "
            f"(SELECT * FROM bodies b WHERE {BETWEEN.format('b.')} AND exchange_id IN (FROM wanted)) b USING (exchange_id)",
            among(ids),
        )
        for row in found:
            made = turn(LoggedExchange.from_row(row), _time(row["ended_at"]), row["api_key_hash"])
            if made is not None and _is_kept(made.person, part.one_in):
                turns.append(made)
    known: dict[tuple[str, Name], Known] = {}
    here = sorted(one.exchange_id for one in turns if span.start <= one.at < span.end)
    most = min(KNOWN, max(access.settings.sql.max_rows // len(NAMES), 1))
    for place in range(0, len(here), most):
        known |= _known(access, here[place : place + most])
    return turns, known


def _is_kept(person: str, one_in: int) -> bool:
    return one_in == 1 or crc32(person.encode("utf-8", "replace")) % one_in == 0


def _known(access: Access, ids: Sequence[str]) -> dict[tuple[str, Name], Known]:
    """What the log says already, by exchange and signal: the latest row of each."""
    found = rows(
        access,
        "SELECT s.exchange_id::VARCHAR AS id, s.name, arg_max(s.record_id, s.created_at)::VARCHAR AS record, "  # noqa: S608
        "arg_max(s.value, s.created_at) AS value, arg_max(s.label, s.created_at) AS label FROM scores s "
        f"WHERE {BETWEEN.format('s.')} AND s.exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) "
        "AND s.kind = 'signal' AND s.scorer_version = $version AND s.name IN (SELECT unnest($names)) GROUP BY 1, 2",
        {**among(ids), "version": VERSION, "names": list(NAMES)},
    )
    return {(row["id"], row["name"]): Known(row["record"], row["value"], row["label"]) for row in found}


def _write(outbox: Outbox, signal: Signal, before: Known | None, share: float) -> bool:
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
        **({"share": round(share, 4)} if share < 1 else {}),
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
        f"AND e.accepted_at < CAST($through AS TIMESTAMPTZ) AND e.accepted_at >= CAST($least AS TIMESTAMPTZ) AND {APP}",
        {
            "seen": cursor.seen.isoformat() if cursor.seen else "",
            "through": cursor.through.isoformat(),
            "least": (cursor.through - LATEST).isoformat(),
            **OPERATIONS,
        },
    )
    first = _time(row["first"])
    return cursor.through if first is None else min(cursor.through, first - FOLLOW)


def _next(access: Access, end: datetime, until: datetime) -> datetime:
    """The end of a span, or the next exchange after it: an empty week is passed over in one step."""
    (row,) = rows(
        access,
        f"SELECT min(e.accepted_at) AS first FROM exchanges e WHERE e.accepted_at >= CAST($end AS TIMESTAMPTZ) AND {APP}",  # noqa: S608
        {"end": end.isoformat(), **OPERATIONS},
    )
    first = _time(row["first"])
    return until if first is None else min(max(end, first), until)


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return None if value is None else value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
