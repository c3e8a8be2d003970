"""The sums beside the rows: they agree with the rows after all that can happen to rows."""

from __future__ import annotations

import json
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from proxy.exchange import Ending, Reading, Usage
from proxy.log import migrations, rollups
from proxy.log.attach import Log
from proxy.log.ingest import Loader
from proxy.log.redaction import Redactor
from proxy.spool import frames

NOON = datetime.fromtimestamp(20_000 * 86_400 + 43_200, UTC)
NOON_NS = int(NOON.timestamp()) * 1_000_000_000
SUMS = """
    SELECT feature, provider, response_model, sum(exchanges), sum(errors), sum(complete), sum(client_gone), sum(upstream_error), sum(lost),
        sum(retries), sum(input_tokens), sum(unpriced), round(sum(duration_ms), 3) FROM rollups GROUP BY ALL ORDER BY ALL"""
ROWS = """
    SELECT feature, provider, coalesce(response_model, request_model), count(*),
        count(*) FILTER (coalesce(status, 0) >= 400 OR error_type IS NOT NULL OR ending IN ('partial', 'upstream_error', 'lost')),
        count(*) FILTER (ending = 'complete'), count(*) FILTER (ending = 'client_gone'), count(*) FILTER (ending = 'upstream_error'),
        count(*) FILTER (ending = 'lost'), count(retry_of), sum(input_tokens), count(*) FILTER (cost_usd IS NULL AND input_tokens IS NOT NULL),
        round(sum(duration_ms) FILTER (ending = 'complete' AND coalesce(status, 0) < 400 AND error_type IS NULL), 3)
    FROM exchanges GROUP BY ALL ORDER BY ALL"""
BINS = """
    SELECT feature, entry.key, sum(entry.value) FROM (SELECT feature, unnest(map_entries(durations)) AS entry FROM rollups)
    GROUP BY ALL HAVING sum(entry.value) <> 0 ORDER BY ALL"""


def said(room, table: str, content: dict, identity: bytes | None = None) -> None:
    """A record as the outside spools it, loaded."""
    traffic = room.traffic("said")
    traffic.spool.append(frames.record(identity or uuid.uuid4().bytes, NOON_NS, table, json.dumps(content).encode()))
    traffic.spool.close()
    room.load()


def busy(room, count: int, seed: int = 1) -> None:
    """Exchanges of some features over an hour, with all sorts of endings."""
    seeded = random.Random(seed)
    traffic = room.traffic(f"w{seed}")
    for _ in range(count):
        headers = (("goldwash-feature", f"f{seeded.randrange(3)}"),) if seeded.random() < 0.9 else ()
        if seeded.random() < 0.1:
            headers = (*headers, ("goldwash-retry-of", "x"))
        at = NOON_NS + seeded.randrange(3600) * 1_000_000_000
        exchange_id = traffic.accept(at_ns=at, headers=headers, upstream=seeded.choice(["openai", "mistral"]))
        ending = seeded.choice([Ending.COMPLETE] * 6 + [Ending.CLIENT_GONE, Ending.UPSTREAM_ERROR, Ending.PARTIAL])
        traffic.finish(exchange_id, ending=ending, status=seeded.choice([200, 200, 200, 429, 500]))
    traffic.accept(at_ns=NOON_NS)  # never finished: lost
    traffic.spool.close()


def test_sums_agree_with_the_rows(room):
    """Counted by slice, sums and rows are the same, with every ending, and again after a loader that starts anew."""
    busy(room, 300)
    room.load()
    assert room.sql(SUMS) == room.sql(ROWS)
    assert room.one("SELECT sum(lost) FROM rollups") == 1
    room.restart(rows=7)
    busy(room, 200, seed=2)
    room.load()
    assert room.sql(SUMS) == room.sql(ROWS)
    assert room.one("SELECT sum(exchanges) FROM rollups") == 502


def test_a_round_that_fails_counts_nothing(room, monkeypatch):
    """What is rolled back is not in the sums either, and the next round counts it once."""
    busy(room, 50)
    original = rollups.count

    def failing(db, source):
        original(db, source)
        raise duckdb.Error("the disk is full")

    monkeypatch.setattr(rollups, "count", failing)
    with pytest.raises(duckdb.Error, match="full"):
        room.load()
    assert room.sql("SELECT * FROM rollups") == []
    monkeypatch.undo()
    room.load()
    assert room.sql(SUMS) == room.sql(ROWS)


