"""The watcher's rules on a log of nine days: what goes wrong is told in time and with its cause, and what does not is left alone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import Settings
from proxy.commands.submission import load as load_spool
from proxy.log import rollups
from proxy.log.attach import Log
from proxy.service.client import Access, ServiceError
from scoring.alerts import cause, rules
from scoring.alerts.evaluation import Evaluator, job
from scoring.alerts.states import Transition
from tests.scoring.alerts.month import made

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
ERRORS = START + timedelta(days=8, hours=9)  # 5% of everything for three hours
SLOW = START + timedelta(days=8, hours=13)  # 4 times as slow for half an hour
SHIPPED = START + timedelta(days=8, hours=15)  # feature0 answers with a new model, which fails
DEARER = START + timedelta(days=7, hours=8)  # everything costs 30% more from then on
TROUBLE = {
    "status": f"""CASE WHEN at_ >= TIMESTAMPTZ '{ERRORS}' AND at_ < TIMESTAMPTZ '{ERRORS + timedelta(hours=3)}' AND u < 0.05 THEN 500
        WHEN model = 'gpt-5-2026' AND u < 0.3 THEN 400 WHEN u < 0.004 THEN 500 ELSE 200 END""",
    "ms": f"""exp(6.6 + 0.6 * sqrt(-2 * ln(greatest(u3, 1e-9))) * cos(2 * pi() * u4))
        * CASE WHEN at_ >= TIMESTAMPTZ '{SLOW}' AND at_ < TIMESTAMPTZ '{SLOW + timedelta(minutes=30)}' THEN 4 ELSE 1 END""",
    "cost": f"0.002 * (0.5 + u2) * CASE WHEN at_ >= TIMESTAMPTZ '{DEARER}' THEN 1.3 ELSE 1 END",
    "price_version": f"CASE WHEN at_ >= TIMESTAMPTZ '{DEARER}' THEN '2026.2' ELSE '2026.1' END",
    "model": f"""CASE WHEN feature_number = 0 AND at_ >= TIMESTAMPTZ '{SHIPPED}' THEN 'gpt-5-2026'
        WHEN feature_number < 3 THEN 'gpt-4.1-2025-04-14' ELSE 'claude-sonnet-4-2025' END""",
}


@pytest.fixture(scope="module")
def nine_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log with all these troubles, made once."""
    path = tmp_path_factory.mktemp("nine_days")
    made(path, START, 9, 16_000, trouble=TROUBLE)
    return path


@pytest.fixture
def settings(nine_days: Path, tmp_path: Path) -> Settings:
    """A data directory of its own with that log."""
    shutil.copy(nine_days / "goldwash.duckdb", tmp_path / "goldwash.duckdb")
    return Settings(data_dir=tmp_path)


class Told:
    """What the watcher says while minutes pass."""

    def __init__(self, settings: Settings, only: tuple[str, ...] = ()) -> None:
        if only:
            off = [f"[rule.{rule.name}]\nenabled = false\n" for rule in rules.load(None).rules if rule.name not in only]
            own = settings.data_dir / "alerts.toml"
            own.write_text("".join(off))
            settings = settings.model_copy(update={"alerts": settings.alerts.model_copy(update={"rules": own})})
        self.settings = settings
        self.file = rules.load(settings.alerts.rules)
        self.evaluator = Evaluator(settings, self.file)

    def pass_(self, start: datetime, length: timedelta, step: timedelta = timedelta(minutes=1)) -> list[Transition]:
        """Every change from `start` on."""
        found = []
        with Access(self.settings) as access:
            now = start
            while now <= start + length:
                found += self.evaluator.run(access, now)
                now += step
        return found


def fired(found: list[Transition], rule: str) -> list[Transition]:
    return [one for one in found if one.after == "firing" and one.reading.rule == rule]


def test_a_burst_of_errors_is_told_within_fifteen_minutes(settings):
    """5% of requests fail: the errors rule fires in time, and is over when they are."""
    told = Told(settings, ("errors",))
    assert fired(told.pass_(ERRORS - timedelta(minutes=10), timedelta(minutes=9)), "errors") == []
    found = fired(told.pass_(ERRORS, timedelta(minutes=15), timedelta(minutes=3)), "errors")
    assert {} in [dict(one.reading.slice) for one in found]
    told.pass_(ERRORS + timedelta(hours=2), timedelta(hours=1), timedelta(minutes=30))
    after = told.pass_(ERRORS + timedelta(hours=3, minutes=10), timedelta(minutes=60), timedelta(minutes=15))
    assert any(one.after == "resolved" and not one.reading.slice for one in after)


