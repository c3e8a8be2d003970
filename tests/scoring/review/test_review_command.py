"""`goldwash review` on a log: blind until labelled, labels with origin and split, users' words, figures of agreement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.settings import load
from proxy.commands.submission import Submission
from proxy.service.client import Access
from scoring.commands.review import review
from scoring.review.feedback import edit_distance
from tests.scoring.made import row, store

ESCAPE = "\x1b]0;owned\x07\u202e"


class Desk:
    """A log with some exchanges, and the command beside it."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "goldwash.toml"
        self.config.write_text(f"data_dir = {json.dumps(str(directory / 'data'))}\n")
        self.settings = load(self.config, {})
        made = [row(n, question=f"Question {n}?", answer=f"Answer {n} {ESCAPE if n == 0 else ''}") for n in range(6)]
        store(directory / "data", made)
        self.ids = [one["exchange_id"] for one, _ in made]

    def say(self, table: str, *records: dict[str, Any]) -> None:
        with Submission(self.settings, "test") as submission:
            for record in records:
                submission.add(table, record)

    def run(self, *arguments: str, typed: str | None = None, code: int = 0) -> Result:
        done = CliRunner().invoke(review, [*arguments, "--config", str(self.config)], input=typed)
        assert done.exit_code == code, (done.output, done.exception)
        return done

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with Access(self.settings) as access:
            return access.rows(sql)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(tmp_path)
    ids = found.ids
    found.say(
        "flags",
        {
            "exchange_id": ids[0],
            "flag_id": "f0",
            "kind": "failure",
            "severity": 0.8,
            "state": "open",
            "reason": "it is WRONG",
            "group": "g",
        },
        {
            "exchange_id": ids[1],
            "flag_id": "f1",
            "kind": "failure",
            "severity": 0.5,
            "state": "open",
            "reason": "it is WRONG",
            "group": "g",
        },
        {"exchange_id": ids[2], "flag_id": "a2", "kind": "audit", "severity": 0.1, "state": "open", "reason": "drawn"},
    )
    judged = {"kind": "judge", "name": "free_chat", "scorer": "judge-1", "reason": "made it UP"}
    found.say("scores", *({"exchange_id": ids[n], "passed": n == 2, **judged} for n in range(3)))
    found.say("score_items", {"exchange_id": ids[2], "day": "2026-03-02", "item": ids[2], "label_probability": 0.25, "state": "scored"})
    return found


def test_next_is_blind(desk: Desk) -> None:
    """What comes next shows the exchange and how many are like it, and neither verdict nor reason nor stream."""
    said = desk.run("next", "--json").stdout
    item = json.loads(said)
    assert (item["exchange_id"], item["question"], item["alike"], item["waiting"]) == (desk.ids[0], "Question 0?", [desk.ids[1]], 2)
    for hidden in ("WRONG", "UP", "judge", "audit", "failure", "flag"):
        assert hidden not in said


def test_a_label_carries_origin_split_and_probability(desk: Desk) -> None:
    """A failure of the queue and an audit become rows that say how they came about; the verdict is told afterwards."""
    told = desk.run("label", desk.ids[0], "fail", "--who", "ann", "--note", "no source", "--correct", "14 days").stdout
    assert "made it UP" in told
    assert "it is WRONG" in told
    desk.run("label", "chatcmpl-2", "pass", "--who", "ann")
    queued, audited = desk.rows("SELECT * FROM labels ORDER BY created_at")
    assert (queued["origin"], queued["value"], queued["passed"], queued["labeler"], queued["note"]) == (
        "queue",
        "fail",
        False,
        "ann",
        "no source",
    )
    assert queued["split"] in ("rubric_dev", "calibration")
    assert queued["expected"] == {"text": "14 days"}
    assert (audited["origin"], audited["split"], audited["inclusion_probability"], audited["exchange_id"]) == (
        "audit",
        "audit",
        0.25,
        desk.ids[2],
    )
    assert json.loads(desk.run("status", "--who", "ann", "--json").stdout)["waiting"] == {"flagged": 0, "audit": 0, "second": 0}


