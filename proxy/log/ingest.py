"""Loads the spool into the log, exactly once: rows, positions and ledger of one round go in with one transaction.

However often it is killed, at whatever instant, the next start takes up from the last commit: the spool still holds what
was not committed, and what was committed is not taken again.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from proxy.exchange import Captured, Ending, Reading
from proxy.log import records, rollups
from proxy.log.attach import Log
from proxy.log.bodies import divided
from proxy.log.columns import BODIES, EXCHANGES, LARGE_BODIES, TURNS, Column, batch, insert
from proxy.log.intake import Budget, Intake, Loss, Position, Taken
from proxy.log.rows import Exchange, Price, Scrub, rows
from proxy.log.sessions import Session, session
from proxy.reading import read_session
from proxy.spool import gauge
from proxy.spool.frames import FrameError, Shed
from proxy.spool.reader import Run, runs

ROWS: Final = 4000  # a round; enough for a batch to be cheap, few enough that a flush does not wait long
BYTES: Final = 64 << 20  # a round; the bodies of one round are in memory
HOLD: Final = 4  # segments that one open exchange may hold back before its frames are carried over

_ENDINGS: Final = tuple(ending.value for ending in Ending)
EPOCH: Final = date(1970, 1, 1)
_COUNTS: Final = ("accepted", *_ENDINGS, "shed")
_SUMS: Final = ", ".join(f"{name} = {name} + ?" for name in _COUNTS)
_ADD: Final = f"UPDATE ledger SET {_SUMS} WHERE day = ? AND host = ? AND worker = ? AND run = ?"  # noqa: S608  names of our own
_BEGIN: Final = f"INSERT INTO ledger (day, host, worker, run, {', '.join(_COUNTS)}) VALUES (?, ?, ?, ?{', ?' * len(_COUNTS)})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A price that could not be made."""

    unknown: str | None
    cost_usd: Decimal | None = None
    source: str | None = None
    version: str | None = None
    hash: str | None = None


