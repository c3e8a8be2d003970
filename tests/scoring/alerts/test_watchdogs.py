"""Watchdogs and causes on made rows: what is missed is told, and what was never there is not."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import Settings
from proxy.log import rollups
from proxy.log.attach import Log
from proxy.service.client import Access
from scoring.alerts import cause, rules, watchdogs
from scoring.alerts.states import Reading

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
EMPTY = {"no_traffic", "nothing_scored", "judge_stale", "prices", "review_queue", "log_lag", "channel_fails"}


class Room:
    """A log to write rows to, and to ask."""

    def __init__(self, path: Path) -> None:
        self.path = path
        log = Log.open("goldwash.duckdb", path)
        log.close()

    def write(self, *statements: str) -> None:
        log = Log.open("goldwash.duckdb", self.path)
        db = log.cursor()
        for statement in statements:
            db.execute(statement)
        db.execute("DELETE FROM rollups")
        rollups.backfill(db)
        db.close()
        log.close()

    def heard(self, name: str) -> Reading:
        rule = rules.load(None).named(name)
        assert rule is not None
        with Access(Settings(data_dir=self.path)) as access:
            return watchdogs.reading(access, rule, NOW)  # type: ignore[arg-type]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def traffic(until: datetime, count: int = 500, **columns: str) -> str:
    """A statement that makes one exchange each ten minutes until then."""
    said = {"purpose": "'app'", "ending": "'complete'", "status": "200", "input_tokens": "1", "cost_usd": "0.1", **columns}
    return (
        f"INSERT INTO exchanges (exchange_id, accepted_at, ended_at, {', '.join(said)}) SELECT uuid(), "
        f"TIMESTAMPTZ '{until}' - i * INTERVAL 10 MINUTE, TIMESTAMPTZ '{until}' - i * INTERVAL 10 MINUTE, {', '.join(said.values())} "
        f"FROM range({count}) t(i)"
    )


def test_an_empty_log_says_nothing(room):
    """On a log without a row no watchdog fires, and all but the count of losses say that nothing can be said."""
    for rule in rules.load(None).rules:
        if rule.kind == "watchdog":
            heard = room.heard(rule.name)
            assert heard.breached is (None if rule.name in EMPTY else False), heard
            assert heard.message


def test_traffic_that_stops_is_missed(room):
    """Nothing for longer than an hour and three usual gaps fires; a little less does not."""
    room.write(traffic(NOW - timedelta(minutes=50)))
    assert room.heard("no_traffic").breached is False
    room.write("DELETE FROM exchanges", traffic(NOW - timedelta(minutes=70)))
    heard = room.heard("no_traffic")
    assert (heard.breached, heard.value) == (True, 70 * 60)
    room.write(f"DELETE FROM exchanges WHERE accepted_at < TIMESTAMPTZ '{NOW - timedelta(hours=3)}'", traffic(NOW - timedelta(hours=4)))
    assert room.heard("no_traffic").breached is False  # it was quiet for so long before


def test_a_scorer_that_stops_does_not_look_like_a_good_day(room):
    """Traffic goes on and the newest score is three days old: told; without any score ever it is not in use."""
    room.write(traffic(NOW))
    assert room.heard("nothing_scored").breached is None
    score = "INSERT INTO scores (record_id, created_at, name, kind, passed) VALUES (uuid(), TIMESTAMPTZ '{}', 'checks', 'checks', true)"
    room.write(score.format(NOW - timedelta(days=3)))
    assert room.heard("nothing_scored").breached is True
    room.write(score.format(NOW - timedelta(hours=12)))
    assert room.heard("nothing_scored").breached is False


def test_a_judge_without_people_is_told(room):
    """Verdicts for two months and no label of a person."""
    verdict = "INSERT INTO scores (record_id, created_at, name, kind, passed) VALUES (uuid(), TIMESTAMPTZ '{}', 'rubric', 'judge', true)"
    room.write(verdict.format(NOW - timedelta(days=40)), verdict.format(NOW))
    assert room.heard("judge_stale").breached is True
    label = f"INSERT INTO labels (record_id, created_at, name, passed, labeler) VALUES (uuid(), TIMESTAMPTZ '{NOW - timedelta(days=2)}', 'x', true, 'ann')"
    room.write(label)
    assert room.heard("judge_stale").breached is False


def test_missing_prices_are_told(room):
    """Usage without a price on a tenth of the day's requests; requests without usage are another matter."""
    room.write(traffic(NOW, 100), traffic(NOW, 200, cost_usd="NULL", input_tokens="NULL"))
    assert room.heard("prices").breached is False
    room.write(traffic(NOW, 10, cost_usd="NULL"))
    heard = room.heard("prices")
    assert heard.breached is True
    assert "10 of" in heard.message