def test_slow_answers_are_told_within_fifteen_minutes(settings):
    """p95 four times what it was: told within 15 minutes of the first slow answer."""
    told = Told(settings, ("latency",))
    assert fired(told.pass_(SLOW - timedelta(minutes=20), timedelta(minutes=19), timedelta(minutes=5)), "latency") == []
    found = fired(told.pass_(SLOW, timedelta(minutes=15)), "latency")
    assert {} in [dict(one.reading.slice) for one in found]
    assert found[0].reading.value > 3 * found[0].reading.baseline


def test_a_price_step_is_told_within_a_day(settings):
    """Everything costs 30% more: the cost rule fires, and says which price list is new."""
    told = Told(settings, ("cost",))
    assert fired(told.pass_(DEARER - timedelta(hours=2), timedelta(hours=2), timedelta(hours=1)), "cost") == []
    found = fired(told.pass_(DEARER + timedelta(hours=4), timedelta(hours=20), timedelta(hours=4)), "cost")
    assert {} in [dict(one.reading.slice) for one in found]
    with Access(settings) as access:
        explain = cause.explainer(access, told.file, found[0].reading.at)
        text = explain(_said(found[0])).text
    assert "price_version '2026.2'" in text


def test_the_cause_is_named(settings):
    """A new model on one feature fails: the alert names the slice that carries it, what is new there, the SQL and failed exchanges."""
    told = Told(settings, ("errors",))
    told.pass_(SHIPPED - timedelta(minutes=2), timedelta(minutes=1))
    found = fired(told.pass_(SHIPPED, timedelta(minutes=15), timedelta(minutes=5)), "errors")
    whole = next(one for one in found if not one.reading.slice)
    with Access(settings) as access:
        said = cause.explainer(access, told.file, whole.reading.at + timedelta(minutes=2))(_said(whole))
        assert "_model 'gpt-5-2026' brings" in said.text or "feature 'feature0' brings" in said.text
        assert "response_model 'gpt-5-2026'" in said.text.split("New since")[1]
        assert access.rows(said.sql or "")[-1]["exchanges"]
        statuses = access.rows(
            "SELECT DISTINCT status FROM exchanges WHERE CAST(exchange_id AS VARCHAR) IN (SELECT unnest($ids))", {"ids": list(said.samples)}
        )
    assert {row["status"] for row in statuses} <= {400, 500}
    assert len(said.samples) == cause.SAMPLES


def test_quiet_days_are_quiet(settings):
    """Two days with their daily pattern, every rule looking every four hours: nothing fires. The long form is tests/scoring/alerts/quiet.py."""
    found = Told(settings).pass_(START + timedelta(days=4), timedelta(days=2), timedelta(hours=4))
    assert [one for one in found if one.after in ("pending", "firing")] == []


def test_the_first_day_is_quiet(settings):
    """With less than a day behind it nothing fires, and what cannot be said yet stands as no data."""
    told = Told(settings)
    found = told.pass_(START + timedelta(minutes=1), timedelta(hours=24), timedelta(hours=3))
    assert [one for one in found if one.after in ("pending", "firing")] == []
    assert told.evaluator.alerts["latency", ()].standing.state == "no_data"


def test_states_outlive_the_watcher(settings):
    """What fired is in `alerts`; a watcher that starts again knows it and does not tell it twice, and tells when it is over."""
    found = Told(settings, ("errors",)).pass_(ERRORS + timedelta(minutes=10), timedelta(minutes=2))
    assert fired(found, "errors")
    load_spool(settings)
    with Access(settings) as access:
        rows = access.rows("SELECT rule, state, n, message FROM alerts WHERE state = 'firing' AND (properties ->> '$.slice') = '{}'")
    assert [(row["rule"], row["n"] > 0, bool(row["message"])) for row in rows] == [("errors", True, True)]
    again = Told(settings, ("errors",))
    assert [one for one in again.pass_(ERRORS + timedelta(minutes=13), timedelta(minutes=2)) if not one.reading.slice] == []
    assert again.evaluator.alerts["errors", ()].standing.state == "firing"
    after = again.pass_(ERRORS + timedelta(hours=4), timedelta(minutes=30), timedelta(minutes=5))
    assert [one.after for one in after if not one.reading.slice][:1] == ["resolved"]


def test_a_mistake_in_the_rules_leaves_the_old_ones(settings, tmp_path):
    """The file is read again at each look: a mistake is told once and changes nothing, a correction does."""
    own = tmp_path / "alerts.toml"
    own.write_text("[rule.errors]\nlimit = 0.01\n")
    settings = settings.model_copy(update={"alerts": settings.alerts.model_copy(update={"rules": own})})
    evaluator = Evaluator(settings, rules.load(own))
    own.write_text('[rule.errors]\nlimit = "many"\n')
    with Access(settings) as access:
        evaluator.run(access, START + timedelta(days=4))
        assert "line 2" in str(evaluator.wrong)
        assert evaluator.file.named("errors").limit == 0.01
        own.write_text("[rule.errors]\nlimit = 0.03\n")
        evaluator.run(access, START + timedelta(days=4, minutes=1))
    assert evaluator.wrong is None
    assert evaluator.file.named("errors").limit == 0.03


