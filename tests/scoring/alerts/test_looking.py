"""Indicators by day on made rows: judged quality, checks and feedback, each sliced, and evaluated by the quality rule."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import Settings
from proxy.log import rollups
from proxy.log.attach import Log
from proxy.service.client import Access
from scoring.alerts import measuring, rules
from scoring.alerts.looking import Eyes, look

FIRST = date(2026, 3, 2)
NOW = datetime(2026, 4, 20, 9, tzinfo=UTC)  # 49 days later
DROP = 42
A_DAY = 120


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven weeks of exchanges, each judged, checked and rated; in the last week quality falls from 95% to 75% on one feature."""
    path = tmp_path_factory.mktemp("weeks")
    log = Log.open("goldwash.duckdb", path)
    db = log.cursor()
    db.execute(
        f"""INSERT INTO exchanges (exchange_id, accepted_at, ended_at, provider, operation, ending, status, response_model, feature,
            prompt_version, purpose)
        SELECT uuidv7(), TIMESTAMPTZ '{FIRST}' + to_days(CAST(d AS INTEGER)) + to_seconds(i * 86400 / {A_DAY}), at_, 'openai', 'chat', 'complete', 200,
            'm1', CASE WHEN i % 2 = 0 THEN 'search' ELSE 'chat' END, 'v1', 'app'
        FROM range(49) days(d), range({A_DAY}) t(i), (SELECT TIMESTAMPTZ '{FIRST}' AS at_)"""
    )
    bad = f"""hash(exchange_id) % 100 < CASE WHEN feature = 'search' AND accepted_at >= TIMESTAMPTZ '{FIRST + timedelta(days=DROP)}'
        THEN 25 ELSE 5 END"""
    db.execute("UPDATE exchanges SET ended_at = accepted_at")
    db.execute(
        f"""INSERT INTO score_items (record_id, created_at, exchange_id, day, item, feature, model, prompt_version, is_random, passed)
        SELECT uuid(), accepted_at + INTERVAL 1 DAY, exchange_id, CAST(accepted_at AS DATE), CAST(exchange_id AS VARCHAR), feature,
            response_model, prompt_version, true, NOT ({bad}) FROM exchanges"""
    )
    db.execute(
        f"""INSERT INTO scores (record_id, created_at, exchange_id, name, kind, passed, properties)
        SELECT uuid(), accepted_at + INTERVAL 1 DAY, exchange_id, 'checks', 'checks', true,
            CASE WHEN {bad} THEN '{{"informs": ["refusal"]}}' ELSE '{{"ran": ["refusal"]}}' END FROM exchanges"""
    )
    db.execute(
        f"""INSERT INTO feedback (record_id, created_at, exchange_id, name, value)
        SELECT uuid(), accepted_at, exchange_id, 'thumbs', CASE WHEN {bad} THEN 'down' ELSE 'up' END FROM exchanges"""
    )
    db.execute("DELETE FROM rollups; DELETE FROM rollup_scores")
    rollups.backfill(db)
    db.close()
    log.close()
    return path


@pytest.mark.parametrize("sli", ["judged_pass", "refusal", "thumbs_down"])
def test_days_of_an_indicator(data_dir, sli):
    """Each dimension's slices have the same days, and add up to everything; a prompt version stands with its feature."""
    with Access(Settings(data_dir=data_dir)) as access:
        found = measuring.days(access, sli, list(measuring.COLUMNS), FIRST, date(2026, 4, 19), 200)
    by = {tuple(sorted(slice_.items())): days for slice_, days in found}
    whole = by[()]
    assert len(whole) == 49
    assert set(whole.n) == {A_DAY}
    search, chat = by[(("feature", "search"),)], by[(("feature", "chat"),)]
    assert list(search.failed + chat.failed) == list(whole.failed)
    assert list(by[(("route", "openai/chat"),)].failed) == list(whole.failed)
    assert list(by[(("response_model", "m1"),)].n) == list(whole.n)
    assert list(by[(("feature", "search"), ("prompt_version", "v1"))].failed) == list(search.failed)
    assert search.failed[-7:].sum() > 2 * search.failed[:7].sum()


@pytest.mark.parametrize("name", ["quality", "refusals", "thumbs_down"])
def test_a_drop_is_seen_where_it_is(data_dir, name):
    """The feature that fell is over its limit and the other is not; the same days again are no news."""
    file = rules.load(None)
    rule = file.named(name)
    eyes = Eyes()
    with Access(Settings(data_dir=data_dir)) as access:
        found = look(access, rule, file, NOW, eyes)
        assert look(access, rule, file, NOW + timedelta(minutes=1), eyes) is None
        assert look(access, rule, file, NOW + timedelta(hours=1), eyes) is None
    breached = {reading.slice.get("feature"): reading.breached for reading in found if set(reading.slice) == {"feature"}}
    assert breached == {"search": True, "chat": False}


def test_an_indicator_nobody_measures_has_no_days(data_dir):
    """Nothing judged is no data, and not a day without failures."""
    with Access(Settings(data_dir=data_dir)) as access:
        assert measuring.days(access, "grounding", ["all", "feature"], FIRST, date(2026, 4, 19), 200) == []
        assert measuring.days(access, "judged_pass", ["all"], date(2025, 1, 1), date(2025, 2, 1), 200) == []