def test_merging_changes_no_sum(room):
    """However old the rows become, what they add up to stays, and there are fewer of them; late rows join their bucket."""
    busy(room, 300)
    room.restart(rows=5)
    room.load()
    sums, bins, many = room.sql(SUMS), room.sql(BINS), room.one("SELECT count(*) FROM rollups")
    for age, width in ((timedelta(hours=3), 5), (timedelta(days=17), 60), (timedelta(days=200), 1440)):
        assert not rollups.tidy(room.log, NOON + age, 20.0)
        assert room.sql("SELECT DISTINCT minutes FROM rollups") == [(width,)]
        assert room.sql(SUMS) == sums
        assert room.sql(BINS) == bins
    assert room.one("SELECT count(*) FROM rollups") < many / 5
    busy(room, 10, seed=3)
    room.load()
    assert room.sql(SUMS) == room.sql(ROWS)
    rollups.tidy(room.log, NOON + timedelta(days=200), 20.0)
    assert room.sql(SUMS) == room.sql(ROWS)


def test_merging_stops_when_its_time_is_up(room):
    """With no time it says that there is more, and has changed nothing by halves."""
    busy(room, 50)
    room.load()
    sums = room.sql(SUMS)
    assert rollups.tidy(room.log, NOON + timedelta(days=200), 0.0)
    assert room.sql(SUMS) == sums


def test_what_clients_make_up_is_bounded(room, monkeypatch):
    """A prompt version for each request, or a feature for each user, becomes one rest beside those used most; nothing is left out."""
    monkeypatch.setattr(rollups, "_MERGES", _with(monkeypatch, features=4, of_a_feature=2))
    traffic = room.traffic()
    for number in range(120):
        feature = "busy" if number % 2 else f"user{number}"
        traffic.finish(
            traffic.accept(headers=(("goldwash-feature", feature), ("goldwash-prompt-version", "v1" if number % 3 else str(number))))
        )
    room.load()
    rollups.tidy(room.log, NOON + timedelta(days=1), 20.0)
    assert room.one("SELECT count(DISTINCT feature), sum(exchanges) FROM rollups") == (5, 120)
    assert room.one("SELECT max(n) FROM (SELECT count(DISTINCT prompt_version) AS n FROM rollups GROUP BY feature)") <= 3
    assert room.one("SELECT sum(exchanges) FROM rollups WHERE feature = 'busy'") == 60
    assert room.one("SELECT sum(exchanges) FROM rollups WHERE feature = 'busy' AND prompt_version = 'v1'") == 40


def _with(monkeypatch, features: int, of_a_feature: int) -> dict:
    monkeypatch.setattr(rollups, "MOST_FEATURES", features)
    monkeypatch.setattr(rollups, "MOST_OF_A_FEATURE", of_a_feature)
    return rollups._totals()


def test_a_percentile_of_merged_bins_is_near(tmp_path: Path):
    """The 95th percentile from the bins lies within 4.5% of that of the rows, for milliseconds as for minutes."""
    log = Log.open("goldwash.duckdb", tmp_path)
    db = log.cursor()
    seeded = random.Random(5)
    for scale in (3.0, 800.0, 90_000.0):
        values = [scale * seeded.lognormvariate(0, 0.8) for _ in range(4000)]
        db.execute("DELETE FROM rollups")
        db.execute(
            "CREATE OR REPLACE TEMP VIEW made AS SELECT NULL AS status, NULL AS error_type, 'complete' AS ending, NULL AS turns, "
            f"TIMESTAMPTZ '{NOON.isoformat()}' AS accepted_at, accepted_at AS ended_at, d AS duration_ms, d AS time_to_first_chunk_ms, "
            + ", ".join(f"NULL::VARCHAR AS {name}" for name in (*rollups.DIMENSIONS, "request_model", "refusal", "retry_of"))
            + ", 1 AS input_tokens, 1 AS output_tokens, NULL::BIGINT AS cache_read_tokens, 0.1::DECIMAL(24,12) AS cost_usd "
            f"FROM (SELECT unnest({values}) AS d)"
        )
        rollups.count(db, "made")
        found = db.execute(
            "SELECT bin FROM (SELECT entry.key AS bin, sum(entry.value) OVER (ORDER BY entry.key) AS below, sum(entry.value) OVER () AS n "
            "FROM (SELECT unnest(map_entries(durations)) AS entry FROM rollups)) WHERE below >= 0.95 * n ORDER BY bin LIMIT 1"
        ).fetchone()
        assert found
        middle = rollups.milliseconds(found[0] + 0.5)
        truth = sorted(values)[int(0.95 * len(values))]
        assert middle == pytest.approx(truth, rel=0.046)
    db.close()
    log.close()


