"""The job on a real log: each signal once, whatever is repeated, killed or late; and the commands over it."""

from __future__ import annotations

import json
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from config.settings import Settings
from proxy.commands.submission import Submission, load
from proxy.log.attach import Log
from proxy.service.client import Access, ServiceError
from scoring.commands.signals import signals as command
from scoring.outbox import Outbox
from scoring.signals import following, people
from scoring.signals.following import Cursor, follow, job, read_cursor
from tests.scoring import made
from tests.scoring.signals.talks import START, Talk

ANSWER = "The shop opens at nine in the morning and closes at six in the evening."
OTHER = "It costs twelve euros a month, and the first month is free."
SQL = """
    SELECT exchange_id::VARCHAR AS id, name, count(*) AS rows, arg_max(label, created_at) AS label FROM scores
    WHERE kind = 'signal' GROUP BY ALL ORDER BY ALL"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir()
    Log.open("goldwash.duckdb", data).close()
    (tmp_path / "goldwash.toml").write_text(f'data_dir = "{data}"\n')
    return Settings(data_dir=data)


def put(settings: Settings, *talks: Talk, loaded: datetime, skip: frozenset[str] = frozenset()) -> None:
    """Exchanges into the log, as if they had come in at that time."""
    rows = [
        made.row(number, **row) for number, row in enumerate(row for talk in talks for row in talk.rows if row["exchange_id"] not in skip)
    ]
    made.store(settings.data_dir, rows)
    log = Log.open("goldwash.duckdb", settings.data_dir)
    db = log.cursor()
    db.execute("UPDATE exchanges SET loaded_at = ? WHERE loaded_at IS NULL", [loaded])
    db.close()
    log.close()


def step(settings: Settings, cursor: Cursor, now: datetime) -> int:
    """One run of the job at that time, and what it wrote brought into the log."""
    with Outbox(settings, "signals") as outbox, Access(settings) as access:
        done = follow(access, outbox, cursor, now)
    load(settings)
    return done.signals


def found(settings: Settings) -> list[tuple[str, str, int, str]]:
    with Access(settings) as access:
        return [(row["id"], row["name"], row["rows"], row["label"]) for row in access.rows(SQL)]


def talk() -> Talk:
    one = Talk()
    one.ask(0, "When does the shop in Bern open on Sunday?", ANSWER)
    one.ask(40, "When on Sunday does the shop open in Bern?", OTHER)
    return one


def test_each_signal_is_written_once_and_only_when_it_is_settled(settings: Settings) -> None:
    """Nothing for half an hour; then all of it; nothing more however often it runs, also from the beginning again."""
    one = talk()
    first, second = (row["exchange_id"] for row in one.rows)
    put(settings, one, loaded=START + timedelta(minutes=1))
    cursor = Cursor(START - timedelta(days=1))
    assert step(settings, cursor, START + timedelta(minutes=20)) == 0
    assert step(settings, cursor, START + timedelta(hours=1)) == 3
    assert step(settings, cursor, START + timedelta(hours=1)) == 0
    wanted = [
        (first, "next_edit_distance", 1, "other words"),
        (first, "rephrased", 1, "reworded"),
        (second, "abandoned", 1, "after the answer"),
    ]
    assert sorted(found(settings)) == sorted(wanted)
    assert step(settings, Cursor(START - timedelta(days=1)), START + timedelta(hours=2)) == 0
    assert sorted(found(settings)) == sorted(wanted)


def test_a_run_that_is_not_yet_loaded_and_repeated_adds_nothing(settings: Settings) -> None:
    """Killed after writing and before the cursor was kept: the rows have the same ids."""
    put(settings, talk(), loaded=START)
    for _ in range(2):
        with Outbox(settings, "signals") as outbox, Access(settings) as access:
            follow(access, outbox, Cursor(START - timedelta(days=1)), START + timedelta(hours=1))
    load(settings)
    assert {rows for _, _, rows, _ in found(settings)} == {1}


def test_what_comes_late_is_taken_in_and_what_it_disproves_is_withdrawn(settings: Settings) -> None:
    """A host was cut off for hours: its exchange shows that the session went on, and that a question was said anew."""
    one = talk()
    late = one.ask(100, "So when exactly does the shop open on Sunday in Bern?", ANSWER)
    second = one.rows[1]["exchange_id"]
    put(settings, one, loaded=START, skip=frozenset({late}))
    cursor = Cursor(START - timedelta(days=1))
    step(settings, cursor, START + timedelta(hours=1))
    assert (second, "abandoned", 1, "after the answer") in found(settings)
    put(settings, one, loaded=START + timedelta(hours=3), skip=frozenset(row["exchange_id"] for row in one.rows[:2]))
    step(settings, cursor, START + timedelta(hours=4))
    after = found(settings)
    assert (second, "abandoned", 2, "withdrawn") in after
    assert (second, "rephrased", 1, "reworded") in after
    assert (late, "abandoned", 1, "after the answer") in after
    with Access(settings) as access:
        (row,) = access.rows("SELECT value, unscored FROM scores WHERE label = 'withdrawn'")
    assert (row["value"], row["unscored"]) == (None, "withdrawn"), "sums of values do not count it"
    assert step(settings, cursor, START + timedelta(hours=5)) == 0


def test_the_cursor_is_found_again_after_a_restart(settings: Settings) -> None:
    """It lies in the log; where there is none the last seven days are looked at."""
    put(settings, talk(), loaded=START)
    now = START + timedelta(hours=1)
    with Access(settings) as access:
        assert read_cursor(access, now).through == now - timedelta(days=7)
    cursor = Cursor(START - timedelta(days=1))
    step(settings, cursor, now)
    with Access(settings) as access:
        again = read_cursor(access, now)
    assert (again.through, again.seen) == (now - timedelta(minutes=35), START)


def test_a_long_empty_time_is_passed_over(settings: Settings) -> None:
    """A year without traffic is one step."""
    put(settings, talk(), loaded=START)
    began = time.monotonic()
    cursor = Cursor(START - timedelta(days=365))
    step(settings, cursor, START + timedelta(days=365))
    assert time.monotonic() - began < 5
    assert cursor.through == START + timedelta(days=365) - timedelta(minutes=35)


def test_a_span_that_the_log_refuses_stops_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told and passed over; a log that is away is waited for."""
    put(settings, talk(), loaded=START)
    status = 413

    def refuse(*_: object) -> None:
        raise ServiceError(status, "too many rows", "ask for less")

    monkeypatch.setattr(following, "compute", refuse)
    cursor = Cursor(START - timedelta(days=1))
    assert step(settings, cursor, START + timedelta(hours=1)) == 0
    assert cursor.through == START + timedelta(minutes=25)
    status = 503
    with pytest.raises(ServiceError):
        step(settings, Cursor(START - timedelta(days=1)), START + timedelta(hours=1))


