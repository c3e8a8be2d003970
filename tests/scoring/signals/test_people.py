"""However much comes in within the hour: what is read for signals is bounded, a sample is one of whole people, and it is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from proxy.commands.submission import load
from proxy.log.attach import Log
from proxy.service.client import Access
from proxy.service.readers import Answer
from scoring.outbox import Outbox
from scoring.pages import Window
from scoring.signals import following, people
from scoring.signals.following import Cursor, compute, follow
from scoring.signals.people import ALL, plan
from tests.scoring.alerts.heavy import fill

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
QUARTER = Window(START, START + timedelta(minutes=15))


class Counting(Access):
    """Counts the rows that the log gives."""

    rows_given = 0
    largest = 0

    def sql(self, sql: str, name: str = "json", parameters: Any = None) -> Answer:
        """As the log gives it."""
        answer = super().sql(sql, name, parameters)
        self.rows_given += answer.rows
        self.largest = max(self.largest, answer.size)
        return answer


def log_of(tmp_path: Path, exchanges: int, who: str) -> Settings:
    data = tmp_path / "data"
    data.mkdir()
    fill(data, exchanges, START, who)
    return Settings(data_dir=data)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the limits, a hundredth of them."""
    monkeypatch.setattr(people, "MOST_TURNS", 80)
    monkeypatch.setattr(people, "MOST_LOOKED", 400)


@pytest.mark.usefixtures("small")
def test_a_crowd_over_one_key_is_not_read(tmp_path: Path) -> None:
    """A load test that names nobody: it once stood in memory as a whole, turn by turn; now nothing of it is read, and that is counted."""
    settings = log_of(tmp_path, 4000, "crowd")
    with Outbox(settings, "signals") as outbox, Counting(settings) as access:
        assert plan(access, QUARTER, 400).crowds == 4000
        done = compute(access, outbox, QUARTER, 400)
        assert (done.exchanges, done.signals) == (0, 0)
        assert access.rows_given < 20


@pytest.mark.usefixtures("small")
def test_of_very_many_people_a_sample_is_read_each_as_a_whole(tmp_path: Path) -> None:
    """Four turns a person: as many rows are read as the limit says, four of each, and what is written says which share it stands for."""
    settings = log_of(tmp_path, 4000, "people")
    with Outbox(settings, "signals") as outbox, Counting(settings) as access:
        done = compute(access, outbox, QUARTER, 400)
        assert 300 < done.exchanges <= 400 + 4
        assert access.rows_given < 3 * 410, "ids, exchanges, and what is known of them"
        assert done.signals > 0
    load(settings)
    with Access(settings) as access:
        sessions = "SELECT count(*) AS n FROM scores s JOIN exchanges e USING (exchange_id) WHERE s.kind = 'signal' GROUP BY e.session_id"
        signals = access.rows(sessions)
        assert len({row["n"] for row in signals}) == 1, "each person as the others"
        (share,) = {row["share"] for row in access.rows("SELECT (properties ->> '$.share')::DOUBLE AS share FROM scores")}
        assert share == pytest.approx(0.1, abs=0.002)
    with Outbox(settings, "signals") as outbox, Access(settings) as access:
        assert compute(access, outbox, QUARTER, 400).signals == 0, "the same people again"
        whole = compute(access, outbox, QUARTER, ALL)
        assert whole.exchanges == 4000
        assert whole.signals == pytest.approx(9 * done.signals, rel=0.01)
    load(settings)
    with Access(settings) as access:
        (row,) = access.rows("SELECT count(*) AS n, count(DISTINCT (exchange_id, name)) AS each FROM scores")
        assert row["n"] == row["each"], "whoever was in the sample is not told again"


