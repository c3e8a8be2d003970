"""The judges of a real log against its labels, through the command and as the nightly job reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from config.settings import load
from proxy.log.attach import Log
from proxy.service.client import Access
from scoring.commands.calibrate import calibrate
from scoring.estimates.labels import CHOSEN, choose
from scoring.estimates.logged import labels
from tests.scoring.made import exchange_id, row, store

DAYS, ITEMS = 4, 60
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)


def insert(db: Any, table: str, **columns: Any) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    db.execute(f"INSERT INTO {table} (record_id, {names}) VALUES (uuid(), {', '.join('?' * len(columns))})", list(columns.values()))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of sixty judged exchanges each, half of them labelled; the newest model fails twice as often."""
    directory = tmp_path_factory.mktemp("log")
    random = np.random.default_rng(1)
    made = []
    for number in range(DAYS * ITEMS):
        at = START + timedelta(days=number // ITEMS, seconds=60 * (number % ITEMS))
        made.append(row(number, accepted_at=at, exchange_id=exchange_id(at, number), feature=["search", "chat"][number % 2]))
    store(directory, made)
    log = Log.open("goldwash.duckdb", directory)
    db = log.cursor()
    db.execute("BEGIN")
    for number, (exchange, _) in enumerate(made):
        failing = bool(random.random() < (0.4 if number % 2 else 0.2))
        verdict = None if number % 40 == 7 else failing if random.random() < 0.9 else not failing
        at = exchange["accepted_at"] + timedelta(hours=2)
        shared = {"created_at": at, "exchange_id": exchange["exchange_id"]}
        insert(
            db,
            "score_items",
            **shared,
            day=at.date(),
            item=str(exchange["exchange_id"]),
            feature=exchange["feature"],
            model=f"m-{number % 2}",
            stratum=f"{exchange['feature']}/none",
            inclusion_probability=0.5,
            label_probability=0.5,
            state="scored",
            passed=None if verdict is None else not verdict,
            fingerprint="f1",
        )
        for kind, name in (("judge", "helpful"), ("judge_item", "helpful.polite")):
            insert(
                db,
                "scores",
                **shared,
                kind=kind,
                name=name,
                passed=None if verdict is None else not verdict,
                value=0.9,
                fingerprint="f1",
                response_model="judge-1",
                inclusion_probability=0.5,
            )
        if number % 4 < 2:
            insert(
                db,
                "labels",
                **shared,
                name="answer",
                passed=not failing,
                labeler="ann",
                origin="audit",
                split="audit",
                inclusion_probability=0.5,
            )
            if number % 10 == 0:
                insert(db, "labels", **shared, name="answer", passed=not failing, labeler="bob", origin="audit", split="audit")
            insert(db, "labels", **shared, name="helpful.polite", passed=True, labeler="ann", origin="audit", split="audit")
        elif failing:
            insert(db, "labels", **shared, name="answer", passed=False, labeler="ann", origin="queue", split="rubric_dev")
    db.execute("COMMIT")
    db.close()
    log.close()
    return directory


@pytest.fixture
def log(data_dir: Path) -> Iterator[Access]:
    """The log, opened as a command does."""
    with Access(load(None, {"GOLDWASH_DATA_DIR": str(data_dir)})) as access:
        yield access


def run(data_dir: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GOLDWASH_DATA_DIR", str(data_dir))
    result = CliRunner().invoke(calibrate, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_says_what_is_known_of_a_judge(data_dir, monkeypatch):
    """JSON: one judge, its agreement, the labels left out by reason, and people against people."""
    said = json.loads(run(data_dir, "--json", monkeypatch=monkeypatch))
    (judge,) = said["judges"]
    assert (judge["judge"], judge["fingerprint"], judge["models"]) == ("helpful", "f1", ["judge-1"])
    assert judge["n_labels"] + judge["n_unscored"] >= 100
    assert judge["kappa_low"] < judge["kappa"] < judge["kappa_high"]
    assert judge["stale"] == []
    assert judge["confidence"]["ece"] < 0.2
    assert said["discarded"]["the rubric was tuned on it (split rubric_dev)"] > 10
    assert said["people"]["kappa"] == 1.0


def test_questions_have_labels_of_their_own(data_dir, monkeypatch):
    """With --questions, the label of that name is held against that question alone."""
    said = json.loads(run(data_dir, "--json", "--questions", monkeypatch=monkeypatch))
    names = {judge["judge"]: judge for judge in said["judges"]}
    assert set(names) == {"helpful", "helpful.polite"}
    assert names["helpful.polite"]["confusion"]["tp"] == 0
    assert names["helpful"]["confusion"]["tp"] > 10


def test_it_prints_a_table(data_dir, monkeypatch):
    """The table, the confusion in words, what is stale and what was left out."""
    said = run(data_dir, "--min-labels", "500", monkeypatch=monkeypatch)
    assert "helpful" in said
    assert "stale: " in said
    assert "wanted are 500" in said
    assert "labels left out: the rubric was tuned on it" in said
    assert "people with each other" in said


def test_labels_are_read_by_exchange(log):
    """For estimates only random labels count, and those of the exchanges asked for."""
    audited = [str(row["exchange_id"]) for row in log.rows("SELECT exchange_id FROM labels WHERE labeler = 'bob'")]
    found = choose(labels(log, audited), "estimate")
    assert set(found.truths) == set(audited)
    assert len(found.pairs) == len(audited)
    everything = choose(labels(log), "estimate")
    assert len(everything.truths) == DAYS * ITEMS / 2
    assert everything.discarded == {CHOSEN: len(list(labels(log))) - DAYS * ITEMS // 2 - len(audited)}