def test_a_second_person_gets_a_tenth(desk: Desk) -> None:
    """Another person is asked about labelled items, and kappa between people stands beside the judge's."""
    desk.run("label", desk.ids[0], "fail", "--who", "ann")
    desk.run("label", desk.ids[2], "pass", "--who", "ann")
    second = json.loads(desk.run("next", "--who", "bob", "--json").stdout)
    assert second["exchange_id"] in (desk.ids[0], desk.ids[2])
    desk.run("label", desk.ids[0], "fail", "--who", "bob")
    desk.run("label", desk.ids[2], "pass", "--who", "bob")
    found = json.loads(desk.run("status", "--json").stdout)
    assert (found["labelled"], found["labelled_twice"], found["people_kappa"], found["judge_kappa"]) == (2, 2, 1.0, 1.0)
    assert found["people_kappa_low"] < 1.0
    assert "people with each other" in desk.run("status").stdout


def test_users_words_join_the_queue(desk: Desk) -> None:
    """A thumbs-down and a correction are flagged at once, by whichever id, and the correction is measured; twice adds nothing."""
    desk.say(
        "feedback",
        {"response_id": "chatcmpl-4", "name": "thumbs", "score": 0, "comment": "the link is dead"},
        {"exchange_id": desk.ids[5], "name": "correction", "value": "Answer five"},
    )
    seen = {json.loads(desk.run("next", "--stream", "flagged", "--who", "ann", "--json").stdout)["exchange_id"]}
    item = json.loads(desk.run("next", "--stream", "flagged", "--json").stdout)
    assert seen <= {desk.ids[4], desk.ids[5]}
    assert item["users_said"] in (["the link is dead"], ["correction: Answer five"])
    flags = desk.rows("SELECT exchange_id, reason FROM flags WHERE name = 'thumbs_down' ORDER BY exchange_id")
    assert [one["exchange_id"] for one in flags] == sorted([desk.ids[4], desk.ids[5]])
    assert {one["reason"] for one in flags} == {
        "a user was not content with the answer: the link is dead",
        "a user corrected the answer: Answer five",
    }
    (measured,) = desk.rows("SELECT exchange_id, value FROM scores WHERE name = 'edit_distance'")
    assert (measured["exchange_id"], measured["value"]) == (desk.ids[5], 0.5)


def test_a_session_in_the_terminal(desk: Desk) -> None:
    """One item after the other: correct, note, view, skip; each label is in the log at once, and hostile text moves no cursor."""
    done = desk.run("--who", "ann", typed="x\nv\nn\nnot so\nc\nAnswer zero\ns\n")
    assert "nothing more waits for ann; 1 labelled" in done.stderr
    assert "\x1b]0" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\u001b" in done.stdout
    assert done.stdout.index("Question 0?") < done.stdout.index("made it UP")
    first, second = desk.rows("SELECT value, note, expected, origin, passed FROM labels ORDER BY created_at")
    assert (first["value"], first["note"], first["origin"]) == ("fail", "not so", "queue")
    assert "Answer zero" in json.dumps(first["expected"])
    assert (second["value"], second["passed"]) == ("skip", None)


def test_leaving_and_an_empty_queue(desk: Desk) -> None:
    """q ends at once; where nothing waits, next says so and exits with 1."""
    assert "0 labelled" in desk.run("--who", "ann", typed="q\n").stderr
    desk.run("label", desk.ids[0], "pass", "--who", "ann")
    desk.run("label", desk.ids[2], "pass", "--who", "ann")
    said = desk.run("next", "--who", "ann", "--json", code=1).stderr
    assert "nothing waits for ann: `goldwash score` flags what a person should see" in said
    assert "0 labelled: `goldwash score` flags" in desk.run("--who", "ann").stderr


WRONG = [
    (["00000000-0000-7000-8000-000000000000", "fail"], "holds no exchange"),
    (["nonsense", "pass"], "holds no exchange"),
    (["{0}", "fail", "--who", " "], "say who labels it"),
    (["{0}", "pass", "--correct", "other words"], "a passing answer needs no correction"),
    (["{0}", "fail", "--correct", "@nowhere.txt"], "cannot be read"),
]


def test_labels_that_cannot_be_taken(desk: Desk) -> None:
    """A label for an unknown id, or one that contradicts itself, is refused with the fix and writes nothing."""
    for arguments, said in WRONG:
        done = CliRunner().invoke(review, ["label", *(one.format(desk.ids[0]) for one in arguments), "--config", str(desk.config)])
        assert said in str(done.exception)
        assert getattr(done.exception, "exit_code", 0) == 2
    assert desk.rows("SELECT * FROM labels") == []


def test_edit_distance_counts_words() -> None:
    """The share of words that changed: none, one of two, all."""
    assert edit_distance("a b", "a b") == 0
    assert edit_distance("a b", "a c") == 0.5
    assert edit_distance("a b", "") == 1
    assert edit_distance("", "") == 0
