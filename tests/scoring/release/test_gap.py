"""Offline against online: the themes' weights, the parts that add up to the gap, and the command on weeks of a real log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from config.settings import load
from proxy.commands.submission import Submission
from scoring.commands.release import release
from scoring.estimates.proportions import Interval
from scoring.gate.results import Header, Result, Results, write
from scoring.golden.case import Confirmation, Expected, GoldenCase, Input, text_of
from scoring.rates import Judged
from scoring.release.gap import Offline, Outcome, mover, week, weighted
from tests.scoring.made import row, store

MONDAY = date(2026, 3, 2)
PARCEL = "When will my parcel number {} arrive, the courier tracking stands still"
REFUND = "I want the refund money for invoice {} back on my credit card please"
RECIPE = "Which spices belong into a vegetable curry with {} grams of lentils"


def items(theme_failures: Sequence[tuple[int, int, int]], *, blind: int = 0) -> tuple[list[Judged], list[int]]:
    """(theme, items, failures) → labelled rows; the judge misses the first `blind` failures of each theme."""
    rows, themes = [], []
    for theme, n, failures in theme_failures:
        for number in range(n):
            label = float(number < failures)
            verdict = 0.0 if number < min(blind, failures) else label
            names = {"feature": "chat", "model": "m", "prompt_version": "v"}
            rows.append(Judged(f"{theme}-{number}", MONDAY, verdict, label, 0.5, 1.0, "s", f"{theme}-{number}", "f1", names))
            themes.append(theme)
    return rows, themes


def offline(*cases: tuple[int, float, bool], marks: frozenset[str] = frozenset({"f1"})) -> Offline:
    outcomes = tuple(Outcome(f"c{number}", theme, failed, stale) for number, (theme, failed, stale) in enumerate(cases))
    return Offline("nightly", MONDAY, outcomes, marks)


def test_the_set_is_weighted_as_the_traffic_is():
    """A theme that is nine tenths of the traffic counts nine tenths, however many cases it has."""
    cases = [Outcome(str(n), 0, 0.0, False) for n in range(10)] + [Outcome(f"x{n}", 1, 1.0, False) for n in range(10)]
    found = weighted(cases, {0: 90.0, 1: 10.0})
    assert found is not None
    assert found.value == pytest.approx(0.1)
    assert found.low < 0.1 < found.high
    assert weighted(cases, {7: 1.0}) is None


def test_the_parts_add_up_to_the_gap():
    """Coverage, judge, stale and rest sum to online − offline, and each says what was built into it."""
    rows, themes = items([(0, 200, 20), (1, 100, 60)], blind=10)  # theme 1 fails more, and no case asks it
    cases = [(0, 0.0, False)] * 20 + [(0, 1.0, True)] * 5
    found = week(MONDAY, rows, themes, offline(*cases))
    assert found.online is not None
    assert found.gap is not None
    assert found.gap.is_apart or found.gap.low < found.gap.value < found.gap.high
    assert found.online.value == pytest.approx(80 / 300)
    assert found.offline == weighted(offline(*cases).outcomes, {0: 400.0})
    assert found.coverage == pytest.approx(80 / 300 - 20 / 200)
    assert found.judge == pytest.approx(10 / 200)
    assert found.stale == pytest.approx(0.0 - 5 / 25)
    parts = [found.coverage, found.judge, found.stale, found.rest]
    assert sum(one for one in parts if one is not None) == pytest.approx(found.gap.value)
    assert found.uncovered == pytest.approx(1 / 3)


def test_too_little_is_said_and_not_guessed():
    """No labels, no run, few cases or another judge: each is a note, and the first three give no gap."""
    rows, themes = items([(0, 200, 20)])
    assert "no run" in week(MONDAY, rows, themes, None).notes[0]
    few = week(MONDAY, rows, themes, offline((0, 0.0, False)))
    assert few.gap is None
    assert "1 representative cases were run" in few.notes[0]
    other = week(MONDAY, rows, themes, offline(*[(0, 0.0, False)] * 25, marks=frozenset({"f2"})))
    assert "another instrument" in other.notes[0]
    empty = week(MONDAY, [], [], offline(*[(0, 0.0, False)] * 25))
    assert (empty.gap, empty.online) == (None, None)


def test_mover_agrees_with_newcombe():
    """Zou and Donner's difference of two shares is Newcombe's where both intervals are Wilson's: 56/70 − 48/80."""
    found = mover(Interval(0.8, 0.6919, 0.8772), Interval(0.6, 0.4904, 0.7004))
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=2e-3), pytest.approx(0.3339, abs=2e-3))