def test_many_people_are_taken_in_parts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few turns may be in memory, the same is found."""
    talks = []
    for number in range(40):
        one = Talk(f"session {number}")
        one.ask(number, "When does the shop in Bern open on Sunday?", ANSWER)
        one.ask(number + 40, "When on Sunday does the shop open in Bern?", OTHER)
        talks.append(one)
    put(settings, *talks, loaded=START)
    monkeypatch.setattr(people, "MOST_TURNS", 10)
    monkeypatch.setattr(following, "PAGE", 3)
    assert step(settings, Cursor(START - timedelta(hours=2)), START + timedelta(hours=1)) == 120
    assert len(found(settings)) == 120


def test_the_watcher_s_job_runs(settings: Settings) -> None:
    """By the contract of jobs: it reads by the access it is given and writes through the spool."""
    put(settings, talk(), loaded=START)
    made_job = job(settings)
    assert (made_job.name, made_job.every_seconds) == ("signals", 60.0)
    with Access(settings) as access:
        made_job.run(access, START + timedelta(hours=1))
    load(settings)
    assert len(found(settings)) == 3


def test_the_commands_compute_and_hold_signals_against_feedback(settings: Settings, tmp_path: Path) -> None:
    """300 people, of whom those who were answered badly ask anew more often and rate down more often: lift well above one."""
    chance = random.Random(3)
    talks, said = [], []
    for number in range(300):
        one = Talk(f"session {number}")
        bad = chance.random() < 0.3
        asked = one.ask(number * 10, f"When does shop number {number} in Bern open on Sunday?", ANSWER)
        if chance.random() < (0.7 if bad else 0.1):
            one.ask(number * 10 + 40, f"When on Sunday does shop number {number} open in Bern?", OTHER)
        else:
            one.ask(number * 10 + 40, "Thank you, and do you sell bread and butter there too?", OTHER)
        if chance.random() < 0.5:
            said.append({"exchange_id": asked, "name": "thumb", "value": "down" if chance.random() < (0.9 if bad else 0.1) else "up"})
        talks.append(one)
    put(settings, *talks, loaded=START)
    with Submission(settings, "test") as submission:
        for feedback in said:
            submission.add("feedback", feedback)
    span = ["--from", "2026-03-01", "--to", "2026-03-04", "--json", "--config", str(tmp_path / "goldwash.toml")]
    computed = CliRunner().invoke(command, ["compute", *span])
    assert computed.exit_code == 0, computed.output
    assert json.loads(computed.output)["exchanges"] == 600
    assert json.loads(CliRunner().invoke(command, ["compute", *span]).output)["new"] == 0
    told = CliRunner().invoke(command, ["agreement", *span])
    assert told.exit_code == 0, told.output
    by_name = {one["signal"]: one for one in json.loads(told.output)["agreement"]}
    rephrased = by_name["rephrased"]
    assert rephrased["n"] == len(said)
    assert rephrased["lift_low"] > 1.3
    assert rephrased["phi_low"] > 0.2
    assert by_name["regenerated"]["lift"] is None
    shown = CliRunner().invoke(command, ["agreement", *[one for one in span if one != "--json"]])
    assert "rephrased" in shown.output
    backwards = CliRunner().invoke(
        command, ["agreement", "--from", "2026-03-04", "--to", "2026-03-01", "--config", str(tmp_path / "goldwash.toml")]
    )
    assert backwards.exit_code == 2
