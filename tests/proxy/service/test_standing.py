"""What /metrics says of the watch itself, figure by figure; and what traffic it counts, with how many labels."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proxy.log import rollups
from proxy.log.attach import Log
from proxy.log.columns import EXCHANGES, batch, insert
from proxy.service.exposition import Buckets, Figure, render
from proxy.service.standing import export, prices, standing
from proxy.service.traffic import OTHER, VALUES, Traffic
from tests.scoring import made

NOW = datetime.now(UTC)
"""The queries ask DuckDB's own clock."""


@pytest.fixture
def log(tmp_path: Path):
    opened = Log.open("goldwash.duckdb", tmp_path)
    yield opened
    opened.close()


def put(log: Log, table: str, **values: Any) -> None:
    row = {"record_id": made.exchange_id(NOW, hash(str(values)) & 0xFFFF), "created_at": NOW, **values}
    names = ", ".join(f'"{name}"' for name in row)
    log.cursor().execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def exchanges(log: Log, numbers: range, loaded: datetime, **columns: Any) -> None:
    db = log.cursor()
    rows = [made.row(number, 40, **{"accepted_at": NOW - timedelta(minutes=5), **columns})[0] for number in numbers]
    db.register("arriving", batch(EXCHANGES, [[made._value(row.get(c.name), c.name) for c in EXCHANGES] for row in rows]))
    db.execute(insert("exchanges", EXCHANGES, "arriving", stamped=True), [loaded])
    rollups.count(db, "arriving")
    db.close()


def figures(found: list[Figure]) -> dict[str, Any]:
    """By name; by name and labels where there are labels."""
    return {
        f"{f.name}{json.dumps(dict(labels)) if labels else ''}": value for f in found for labels, value in f.values if value is not None
    }


def test_a_log_without_scores_says_nothing_of_them(log):
    """No zeros are made up: only that nobody waits in review."""
    assert figures(standing(log.cursor(), NOW)) == {"goldwash_review_waiting": 0}


def test_alerts_nights_review_and_messages_are_told(log):
    """Each figure that the board calls occasional."""
    put(log, "alerts", rule="quality", feature="search", state="pending", created_at=NOW - timedelta(hours=2))
    put(log, "alerts", rule="quality", feature="search", state="firing", created_at=NOW - timedelta(hours=1))
    put(log, "alerts", rule="quality", feature="chat", state="firing")
    put(log, "notifications", channel="slack", state="dead")
    night = {"n_population": 100, "n_sampled": 20, "n_scored": 15, "n_failed": 3, "n_skipped": 2, "cost_usd": "1.5"}
    put(log, "judge_runs", day=NOW.date(), created_at=NOW - timedelta(hours=3), state="done", **night)
    exchanges(log, range(4), NOW)
    flagged, labelled = made.exchange_id(NOW, 1), made.exchange_id(NOW, 2)
    put(log, "flags", exchange_id=flagged, kind="failure", state="open", created_at=NOW - timedelta(days=2))
    put(log, "flags", exchange_id=labelled, kind="failure", state="open", created_at=NOW - timedelta(days=3))
    put(log, "labels", exchange_id=labelled, passed=True)
    for passed in (True, False, False, None):
        put(log, "scores", name="grounded", kind="judge", passed=passed, exchange_id=flagged, run_id=str(passed) + str(NOW.microsecond))
    for number in range(4):
        put(log, "score_items", day=NOW.date(), item=str(number), passed=number > 0, is_random=True)
    put(log, "score_items", day=NOW.date(), item="picked", passed=False, is_random=False)
    db = log.cursor()
    for number in range(2):
        put(log, "scores", name="grounded", kind="judge", passed=number == 0, exchange_id=flagged, value=float(number))
    rollups.say(db, "scores", [str(row[0]) for row in db.execute("SELECT record_id FROM scores").fetchall()])
    found = figures(standing(log.cursor(), NOW))
    assert found['goldwash_alerts{"rule": "quality", "state": "firing"}'] == 2
    assert 'goldwash_alerts{"rule": "quality", "state": "pending"}' not in found, "a slice is in one state"
    assert found['goldwash_notifications_recent{"channel": "slack", "state": "dead"}'] == 1
    assert found["goldwash_night_age_seconds"] == pytest.approx(3 * 3600, abs=5)
    assert (found["goldwash_night_sampled"], found["goldwash_night_coverage_ratio"]) == (20, 0.75)
    assert found['goldwash_night_items{"state": "failed"}'] == 3
    assert found["goldwash_last_score_age_seconds"] == pytest.approx(0, abs=60)
    assert found["goldwash_review_waiting"] == 1
    assert found["goldwash_review_oldest_seconds"] == pytest.approx(2 * 86400, abs=5)
    assert 0 < found['goldwash_score_failed_ratio{"source": "score", "name": "grounded"}'] < 1
    assert found['goldwash_sli_bad_ratio{"sli": "errors", "window": "1d"}'] == 0
    assert found['goldwash_sli_events{"sli": "errors", "window": "1d"}'] == 4
    assert found['goldwash_sli_bad_ratio{"sli": "judged_pass", "window": "7d"}'] == 0.25
    assert found['goldwash_sli_events{"sli": "judged_pass", "window": "7d"}'] == 4