def test_a_correction_moves_what_was_counted(room):
    """What is read again leaves its old slice and joins the new one, tokens and all; the same record twice changes nothing more."""
    traffic = room.traffic()
    ids = [str(uuid.UUID(bytes=traffic.exchange())) for _ in range(3)]
    room.load()
    record = uuid.uuid4().bytes
    after = {"response_model": "m-2024-08-06", "input_tokens": 7, "cost_usd": 0.5}
    for _ in range(2):
        said(room, "readings_history", {"exchange_id": ids[0], "before": {}, "after": after}, record)
    assert room.sql(SUMS) == [row for row in room.sql(SUMS) if row[3] >= 0]
    assert room.sql(SUMS) == room.sql(ROWS)
    assert room.sql("SELECT response_model, sum(exchanges), sum(input_tokens), sum(unpriced) FROM rollups GROUP BY 1 ORDER BY 1") == [
        ("m", 2, 2, 2),
        ("m-2024-08-06", 1, 7, 0),
    ]
    rollups.tidy(room.log, NOON + timedelta(days=1), 20.0)
    assert room.sql(SUMS) == room.sql(ROWS)


def test_opinions_are_counted_in_the_slice_of_their_exchange(room):
    """Feedback by either id, a judge's score and the summary of checks; one that is said twice counts once, a failed check's row not again."""
    traffic = room.traffic()
    headers = (("goldwash-feature", "search"), ("goldwash-prompt-version", "v2"))
    raw = traffic.accept(headers=headers)
    traffic.finish(raw)
    exchange_id = str(uuid.UUID(bytes=raw))
    room.load()
    twice = uuid.uuid4().bytes
    said(room, "feedback", {"exchange_id": exchange_id, "name": "thumbs", "value": "down"}, twice)
    said(room, "feedback", {"exchange_id": exchange_id, "name": "thumbs", "value": "down"}, twice)
    said(room, "feedback", {"exchange_id": exchange_id, "name": "thumbs", "score": 1})
    said(room, "feedback", {"exchange_id": exchange_id, "name": "thumbs", "comment": "hm"})
    said(room, "feedback", {"response_id": "nobody-knows", "name": "thumbs", "value": "down"})
    said(room, "scores", {"exchange_id": exchange_id, "name": "supported", "kind": "judge", "passed": False, "value": 0.25})
    checks = {"name": "checks", "kind": "checks", "passed": False, "ran": ["empty"], "failed": ["refusal"], "unscored": ["language"]}
    said(room, "scores", {"exchange_id": exchange_id, **checks})
    said(room, "scores", {"exchange_id": exchange_id, "name": "refusal", "kind": "check", "passed": False})
    query = 'SELECT source, name, feature, prompt_version, sum(n), sum(failed), sum(unscored), sum("value") FROM rollup_scores GROUP BY ALL ORDER BY ALL'
    expected = [
        ("feedback", "thumbs", "search", "v2", 2, 1, 1, 1.0),
        ("feedback", "thumbs", None, None, 1, 1, 0, None),
        ("score", "checks", "search", "v2", 1, 1, 0, None),
        ("score", "empty", "search", "v2", 1, 0, 0, None),
        ("score", "language", "search", "v2", 0, 0, 1, None),
        ("score", "refusal", "search", "v2", 1, 1, 0, None),
        ("score", "supported", "search", "v2", 1, 1, 0, 0.25),
    ]
    assert room.sql(query) == expected
    rollups.tidy(room.log, datetime.now(UTC) + timedelta(days=9), 20.0)
    assert room.sql(query) == expected


@pytest.mark.parametrize(
    "strange",
    [
        {"ran": 5, "failed": {"a": 1}, "informs": ["x", 7, None, ["y"]], "unscored": "no list"},
        {"ran": "text", "unscored": [1]},
        {"properties": "text", "unscored": '{"a": '},
        {"value": 1e308},
    ],
)
def test_what_others_post_cannot_stop_the_loading(room, strange):
    """A score or feedback of any shape is loaded; what cannot be counted is left out."""
    exchange_id = str(uuid.UUID(bytes=room.traffic().exchange()))
    for kind in ("checks", "judge", "", None):
        said(room, "scores", {"exchange_id": exchange_id, "name": None, "kind": kind, **strange})
        said(room, "scores", {"exchange_id": "none", "name": "n", "kind": kind, **strange})
    said(room, "feedback", {"exchange_id": exchange_id, "score": 1e308, **strange})
    said(room, "feedback", {"exchange_id": exchange_id, "score": 1e308, "value": {"a": 1}})
    assert room.one("SELECT count(*) FROM scores") == 8
    assert room.one("SELECT sum(exchanges) FROM rollups") == 1
    rollups.tidy(room.log, datetime.now(UTC) + timedelta(days=9), 20.0)