class Untouched:
    """Scrubs nothing."""

    def text(self, text: str) -> str:
        """The same."""
        return text

    def texts(self, texts: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """The same."""
        return texts

    def knowing(self, key_hash: str) -> Scrub:
        """The same."""
        return self


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one round did."""

    rows: int = 0
    records: int = 0
    lost: int = 0
    losses: int = 0  # places where frames are missing or damaged
    frames: int = 0
    bytes: int = 0  # of frames read
    open: int = 0  # exchanges still in flight, over all runs
    more: bool = False  # the round was full before the spool was empty
    newest_ns: int | None = None  # accepted time of the newest row
    seconds: float = 0.0
    spent: tuple[tuple[str, datetime, Decimal | None], ...] = ()  # proxy key, when, dollars (None: no price is known)
    failures: tuple[str, ...] = ()  # runs that could not be read this time, and why


@dataclass(slots=True)
class _Round:
    exchanges: list[tuple[Any, ...]] = field(default_factory=list)
    bodies: list[tuple[Any, ...]] = field(default_factory=list)
    turns: list[tuple[Any, ...]] = field(default_factory=list)
    ledger: dict[tuple[int, str, str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    records: list[records.Said] = field(default_factory=list)
    sheds: list[tuple[Any, ...]] = field(default_factory=list)
    losses: list[tuple[Any, ...]] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    frames: int = 0
    bytes: int = 0
    lost: int = 0
    newest_ns: int | None = None
    spent: list[tuple[str, datetime, Decimal | None]] = field(default_factory=list)


class Loader:
    """The one writer of the log. One thread calls step()."""

    def __init__(
        self,
        log: Log,
        spool_dir: Path,
        read: Callable[[Captured], Reading],
        price: Callable[[Reading, str, str, datetime], Price],
        scrub: Scrub | None = None,
        read_session: Callable[[Captured, Iterable[tuple[str, bytes | str]]], Reading] = read_session,
        turn_prices: Callable[[Reading, str, str, datetime], Sequence[Price]] | None = None,
        rows: int = ROWS,
        size: int = BYTES,
        hold: int = HOLD,
    ) -> None:
        """read, read_session, price: what an exchange meant and cost; none may touch the log.

        scrub: takes secrets out of the stored copy.
        turn_prices: what each turn of a WebSocket session cost, in order; None = costs of turns stay unknown.
        rows, size, hold: bounds of a round in rows and in bytes of bodies, and of segments held back by open exchanges.
        """
        self.spool_dir = spool_dir
        self._read, self._price, self._read_session, self._turn_prices = read, price, read_session, turn_prices
        self._scrub: Scrub = scrub or Untouched()
        self._rows, self._size, self._hold = rows, size, hold
        self._db = log.cursor()
        # In a lake, two writers that change or delete rows of one table undo each other's commits: there, all is appended.
        self._appends = log.file is None
        self._intakes: dict[str, Intake] = {}
        self._turn = 0
        self._positions = self._stored_positions()
        self._stamped = self._last_stamp()

    def step(self, now_ns: int) -> Loaded:
        """One round: read what the spool holds up to the bounds, and commit it. now_ns: Unix time.

        After an error nothing of the round is in the log and nothing is forgotten: the next step takes the same frames again.
        Raises duckdb.Error or OSError where the log cannot take it (disk full, …).
        """
        began = time.perf_counter()
        collecting = gc.isenabled()
        gc.disable()  # a round makes hundreds of thousands of values and no circles
        try:
            round_, more, failures = self._take(now_ns)
            if round_.frames or round_.exchanges or round_.losses or round_.positions:
                for intake in self._intakes.values():
                    intake.prepare()
                round_.positions = [
                    position for intake in self._intakes.values() if (position := intake.position()) != self._positions.get(position.run)
                ]
                self._commit(round_, now_ns)
        except BaseException:
            self._forget()
            raise
        finally:
            if collecting:
                gc.enable()
        self._settle(round_)
        return Loaded(
            rows=len(round_.exchanges),
            records=len(round_.records),
            lost=round_.lost,
            losses=len(round_.losses),
            frames=round_.frames,
            bytes=round_.bytes,
            open=sum(len(intake.open) for intake in self._intakes.values()),
            more=more,
            newest_ns=round_.newest_ns,
            seconds=time.perf_counter() - began,
            spent=tuple(round_.spent),
            failures=tuple(failures),
        )

    def close(self) -> None:
        """Let go of the spool; the log stays open for whoever opened it."""
        self._forget()
        self._db.close()

    # -- reading

    def _take(self, now_ns: int) -> tuple[_Round, bool, list[str]]:
        round_, more, failures = _Round(), False, []
        found = runs(self.spool_dir)
        self._turn += 1
        budget = Budget(self._rows, self._size)
        for index in range(len(found)):
            run = found[(index + self._turn) % len(found)]  # each time another run comes first, so that none starves
            if budget.spent():
                more = True
                break
            try:
                intake = self._intake(run)
                taken = intake.take(budget, now_ns)
            except (OSError, FrameError) as error:
                failures.append(f"{run.name}: {error}")
                self._drop(run.name)
                continue
            more = more or taken.more
            self._add(round_, intake, taken)
        return round_, more, failures

    def _intake(self, run: Run) -> Intake:
        intake = self._intakes.get(run.name)
        if intake is None:
            intake = self._intakes[run.name] = Intake(run, self._positions.get(run.name), self._hold)
        return intake

    def _add(self, round_: _Round, intake: Intake, taken: Taken) -> None:
        name, host, worker = intake.run.name, intake.host, intake.worker
        round_.frames += taken.frames
        round_.bytes += taken.bytes
        for day, count in taken.accepted.items():
            round_.ledger[day, host, worker, name]["accepted"] += count
        for exchange in taken.exchanges:
            self._exchange(round_, exchange, name)
        for record in taken.records:
            round_.records.append(records.said(record, self._scrub))
        for shed in (*taken.sheds, *(self._untold(intake, taken) if taken.ended else ())):
            at = datetime.fromtimestamp(shed.at_ns / 1e9, UTC)
            round_.sheds.append((at, host, worker, name, shed.exchanges, shed.bytes, shed.reason))
            counts = round_.ledger[shed.at_ns // 86_400_000_000_000, host, worker, name]
            counts.update({"accepted": shed.exchanges, "lost": shed.exchanges, "shed": shed.exchanges})
        round_.losses += [(host, worker, name, *_loss(loss)) for loss in taken.losses]
        if intake.position() != self._positions.get(name):
            round_.positions.append(intake.position())

    def _untold(self, intake: Intake, taken: Taken) -> list[Shed]:
        """What a dead writer had shed and could not say in a frame any more; its gauge says how much it was in all."""
        said = gauge.read(intake.run.path)
        query = "SELECT CAST(sum(exchanges) AS BIGINT), CAST(sum(bytes) AS BIGINT) FROM shed WHERE run = ?"
        told = self._db.execute(query, [intake.run.name]).fetchone() or (0, 0)
        exchanges = int(said.get("shed_exchanges") or 0) - int(told[0] or 0) - sum(shed.exchanges for shed in taken.sheds)
        size = int(said.get("shed_bytes") or 0) - int(told[1] or 0) - sum(shed.bytes for shed in taken.sheds)
        if exchanges <= 0 and size <= 0:
            return []
        return [Shed(int(said["at"] * 1e9), max(exchanges, 0), max(size, 0), f"{said.get('shed_why') or 'no_room'}, and the worker died")]

    def _exchange(self, round_: _Round, exchange: Exchange, run: str) -> None:
        captured = exchange.captured
        reading, messages = self._reading(exchange)
        at_ns = captured.accepted_at_ns
        turn_prices: Sequence[Price] = ()
        try:
            at = datetime.fromtimestamp(at_ns / 1e9, UTC)
            price: Price = self._price(reading, captured.upstream, captured.upstream_url, at)
            if reading.turns and reading.usage is None:
                price = Unpriced("no usage")
            if reading.turns and self._turn_prices is not None:
                turn_prices = self._turn_prices(reading, captured.upstream, captured.upstream_url, at)
        except Exception as error:  # a fault in pricing must cost one price, not the row
            price = Unpriced(f"pricing failed: {type(error).__name__}: {error}")
        status = captured.status or 0
        failed = status >= 400 or reading.error_type is not None
        # Who is refused may find the key repeated; who comes too often, or meets a broken upstream, does not, and comes in storms.
        key_hash = exchange.api_key_hash if failed and status != 429 and status < 500 else None
        scrub = self._scrub.knowing(key_hash) if key_hash else self._scrub
        stored = rows(exchange, reading, price, scrub, messages, turn_prices)
        if exchange.proxy_key and (price.cost_usd is not None or (stored.ending is Ending.COMPLETE and not failed)):
            round_.spent.append((exchange.proxy_key, datetime.fromtimestamp(at_ns / 1e9, UTC), price.cost_usd))
        round_.exchanges.append(stored.exchange)
        if stored.body:
            round_.bodies.append(stored.body)
        round_.turns += stored.turns
        round_.ledger[at_ns // 86_400_000_000_000, exchange.host, exchange.worker, run][stored.ending.value] += 1
        round_.lost += stored.ending is Ending.LOST
        if round_.newest_ns is None or at_ns > round_.newest_ns:
            round_.newest_ns = at_ns

    def _reading(self, exchange: Exchange) -> tuple[Reading, str | None]:
        try:
            if not exchange.websocket:
                return self._read(exchange.captured), None
            said = session(exchange)
            reading = self._read_session(exchange.captured, said.messages)
            return _closed(reading, said), said.lines
        except Exception as error:  # a fault in a reader must cost one reading, not the row
            return Reading(unread=f"reading failed: {type(error).__name__}: {error}"), None

    # -- committing

    def _commit(self, round_: _Round, now_ns: int) -> None:
        db = self._db
        now = datetime.fromtimestamp(now_ns / 1e9, UTC)
        stamp = self._stamped = max(now, self._stamped + timedelta(microseconds=1))
        db.execute("BEGIN")
        try:
            self._insert("exchanges", EXCHANGES, round_.exchanges, stamp)
            small, large = divided(round_.bodies)
            self._insert("small_bodies", BODIES, small)
            self._insert("large_bodies", LARGE_BODIES, large)
            self._insert("turns", TURNS, round_.turns)
            records.store(db, round_.records, stamp)
            for shed in round_.sheds:
                db.execute("INSERT INTO shed VALUES (?, ?, ?, ?, ?, ?, ?)", shed)
            for loss in round_.losses:
                db.execute("INSERT INTO losses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [now, *loss])
            for (day, host, worker, run), counts in round_.ledger.items():
                self._count(EPOCH + timedelta(days=day), host, worker, run, counts)
            for position in round_.positions:
                if not self._appends:
                    db.execute("DELETE FROM spool_position WHERE run = ?", [position.run])
                db.execute("INSERT INTO spool_position VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _stored(position, now))
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):  # a commit that failed has rolled back
                db.execute("ROLLBACK")
            raise

    def _last_stamp(self) -> datetime:
        """The newest loaded_at: stamps grow even where the clock was set back. Not asked of a lake, which has other writers anyway."""
        if self._appends:
            return datetime.fromtimestamp(0, UTC)
        found = "SELECT max(loaded_at) FROM exchanges", "SELECT max(loaded_at) FROM scores", "SELECT max(loaded_at) FROM feedback"
        newest = [row[0] for query in found if (row := self._db.execute(query).fetchone()) and row[0] is not None]
        return max(newest, default=datetime.fromtimestamp(0, UTC))

    def _insert(self, table: str, columns: tuple[Column, ...], rows: list[tuple[Any, ...]], stamp: datetime | None = None) -> None:
        if rows:
            arrow: pa.Table = batch(columns, rows)
            self._db.register("arriving", arrow)
            try:
                self._db.execute(insert(table, columns, "arriving", stamped=stamp is not None), [stamp] if stamp else None)
                if table == "exchanges":
                    rollups.count(self._db, "arriving")
            finally:
                self._db.unregister("arriving")

    def _count(self, day: date, host: str, worker: str, run: str, counts: Counter[str]) -> None:
        values = [counts[name] for name in _COUNTS]
        key = [day, host, worker, run]
        changed = None if self._appends else self._db.execute(_ADD, [*values, *key]).fetchone()
        if not changed or not changed[0]:
            self._db.execute(_BEGIN, [*key, *values])

    def _settle(self, round_: _Round) -> None:
        for position in round_.positions:
            self._positions[position.run] = position
        for name, intake in list(self._intakes.items()):
            intake.settle()
            if intake.done:
                del self._intakes[name]

    def _stored_positions(self) -> dict[str, Position]:
        """Positions by run; those of runs that are gone are dropped from the log."""
        rows = self._db.execute('SELECT run, host, worker, segment, "offset", seq, carry, done FROM spool_newest').fetchall()
        here = {run.name for run in runs(self.spool_dir)}
        positions = {row[0]: Position(*row) for row in rows if row[0] in here or not self._appends}
        gone = [name for name, position in positions.items() if position.done and name not in here]
        if gone:
            self._db.execute("DELETE FROM spool_position WHERE run IN (SELECT unnest(?))", [gone])
        return {name: position for name, position in positions.items() if name not in gone}

    def _drop(self, name: str) -> None:
        intake = self._intakes.pop(name, None)
        if intake is not None:
            intake.close()

    def _forget(self) -> None:
        for name in list(self._intakes):
            self._drop(name)


def _closed(reading: Reading, said: Session) -> Reading:
    """The reading of a session with what its frames tell: its end is its Close frame, and a sum over a part of it is no usage."""
    kind, message = (reading.error_type, reading.error_message) if reading.error_type or not said.error else said.error
    unread = reading.unread or said.broken or (None if said.whole else "the session was kept only in part")
    usage = reading.usage if said.whole else None
    return replace(reading, unread=unread, terminal=said.closed, error_type=kind, error_message=message, usage=usage)


def _loss(loss: Loss) -> tuple[Any, ...]:
    return loss.segment, loss.offset, loss.frames, loss.bytes, loss.kind, loss.note


def _stored(position: Position, now: datetime) -> list[Any]:
    return [
        position.run,
        position.host,
        position.worker,
        position.segment,
        position.offset,
        position.seq,
        position.carry,
        position.done,
        now,
    ]
