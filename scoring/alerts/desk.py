"""The desk where incidents lie and messages wait, a SQLite file in data_dir: whatever is killed, and whatever is down, nothing is lost.

The log is a view that is loaded later and may be down itself; an alert about that must still go out. So the state that must be exact
lies here: incidents with what was said of them, and one row a message and channel until it was taken or given up. Both change in one
transaction. What was said goes to the log as well (`notifications`), for people to ask.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Self

import structlog
from pydantic import TypeAdapter

from scoring.alerts.incidents import Incident, Notification
from scoring.alerts.states import Silence

PLACE: Final = "alerts.sqlite"
KEPT_DAYS: Final = 30
"""Days that messages which are done with are kept here; the log keeps them for good."""
MERGED: Final = frozenset({"updated", "reminded"})
"""Kinds of which only the latest is worth waiting for: after a day-long outage nobody wants all of yesterday's reminders."""
State = Literal["waiting", "sent", "dead", "merged"]

_INCIDENT: Final = TypeAdapter(Incident)
_NOTIFICATION: Final = TypeAdapter(Notification)
_SILENCES: Final = TypeAdapter(list[Silence])
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS incidents (id TEXT PRIMARY KEY, place INTEGER, content TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, notification_id TEXT NOT NULL, incident_id TEXT NOT NULL,
        kind TEXT NOT NULL, content TEXT NOT NULL, state TEXT NOT NULL, made_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
        error TEXT, done_at REAL, logged TEXT NOT NULL DEFAULT '', UNIQUE (channel, notification_id));
    CREATE INDEX IF NOT EXISTS waiting ON messages (channel, state, id);
    CREATE TABLE IF NOT EXISTS channels (
        name TEXT PRIMARY KEY, not_before REAL NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, failing_since REAL,
        error TEXT, sent_at REAL, repeated_at REAL);
    CREATE TABLE IF NOT EXISTS silences (one INTEGER PRIMARY KEY CHECK (one = 1), content TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that a channel has not taken yet."""

    id: int
    channel: str
    notification: Notification
    made_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class ChannelStanding:
    """How a channel does: for `alerts list`, for the watchdog of channels, and for whoever asks."""

    name: str
    waiting: int
    oldest: datetime | None  # of the waiting ones
    failures: int  # tries that failed in a row
    failing_since: datetime | None
    error: str | None
    sent_at: datetime | None  # when it took something last
    dead: int  # messages that were given up within KEPT_DAYS
    not_before: datetime | None  # no try before this


class Desk:
    """One open desk. A context manager; several processes may have one open on the same file."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = data_dir / PLACE
        try:
            self._db = _opened(path)
        except sqlite3.OperationalError:
            raise  # locked, or the disk is full: it may be better in a moment
        except sqlite3.DatabaseError as error:  # a torn file must not silence everything that comes
            aside = path.with_suffix(".damaged")
            structlog.get_logger("alerts").error(
                "the desk of alerts is damaged; it begins anew", file=str(path), kept=str(aside), why=str(error)
            )
            path.replace(aside)
            for rest in ("-wal", "-shm"):
                path.with_name(path.name + rest).unlink(missing_ok=True)
            self._db = _opened(path)

    def incidents(self) -> list[Incident]:
        """All incidents as they were left, oldest first."""
        return [_INCIDENT.validate_json(row[0]) for row in self._db.execute("SELECT content FROM incidents ORDER BY place, id")]

    def silences(self) -> list[Silence]:
        """The silences that were known last, for when the log cannot be asked."""
        row = self._db.execute("SELECT content FROM silences").fetchone()
        return _SILENCES.validate_json(row[0]) if row else []

    def keep_silences(self, silences: Sequence[Silence]) -> None:
        """Remember them."""
        content = _SILENCES.dump_json(list(silences)).decode()
        self._db.execute("INSERT OR REPLACE INTO silences VALUES (1, ?)", [content])

    def keep(
        self, before: Sequence[Incident], after: Sequence[Incident], said: Iterable[tuple[str, Notification]], now: datetime
    ) -> list[tuple[str, Notification]]:
        """Put incidents and messages down together, or nothing of it. said: (channel, notification); those that are new come back."""
        old = {one.id: one for one in before}
        new: list[tuple[str, Notification]] = []
        with self._transaction():
            for place, one in enumerate(after):
                if old.get(one.id) != one:
                    content = _INCIDENT.dump_json(one).decode()
                    self._db.execute("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?)", [one.id, place, content])
            for gone in old.keys() - {one.id for one in after}:
                self._db.execute("DELETE FROM incidents WHERE id = ?", [gone])
            for channel, notification in said:
                if self._enqueue(channel, notification, now):
                    new.append((channel, notification))
        return new

    def waiting(self, channel: str, most: int = 100) -> list[Waiting]:
        """What a channel has not taken yet, oldest first."""
        rows = self._db.execute(
            "SELECT id, content, made_at, tries FROM messages WHERE channel = ? AND state = 'waiting' ORDER BY id LIMIT ?", [channel, most]
        )
        return [Waiting(id_, channel, _NOTIFICATION.validate_json(content), _time(made), tries) for id_, content, made, tries in rows]

    def done(self, message: Waiting, state: State, now: datetime, error: str | None = None) -> None:
        """A message was taken, or is given up."""
        with self._transaction():
            self._db.execute(
                "UPDATE messages SET state = ?, tries = tries + 1, error = ?, done_at = ? WHERE id = ?",
                [state, error, now.timestamp(), message.id],
            )
            if state == "sent":
                self._well(message.channel, now)

    def failed(self, message: Waiting, error: str, now: datetime, not_before: datetime) -> None:
        """A try failed; the channel rests until `not_before`."""
        with self._transaction():
            self._db.execute("UPDATE messages SET tries = tries + 1, error = ? WHERE id = ?", [error, message.id])
            self._ill(message.channel, error, now)
            self._db.execute("UPDATE channels SET not_before = ? WHERE name = ?", [not_before.timestamp(), message.channel])

    def unlogged(self) -> list[tuple[Waiting, str, str | None]]:
        """What the log has not been told: (message, sent | failed | dead, error); `failed` once a message."""
        rows = self._db.execute(
            "SELECT id, channel, content, made_at, tries, CASE state WHEN 'waiting' THEN 'failed' ELSE state END AS said, error "
            "FROM messages WHERE (state IN ('sent', 'dead') AND logged <> state) "
            "OR (state = 'waiting' AND tries > 0 AND logged = '') ORDER BY id LIMIT 1000"
        )
        return [
            (Waiting(id_, channel, _NOTIFICATION.validate_json(content), _time(made), tries), said, error)
            for id_, channel, content, made, tries, said, error in rows
        ]

    def logged(self, said: Iterable[tuple[int, str]]) -> None:
        """These messages, in these states, have been told to the log."""
        with self._transaction():
            self._db.executemany("UPDATE messages SET logged = ? WHERE id = ?", [(state, id_) for id_, state in said])

    def heard(self, channel: str) -> set[str]:
        """Incidents of which a channel was told that they opened."""
        rows = self._db.execute(
            "SELECT DISTINCT incident_id FROM messages WHERE channel = ? AND kind = 'opened' AND state = 'sent'", [channel]
        )
        return {row[0] for row in rows}

    def retire(self, in_force: Iterable[str], now: datetime) -> None:
        """Give up what waits for channels that are no longer set up: nobody will ever take it."""
        names = sorted(in_force)
        others = f"NOT IN ({', '.join('?' * len(names))})"
        with self._transaction():
            self._db.execute(
                f"UPDATE messages SET state = 'dead', error = 'its channel was taken away', done_at = ? "  # noqa: S608  question marks
                f"WHERE state = 'waiting' AND channel {others}",
                [now.timestamp(), *names],
            )
            self._db.execute(f"DELETE FROM channels WHERE name {others}", names)  # noqa: S608  question marks

    def repeated(self, channel: str, now: datetime, error: str | None) -> None:
        """A channel was told again what goes on, or could not be."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO channels (name) VALUES (?)", [channel])
            self._db.execute("UPDATE channels SET repeated_at = ? WHERE name = ?", [now.timestamp(), channel])
            if error is None:
                self._well(channel, now)
            else:
                self._ill(channel, error, now)

    def repeated_at(self, channel: str) -> datetime | None:
        """When `repeated` was called last."""
        row = self._db.execute("SELECT repeated_at FROM channels WHERE name = ?", [channel]).fetchone()
        return _time(row[0]) if row and row[0] is not None else None

    def standing(self) -> list[ChannelStanding]:
        """How each channel does that ever had something to say."""
        rows = self._db.execute(
            "SELECT n.name, coalesce(m.waiting, 0), m.oldest, coalesce(c.failures, 0), c.failing_since, c.error, c.sent_at, "
            "coalesce(m.dead, 0), c.not_before FROM (SELECT name FROM channels UNION SELECT channel FROM messages) n "
            "LEFT JOIN channels c ON c.name = n.name LEFT JOIN (SELECT channel, sum(state = 'waiting') AS waiting, "
            "min(made_at) FILTER (WHERE state = 'waiting') AS oldest, sum(state = 'dead') AS dead FROM messages GROUP BY channel) m "
            "ON m.channel = n.name ORDER BY n.name"
        )
        return [
            ChannelStanding(name, waiting, _maybe(oldest), failures, _maybe(since), error, _maybe(sent), dead, _maybe(rests or None))
            for name, waiting, oldest, failures, since, error, sent, dead, rests in rows
        ]

    def tidy(self, now: datetime) -> None:
        """Forget messages that were done with long ago."""
        self._db.execute(
            "DELETE FROM messages WHERE state <> 'waiting' AND done_at < ? AND id < (SELECT max(id) FROM messages)",
            [now.timestamp() - KEPT_DAYS * 86_400],
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, channel: str, notification: Notification, now: datetime) -> bool:
        at = now.timestamp()
        if notification.kind in MERGED:
            self._db.execute(
                "UPDATE messages SET state = 'merged', done_at = ? "
                "WHERE channel = ? AND incident_id = ? AND state = 'waiting' AND kind IN (?, ?)",
                [at, channel, notification.incident_id, *sorted(MERGED)],
            )
        done = self._db.execute(
            "INSERT OR IGNORE INTO messages (channel, notification_id, incident_id, kind, content, state, made_at) "
            "VALUES (?, ?, ?, ?, ?, 'waiting', ?)",
            [channel, notification.id, notification.incident_id, notification.kind, _NOTIFICATION.dump_json(notification).decode(), at],
        )
        return done.rowcount == 1

    def _ill(self, channel: str, error: str, now: datetime) -> None:
        self._db.execute("INSERT OR IGNORE INTO channels (name) VALUES (?)", [channel])
        self._db.execute(
            "UPDATE channels SET failures = failures + 1, failing_since = coalesce(failing_since, ?), error = ? WHERE name = ?",
            [now.timestamp(), error, channel],
        )

    def _well(self, channel: str, now: datetime) -> None:
        self._db.execute(
            "INSERT INTO channels (name, sent_at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
            "SET not_before = 0, failures = 0, failing_since = NULL, error = NULL, sent_at = excluded.sent_at",
            [channel, now.timestamp()],
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _opened(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