def test_gap_on_a_log(tmp_path: Path):
    """Two weeks of judged traffic in three themes, of which the set knows two: the gap, its coverage part and the weights."""
    config = tmp_path / "goldwash.toml"
    config.write_text(f"data_dir = {json.dumps(str(tmp_path / 'data'))}\n")
    rows, told = [], []
    for number in range(240):
        at = datetime(MONDAY.year, MONDAY.month, MONDAY.day, 9, tzinfo=UTC) + timedelta(days=number % 14)
        question = (PARCEL, REFUND, RECIPE)[number // 14 % 3].format(number)
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": question}]})
        made = row(number, question=question, feature="chat", accepted_at=at, request_body=body)
        rows.append(made)
        told.append((made[0]["exchange_id"], at.date(), number // 14 % 3 == 2 and number % 2 == 0))
    store(tmp_path / "data", rows)
    with Submission(load(config, {}), "test") as submission:
        for exchange_id, day, failed in told:
            drawn = {"inclusion_probability": 0.5, "label_probability": 1.0, "stratum": "chat/plain", "is_random": True}
            item = {"item": exchange_id, "exchange_id": exchange_id, "day": day.isoformat(), "state": "scored", "passed": not failed}
            submission.add("score_items", {**drawn, **item, "unit": "exchange", "exchanges": 1, "fingerprint": "f1", "feature": "chat"})
            label = {"exchange_id": exchange_id, "name": "overall", "passed": not failed, "labeler": "ann", "origin": "audit"}
            opinion = {"exchange_id": exchange_id, "name": "free_chat", "kind": "judge", "fingerprint": "f1", "passed": not failed}
            submission.add("scores", opinion)
            submission.add("labels", {**label, "split": "audit", "inclusion_probability": 1.0})
    person = (Confirmation(by="human", who="ann", verdict="pass", at="2026-02-01"),)
    cases = [
        GoldenCase(
            split="representative",
            status="confirmed",
            confirmation=person,
            expected=Expected(text="x"),
            input=Input(body={"messages": [{"role": "user", "content": form.format(900 + number)}]}),
        )
        for form in (PARCEL, REFUND)
        for number in range(12)
    ]
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "cases.jsonl").write_text(text_of(cases))
    runs = tuple(Result(case.id, 1, number != 0) for number, case in enumerate(cases))
    write(Results(runs, Header(made_at="2026-03-01T00:00:00+00:00"), "r"), tmp_path / "r.jsonl")

    def run(*more: str) -> Any:
        given = ["gap", "--weeks", "2", "--date", "2026-03-15", "--results", str(tmp_path / "r.jsonl"), "--config", str(config), *more]
        done = CliRunner().invoke(release, given)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    weeks = json.loads(run("--json"))["weeks"]
    assert [one["start"] for one in weeks] == ["2026-03-02", "2026-03-09"]
    for one in weeks:
        assert (one["labels"], one["cases"]) == (one["items"], 24)
        assert one["uncovered"] == pytest.approx(1 / 3, abs=0.05)
        assert one["coverage"] > 0.1
        assert one["coverage"] + one["judge"] + one["stale"] + one["rest"] == pytest.approx(one["gap"]["value"])
    page = run()
    assert "of the traffic lies in themes without a case" in page
    assert "judge free_chat f1: no anchors were judged again" in page
    with Submission(load(config, {}), "test") as submission:
        submission.add("gate_runs", {"run_id": "n1", "at": "2026-03-10T02:00:00+00:00", "target": "live"})
        for number, one in enumerate(cases):
            told_of = {"run_id": "n1", "golden_case": one.id, "run": 1, "passed": number > 11}
            submission.add("gate_results", {**told_of, "grades": [{"name": "x", "passed": True, "detail": {"fingerprint": "f2"}}]})
    first, second = json.loads(run("--json"))["weeks"]
    assert (first["run"], second["run"]) == (str(tmp_path / "r.jsonl"), "live 2026-03-10")
    assert second["unweighted"] == pytest.approx(0.5)
    assert any("another instrument" in note for note in second["notes"])
