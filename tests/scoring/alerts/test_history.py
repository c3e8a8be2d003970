"""Replaying and tuning on a real log: what was wrong in it is found at its time, and thresholds are tried."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from scoring.alerts.history import _parts
from scoring.alerts.kinds import Errors
from scoring.alerts.states import Reading
from scoring.alerts.tuning import tune
from scoring.commands.alerts import alerts
from tests.scoring.alerts.month import made

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = TODAY - timedelta(days=9)
BURST = TODAY - timedelta(days=2) + timedelta(hours=12)
STEP = TODAY - timedelta(days=1)
REPLAYED = TODAY - timedelta(days=3)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A log of nine days with a burst of errors, an hour of slow answers and a price step."""
    directory = tmp_path_factory.mktemp("history")
    during = f"at_ >= TIMESTAMPTZ '{BURST.isoformat()}' AND at_ < TIMESTAMPTZ '{(BURST + timedelta(hours=1)).isoformat()}'"
    made(
        directory,
        START,
        9,
        20_000,
        trouble={
            "status": f"CASE WHEN {during} AND u < 0.06 THEN 500 WHEN u < 0.004 THEN 500 ELSE 200 END",
            "ms": f"CASE WHEN {during} THEN 4 ELSE 1 END * (600 + 800 * u3)",
            "cost": f"0.002 * (0.5 + u2) * CASE WHEN at_ >= TIMESTAMPTZ '{STEP.isoformat()}' THEN 1.35 ELSE 1 END",
        },
    )
    path = directory / "goldwash.toml"
    path.write_text(f'data_dir = "{directory}"\n', encoding="utf-8")
    return path


def replayed(config, rule: str, *words: str) -> list[dict]:
    done = CliRunner().invoke(alerts, ["replay", "--config", str(config), "--rule", rule, "--from", str(REPLAYED.date()), *words])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def test_a_burst_of_errors_is_found_at_its_time(config):
    """All traffic fires within 15 minutes of the burst's beginning, and nothing fires before it."""
    told = replayed(config, "errors")
    firing = [one for one in told if one["state"] == "firing"]
    first = datetime.fromisoformat(firing[0]["at"])
    assert BURST < first <= BURST + timedelta(minutes=15)
    whole = [one for one in firing if one["slice"] == {}]
    assert whole
    assert datetime.fromisoformat(whole[0]["at"]) <= BURST + timedelta(minutes=15)
    assert whole[0]["day"] == str(BURST.date())


def test_slow_answers_and_a_dearer_task_are_found(config):
    """Four times the latency within 15 minutes; 35% more cost within a day; quiet elsewhere."""
    slow = [datetime.fromisoformat(one["at"]) for one in replayed(config, "latency") if one["state"] == "firing"]
    assert slow
    assert BURST < min(slow) <= BURST + timedelta(minutes=15)
    assert max(slow) < BURST + timedelta(hours=1)
    dear = [datetime.fromisoformat(one["at"]) for one in replayed(config, "cost") if one["state"] == "firing"]
    assert dear
    assert STEP < min(dear) <= STEP + timedelta(days=1)


def test_what_has_no_history_is_said(config):
    """A watchdog speaks of the present; days the wrong way round are named."""
    done = CliRunner().invoke(alerts, ["replay", "--config", str(config), "--rule", "lost", "--from", str(START.date())])
    assert "keeps no history" in str(done.exception)
    done = CliRunner().invoke(alerts, ["replay", "--config", str(config), "--from", "2026-02-01", "--to", "2026-01-01"])
    assert "turn them round" in done.output
    assert replayed(config, "burn") == []
    assert replayed(config, "quality") == []


def test_tuning_tries_thresholds(config):
    """At lower thresholds a rule fires at least as often; the advice is the lowest that gives few enough; nothing judged is said."""
    words = ["tune", "--config", str(config), "--from", str(REPLAYED.date()), "--rule", "latency", "--rule", "refusals"]
    done = CliRunner().invoke(alerts, [*words, "--a-month", "12", "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    latency, refusals = json.loads(done.stdout)
    incidents = [trial["incidents"] for trial in latency["trials"]]
    assert incidents == sorted(incidents, reverse=True)
    assert incidents[-1] == 0
    assert latency["advised"] == 3.0 or latency["advised"] < 3.0
    assert [trial["threshold"] for trial in latency["trials"] if trial["in_force"]] == [3.0]
    assert (refusals["slices"], refusals["advised"]) == (0, None)
    shown = CliRunner().invoke(alerts, words).output
    assert "refusals: nothing to judge in these 3 days" in shown
    assert "Incidents a month by ratio" in shown


def test_slices_that_fire_together_are_one_incident():
    """Two that overlap are one; one that comes later is another; thresholds a key does not allow are left out."""
    rule = Errors(name="errors", limit=0.4)

    def judged(changed):
        assert isinstance(changed, Errors)

        def stream(*minutes: int) -> list[Reading]:
            at = [START + timedelta(minutes=minute) for minute in range(60)]
            return [Reading("errors", {}, one, breached=index in minutes) for index, one in enumerate(at)]

        return [stream(*range(5)), stream(*range(3, 9)), stream(40)]

    tuned = tune(rule, judged, 30, 2)
    assert {(trial.incidents, trial.firings) for trial in tuned.trials} == {(2, 3)}
    assert all(trial.threshold < 1 for trial in tuned.trials)
    assert (tuned.slices, tuned.advised) == (3, tuned.trials[0].threshold)


def test_old_days_are_judged_by_the_hour():
    """What the roll-ups no longer tell apart is asked for in whole hours, and nothing is asked for twice."""
    parts = list(_parts(TODAY - timedelta(days=20), TODAY, TODAY, timedelta(minutes=5)))
    assert [cell for _, _, cell in parts] == [timedelta(hours=1), timedelta(minutes=5)]
    assert parts[0][1] == parts[1][0]
    assert (parts[0][0], parts[1][1]) == (TODAY - timedelta(days=20), TODAY)
    assert len(list(_parts(START, TODAY, TODAY, timedelta(minutes=5)))) == 1