def test_flags_that_wait_are_told(room):
    """More than fifty exchanges flagged for over a week, none of them labelled; a label takes one off the queue."""
    flag = "INSERT INTO flags (record_id, created_at, exchange_id, state) SELECT uuid(), TIMESTAMPTZ '{}', uuid(), 'open' FROM range({})"
    room.write(flag.format(NOW - timedelta(days=8), 51), flag.format(NOW, 100))
    heard = room.heard("review_queue")
    assert (heard.breached, heard.value, heard.n) == (True, 51, 151)
    room.write(
        "INSERT INTO labels (record_id, created_at, exchange_id, passed, labeler) "
        "SELECT uuid(), created_at, exchange_id, true, 'ann' FROM flags ORDER BY created_at LIMIT 1"
    )
    assert room.heard("review_queue").breached is False


def test_losses_are_told(room):
    """A lost exchange, missing frames and what was shed all count."""
    room.write(traffic(NOW, 100))
    assert room.heard("lost").breached is False
    room.write(
        traffic(NOW, 1, ending="'lost'"),
        f"INSERT INTO losses (found_at, run, frames, kind) VALUES (TIMESTAMPTZ '{NOW}', 'r', 2, 'gap')",
        f"INSERT INTO shed (shed_at, run, exchanges) VALUES (TIMESTAMPTZ '{NOW}', 'r', 3)",
    )
    heard = room.heard("lost")
    assert (heard.breached, heard.value) == (True, 6)


def _rows(**columns: list[tuple[str, bool, int, float]]) -> list[dict[str, object]]:
    return [
        {"column": column, "value": value, "is_now": is_now, "n": n, "bad": bad}
        for column, found in columns.items()
        for value, is_now, n, bad in found
    ]


def test_what_carries_a_change_is_named():
    """The value that brings nearly all of the surplus, and is less of the traffic than that."""
    found = cause.most(
        _rows(
            feature=[("a", True, 100, 30.0), ("b", True, 300, 3.0), ("a", False, 1000, 10.0), ("b", False, 3000, 30.0)],
            upstream=[("openai", True, 400, 33.0), ("openai", False, 4000, 40.0)],
            status=[("500", True, 33, 33.0), ("200", True, 367, 0.0), ("500", False, 40, 40.0), ("200", False, 3960, 0.0)],
        )
    )
    assert found is not None
    assert (found.column, found.value) == ("feature", "a")
    assert found.share == pytest.approx(1.0, abs=0.05)
    assert (found.rate, found.before) == (0.3, 0.01)


def test_what_is_everywhere_carries_nothing():
    """Where all features fail alike, none of them is named; without anything bad nothing is."""
    alike = _rows(
        feature=[("a", True, 100, 10.0), ("b", True, 100, 10.0), ("a", False, 1000, 10.0), ("b", False, 1000, 10.0)],
        upstream=[("openai", True, 200, 20.0), ("openai", False, 2000, 20.0)],
    )
    found = cause.most(alike)
    assert found is None or found.share <= 0.5
    assert cause.most([]) is None
    assert cause.most(_rows(feature=[("a", True, 100, 0.0)])) is None


def test_failures_without_a_model_are_no_model_of_their_own():
    """In a log that has just begun, what all of the traffic has in common is not named; the kind of failure is."""
    found = cause.most(
        _rows(
            upstream=[("openai", True, 400, 100.0)],
            request_model=[("gpt-4o", True, 400, 100.0)],
            response_model=[("gpt-4o-2024", True, 300, 0.0), ("", True, 100, 100.0)],
            status=[("500", True, 100, 100.0), ("200", True, 300, 0.0)],
        )
    )
    assert found is not None
    assert (found.column, found.value) == ("status", "500")


def test_a_mix_that_moved_is_named():
    """A feature that was a fifth of the traffic and is half of it now; a tenth more or less is nothing."""
    rows = _rows(feature=[("a", True, 50, 1.0), ("b", True, 50, 1.0), ("a", False, 200, 1.0), ("b", False, 800, 1.0)])
    moved = cause.mixed(rows)
    assert moved is not None
    assert (abs(moved.now - 0.5), abs(abs(moved.now - moved.before) - 0.3)) == (0, pytest.approx(0))
    assert "Traffic mix: feature" in cause.told(None, [], moved)[0]
    assert cause.mixed(_rows(feature=[("a", True, 30, 1.0), ("b", True, 70, 1.0), ("a", False, 20, 1.0), ("b", False, 80, 1.0)])) is None


def test_a_slice_in_sql_cannot_break_out():
    """A feature's name is a client's: in the query for a person it is a literal."""
    name = f"x'; DROP TABLE exchanges; -- {uuid.uuid4()}"
    assert "feature = 'x''; DROP TABLE" in cause.question({"feature": name}, cause.ERROR, NOW, NOW, None)