def test_a_rule_that_goes_is_closed(settings):
    """An alert that fires while its rule is taken out of the file ends, and its end is stored."""
    told = Told(settings, ("errors",))
    told.pass_(ERRORS + timedelta(minutes=10), timedelta(minutes=2))
    told.settings.alerts.rules.write_text("[rule.errors]\nenabled = false\n")
    ended = [one for one in told.pass_(ERRORS + timedelta(minutes=13), timedelta(0)) if one.reading.rule == "errors"]
    assert {(one.before, one.after) for one in ended} == {("firing", "inactive")}
    assert [rule for rule, _ in told.evaluator.alerts if rule == "errors"] == []


def test_silence_is_no_data_and_then_an_alarm(settings):
    """When traffic stops, what was measured becomes no data and not 0, and the watchdog of traffic fires."""
    told = Told(settings, ("latency", "no_traffic"))
    end = START + timedelta(days=9)
    told.pass_(end - timedelta(minutes=3), timedelta(minutes=2))
    found = told.pass_(end + timedelta(minutes=30), timedelta(hours=2), timedelta(minutes=10))
    assert told.evaluator.alerts["latency", ()].standing.state == "no_data"
    assert len(fired(found, "no_traffic")) == 1
    assert "no request for" in fired(found, "no_traffic")[0].reading.message


def test_clock_steps_raise_nothing(settings):
    """A clock that jumps a day back, and then two ahead, neither fires an alert nor stops the watcher."""
    told = Told(settings, ("errors", "latency", "cost", "no_traffic"))
    day = START + timedelta(days=5, hours=12)
    found = []
    for at in (day, day - timedelta(days=1), day + timedelta(days=1), day):
        found += told.pass_(at, timedelta(minutes=3))
    assert [one for one in found if one.after == "firing"] == []


def test_ten_thousand_features_are_looked_at_within_bounds(tmp_path):
    """A feature for each request: evaluation is bounded to those with most events, and a feature seen once says nothing."""
    made(
        tmp_path,
        START,
        1,
        12_000,
        trouble={"status": f"CASE WHEN u < 0.2 AND at_ > TIMESTAMPTZ '{START + timedelta(hours=13, minutes=30)}' THEN 500 ELSE 200 END"},
    )
    log = Log.open("goldwash.duckdb", tmp_path)
    db = log.cursor()
    db.execute("UPDATE exchanges SET feature = 'f' || (hash(exchange_id) % 10000)")
    db.execute("DELETE FROM rollups")
    rollups.backfill(db)
    db.close()
    log.close()
    told = Told(Settings(data_dir=tmp_path), ("errors", "latency", "cost"))
    found = told.pass_(START + timedelta(hours=14), timedelta(minutes=2))
    assert {dict(one.reading.slice).get("feature") for one in found if one.after == "firing"} == {None}
    assert len(told.evaluator.alerts) < 3 * 500


def test_a_log_service_that_is_away_is_told(settings, tmp_path):
    """While nobody answers, the watchdog of the log's lag waits its time and fires; the others stand as they stood."""

    class Away(Access):
        def __init__(self) -> None:
            self.settings, self.remote, self.log, self._readers = settings, None, None, None

        def sql(self, *_: object, **__: object):
            raise ServiceError(503, "the log service does not answer", "it is starting")

    evaluator = Evaluator(settings, rules.load(None))
    found = []
    for minute in range(0, 16, 5):
        found += evaluator.run(Away(), START + timedelta(minutes=minute))
    assert [(one.reading.rule, one.after) for one in found if one.after == "firing"] == [("log_lag", "firing")]


def test_the_job_starts_with_the_shipped_rules_where_the_file_is_wrong(settings, tmp_path):
    """A watcher whose rules file cannot be read at the start still watches."""
    own = tmp_path / "alerts.toml"
    own.write_text("[rule.errors\n")
    made_of = job(settings.model_copy(update={"alerts": settings.alerts.model_copy(update={"rules": own})}))
    with Access(settings) as access:
        made_of.run(access, START + timedelta(days=4))


def _said(one: Transition):
    from scoring.alerts.notifications import Notification

    return Notification(
        "i1", "opened", "critical", "title", "text", one.reading.rule, one.reading.slice, one.reading.value, one.reading.threshold,
        one.since, None, (), one.reading.at,
    )  # fmt: skip