def test_people_who_came_once_are_looked_at_without_being_read(tmp_path: Path) -> None:
    """There is nothing to find of one who sent one exchange; one who hung up is read, since that is a signal by itself."""
    settings = log_of(tmp_path, 800, "people")
    log = Log.open("goldwash.duckdb", settings.data_dir)
    db = log.cursor()
    db.execute("UPDATE exchanges SET session_id = CAST(exchange_id AS VARCHAR)")
    db.execute("UPDATE exchanges SET ending = 'client_gone' WHERE rowid < 8")
    db.close()
    log.close()
    with Outbox(settings, "signals") as outbox, Counting(settings) as access:
        assert plan(access, QUARTER).alone == 792
        assert compute(access, outbox, QUARTER).exchanges == 800
        assert access.rows_given < 40
        assert plan(access, Window(START - timedelta(days=1), START)).parts == ()


def test_of_a_key_with_more_talks_than_fit_a_part_of_the_talks_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is named, so what tells people apart is in the bodies: all are read and one conversation in so many is kept."""
    monkeypatch.setattr(people, "MOST_TURNS", 100)
    settings = log_of(tmp_path, 1000, "crowd")
    with Counting(settings) as access:
        (part,) = plan(access, QUARTER).parts
        assert (part.one_in, part.share) == (10, 0.1)
        turns, _ = following._read(access, QUARTER, part)
        assert 50 < len(turns) < 150
        assert access.largest < 600 * 1000, "page by page"


def test_a_busy_log_is_looked_at_half_an_hour_at_a_time(tmp_path: Path) -> None:
    """Around a minute's news lies an hour that must be read with it: that is not done each minute."""
    settings = log_of(tmp_path, 2000, "people")
    cursor = Cursor(START - timedelta(minutes=5))
    now = START + timedelta(minutes=40)
    with Outbox(settings, "signals") as outbox, Counting(settings) as access:
        looked = []
        for minute in range(61):
            before = access.rows_given
            follow(access, outbox, cursor, now + timedelta(minutes=minute))
            if access.rows_given - before > 100:
                looked.append(minute)
    assert looked == [20], "five minutes before the first exchange the cursor stood; FOLLOW later there is enough to look at"
    assert cursor.through == START + timedelta(minutes=25 + 30 + 10)


def test_what_a_run_has_no_time_for_is_done_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that came late make a long time be looked at again: a run that breaks off goes on where it broke off, not where it began."""
    monkeypatch.setattr(following, "SPAN", timedelta(minutes=5))
    settings = log_of(tmp_path, 400, "people")
    cursor = Cursor(START + timedelta(hours=2), START - timedelta(hours=1))  # all of it came after what was seen
    now = START + timedelta(hours=2, minutes=35)
    with Outbox(settings, "signals") as outbox, Access(settings) as access:
        runs = 0
        while cursor.seen == START - timedelta(hours=1):
            runs += 1
            assert runs < 50
            follow(access, outbox, cursor, now, budget=1e-4)
    assert runs > 3
    load(settings)
    with Access(settings) as access:
        (row,) = access.rows("SELECT count(DISTINCT exchange_id) AS n FROM scores WHERE kind = 'signal'")
    assert row["n"] > 250


@pytest.mark.usefixtures("small")
def test_what_is_too_much_is_cut_into_half_hours_without_a_rest(tmp_path: Path) -> None:
    """Two hours become half hours, half an hour and a minute does not: the minute would cost as much again."""
    settings = log_of(tmp_path, 4000, "people")
    with Outbox(settings, "signals") as outbox, Access(settings) as access:
        assert compute(access, outbox, Window(START, START + timedelta(hours=2)), 400).through == START + timedelta(minutes=30)
        assert compute(access, outbox, Window(START, START + timedelta(minutes=31)), 400).through == START + timedelta(minutes=31)


@pytest.mark.parametrize("who", ["crowd", "people"])
def test_traffic_of_which_nothing_can_be_told_yet_is_not_read(tmp_path: Path, who: str) -> None:
    """A new log under load: all of it once was read each minute as what lies near a span without a single exchange."""
    settings = log_of(tmp_path, 3000, who)
    with Outbox(settings, "signals") as outbox, Counting(settings) as access:
        cursor = following.read_cursor(access, START + timedelta(minutes=15))
        for minute in range(15, 35):
            assert follow(access, outbox, cursor, START + timedelta(minutes=minute)).exchanges == 0
        assert access.rows_given < 10 * 20