def test_the_export_tells_how_it_does(tmp_path):
    """By the file that it keeps; a file that cannot be read gives no figures."""
    from proxy.service.standing import EXPORT
    from scoring.export.position import FILE, Progress, Stream

    assert EXPORT == FILE
    assert export(tmp_path, 1000.0) == []
    Progress(tmp_path / FILE, {"traces": Stream(sent=7, refused=1, held_since=900.0)}).save()
    found = figures(export(tmp_path, 1000.0))
    assert found == {
        'goldwash_export_sent_total{"stream": "traces"}': 7,
        'goldwash_export_refused_total{"stream": "traces"}': 1,
        'goldwash_export_held_seconds{"stream": "traces"}': 100.0,
    }
    (tmp_path / FILE).write_text("{")
    assert export(tmp_path, 1000.0) == []


def test_prices_have_an_age():
    """At least that of the newest price that had begun."""
    assert figures(prices(NOW))["goldwash_prices_age_seconds"] >= 0


def test_traffic_is_counted_once_and_from_the_start_of_the_service(log):
    """What lay in the log before is not counted; what comes is, once, however late its own time was."""
    exchanges(log, range(5), NOW)
    traffic = Traffic()
    traffic.begin(log.cursor())
    traffic.refresh(log.cursor())
    assert figures(traffic.figures()) == {}
    exchanges(
        log,
        range(5, 8),
        NOW + timedelta(seconds=1),
        feature="search",
        accepted_at=NOW - timedelta(days=3),
        is_stream=True,
        time_to_first_chunk_ms=40.0,
    )
    exchanges(log, range(8, 10), NOW + timedelta(seconds=2), feature=None, status=500, cost_usd=None)
    for _ in range(2):
        traffic.refresh(log.cursor())
    found = figures(traffic.figures())
    assert found['goldwash_feature_exchanges_total{"feature": "search"}'] == 3
    assert found["goldwash_feature_errors_total"] == 2, "no feature, no label"
    assert found['goldwash_feature_cost_usd_total{"feature": "search"}'] == pytest.approx(0.0003)
    (first,) = [value for name, value in found.items() if name.startswith("gen_ai_client_operation_time_to_first_chunk_seconds")]
    assert isinstance(first, Buckets)
    assert (sum(first.counts), first.counts[2]) == (3, 3)
    assert sum('"error_type": "500"' in name for name in found) == 1
    (unpriced,) = [value for name, value in found.items() if name.startswith("goldwash_unpriced_total")]
    assert unpriced == 2


def test_labels_are_bounded_and_lines_keep_their_meaning(log):
    """Ten thousand features make as many lines as allowed: those most used lately by name, and `other`; nothing is lost in the sum."""
    exchanges(log, range(3), NOW, feature="known")
    traffic = Traffic()
    traffic.begin(log.cursor())
    rows = 400
    db = log.cursor()
    made_up = [made.row(n, 40, feature=f"f{n}", request_model=f"m{n}", accepted_at=NOW)[0] for n in range(rows)]
    made_up += [made.row(rows + n, 40, feature="known", accepted_at=NOW)[0] for n in range(5)]
    db.register("arriving", batch(EXCHANGES, [[made._value(row.get(c.name), c.name) for c in EXCHANGES] for row in made_up]))
    db.execute(insert("exchanges", EXCHANGES, "arriving", stamped=True), [NOW + timedelta(seconds=1)])
    traffic.refresh(log.cursor())
    counted = next(f for f in traffic.figures() if f.name == "goldwash_feature_exchanges_total")
    by_feature = {labels["feature"]: value for labels, value in counted.values}
    assert len(by_feature) == VALUES + 1
    assert by_feature["known"] == 5
    assert by_feature[OTHER] == rows - (VALUES - 1)
    assert sum(by_feature.values()) == rows + 5
    models = {labels.get("gen_ai_request_model") for f in traffic.figures() if f.name.startswith("gen_ai") for labels, _ in f.values}
    assert len(models) <= VALUES + 1


def test_a_histogram_is_written_as_prometheus_reads_it():
    """Buckets are sums up to their bound, +Inf is the count; OpenMetrics has an end."""
    figure = Figure("d_seconds", "histogram", "Time.", (({"m": "x"}, Buckets((0.5, 1.0), (2, 1, 3), 9.25)),))
    assert render([figure]).splitlines()[2:] == [
        'd_seconds_bucket{m="x",le="0.5"} 2',
        'd_seconds_bucket{m="x",le="1.0"} 3',
        'd_seconds_bucket{m="x",le="+Inf"} 6',
        'd_seconds_sum{m="x"} 9.25',
        'd_seconds_count{m="x"} 6',
    ]