def test_absurd_tokens_do_not_overflow(room):
    """A provider that reports 2**63 - 1 tokens again and again costs a wrong sum, not the loading."""
    reading = Reading(request_model="m", usage=Usage(input_tokens=2**63 - 1, output_tokens=2**63 - 1), output_text="ok")
    room.loader.close()
    room.loader = Loader(room.log, room.path / "spool", lambda _: reading, room.loader._price, Redactor())
    traffic = room.traffic()
    for _ in range(4):
        traffic.exchange()
    room.load()
    assert room.one("SELECT sum(exchanges), sum(input_tokens) FROM rollups") == (4, 4 * rollups.MOST_TOKENS)


def test_an_older_log_is_counted_when_it_is_brought_up(room):
    """Dropping the sums and taking the step again gives what loading had counted."""
    busy(room, 200)
    room.load()
    traffic = room.traffic("w9")
    exchange_id = str(uuid.UUID(bytes=traffic.exchange()))
    room.load()
    said(room, "feedback", {"exchange_id": exchange_id, "value": "down"})
    rollups.tidy(room.log, NOON + timedelta(hours=4), 20.0)
    opinions = "SELECT * EXCLUDE (minutes) FROM rollup_scores"
    before, bins, said_before = room.sql(SUMS), room.sql(BINS), room.sql(opinions)
    room.loader.close()
    db = room.log.cursor()
    db.execute("DROP TABLE rollups; DROP TABLE rollup_scores")
    step = next(number for number, one in enumerate(migrations.MIGRATIONS, 1) if one is migrations._rollups)
    migrations.MIGRATIONS[step - 1](db)
    assert (room.sql(SUMS), room.sql(BINS), room.sql(opinions)) == (before, bins, said_before)
    db.close()
    room.loader = room.new_loader()


def test_a_lake_keeps_them_too(tmp_path: Path, room):
    """Counting, correcting and merging work in a lake as in a file."""
    busy(room, 60)
    log = Log.open(f"ducklake:{tmp_path / 'catalog.ducklake'}", tmp_path, "files")
    loader = Loader(log, tmp_path / "spool", room.loader._read, room.loader._price, Redactor())
    while loader.step(time.time_ns()).more:
        pass
    db = log.cursor()
    sums = db.execute(SUMS).fetchall()
    assert sums == db.execute(ROWS).fetchall()
    assert rollups.tidy(log, NOON + timedelta(hours=3), 20.0) is False
    assert db.execute(SUMS).fetchall() == sums
    assert db.execute("SELECT DISTINCT minutes FROM rollups").fetchall() == [(5,)]
    db.close()
    loader.close()
    log.close()


def test_retention_drops_old_sums(room):
    """Sums older than rows are kept go with them."""
    busy(room, 20)
    room.load()
    db = room.log.cursor()
    rollups.expire(db, NOON + timedelta(minutes=30))
    assert db.execute("SELECT min(bucket) FROM rollups").fetchone()[0] >= NOON + timedelta(minutes=30)
    db.close()


class Bound:
    """A connection that notes the longest list among the parameters."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self.db, self.longest = db, 0

    def __getattr__(self, name: str):
        return getattr(self.db, name)

    def execute(self, sql: str, parameters=None):
        for value in [*parameters.values()] if isinstance(parameters, dict) else parameters or []:
            self.longest = max(self.longest, len(value) if isinstance(value, list) else 1)
        return self.db.execute(sql, parameters)


def test_ids_are_handed_over_as_a_whole(room):
    """A list as a parameter is bound item by item, 20 µs each: it was nine tenths of what counting opinions cost."""
    db = Bound(room.log.cursor())
    db.execute("INSERT INTO scores (record_id, created_at, kind, name, passed) SELECT uuidv7(), now(), 'judge', 'ok', true FROM range(500)")
    rollups.say(db, "scores", [str(row[0]) for row in db.execute("SELECT record_id FROM scores").fetchall()])
    assert db.execute("SELECT sum(n)::INT FROM rollup_scores").fetchone() == (500,)
    assert db.longest <= 1
    db.close()
