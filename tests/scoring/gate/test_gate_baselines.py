"""Baselines made, promoted and held against; doubtful drops run again on both sides; statuses that move; nightly runs in the log."""

from __future__ import annotations

import json

import pytest

from config.settings import load
from proxy.service.client import Access
from scoring.gate.results import read
from scoring.golden.case import lines_of
from scoring.pages import rows
from tests.helpers.golden import JSON, RIGHT, case, completion, judged
from tests.helpers.upstream import answer

PATH = "/v1/chat/completions"


def number(question):
    return int(question.removesuffix("?").split()[-1])


def statuses(shop):
    return {number(one.question): one.status for one in lines_of(shop.file.read_text("utf-8"), "cases.jsonl")}


def two_prompts(shop):
    """Two targets, `old` and `new`, that differ in the prompt alone."""
    for name in ("old", "new"):
        (shop.directory / f"{name}.md").write_text(f"{name}: you sell tea.", "utf-8")
        shop.targets[name] = {**shop.targets["app"], "prompt": {"file": f"{name}.md", "at": "/messages/0/content"}}
    del shop.targets["app"]
    shop.write()


def current(shop):
    return shop.golden / "baselines" / "current.jsonl"


def anchor(shop):
    return shop.golden / "baselines" / "anchor.jsonl"


def test_a_baseline_is_a_fresh_rerun_and_the_anchor_stays(shop, gate):
    """Nothing comes from the cache; the first baseline becomes the anchor, later ones do not move it."""
    assert gate(shop.file).code == 0
    done = gate("baseline", "make", shop.file, "--repeat", "3")
    assert done.code == 0, done.err
    assert len(shop.upstream.to(PATH)) == 40
    assert "10 cases, 3 runs each: 100.0% pass" in done.out
    assert read(current(shop)).runs() == read(anchor(shop)).runs() == 3
    shop.says = lambda system, question: "red" if number(question) == 3 else RIGHT
    assert gate("baseline", "make", shop.file).code == 0
    assert read(current(shop)).runs() == 1
    assert read(anchor(shop)).runs() == 3
    promoted = gate("baseline", "promote", current(shop), "--move-anchor")
    assert promoted.code == 0, promoted.err
    assert read(anchor(shop)).runs() == 1


def test_a_baseline_that_was_not_measured_is_none(shop, gate):
    """Exit 4, and the one before stays."""
    shop.targets["app"]["base_url"] = "http://127.0.0.1:9/v1"
    shop.write()
    done = gate("baseline", "make", shop.file)
    assert done.code == 4
    assert "no baseline was made" in done.err
    assert not current(shop).exists()
    (broken,) = shop.results()
    done = gate("baseline", "promote", broken)
    assert done.code == 2
    assert "was not measured" in done.err


def test_a_run_repeats_its_cases_as_often_as_the_baseline_did(shop, gate):
    """And says so where it was told to do otherwise, before anything is asked."""
    gate("baseline", "make", shop.file, "--repeat", "2")
    assert gate(shop.file, "--no-cache").code == 0
    assert read(shop.results()[-1]).runs() == 2
    asked = len(shop.upstream.to(PATH))
    done = gate(shop.file, "--repeat", "3")
    assert done.code == 2
    assert "has 2 runs a case and --repeat asks for 3" in done.err
    assert len(shop.upstream.to(PATH)) == asked


def test_a_doubtful_drop_is_run_again_on_both_sides(shop, gate):
    """Four of eighty fail once: cases that differ are run again on both targets, and the drop is gone."""
    shop.put([case(one) for one in range(80)])
    gate("baseline", "make", shop.file)
    seen = {}

    def says(system, question):
        seen[question] = seen.get(question, 0) + 1
        return "red" if number(question) < 4 and seen[question] == 1 else RIGHT

    shop.says = says
    before = len(shop.upstream.to(PATH))
    done = gate(shop.file)
    assert done.code == 0, done.out
    assert "16 runs added to confirm" in done.out  # four cases, two runs more, two sides
    assert len(shop.upstream.to(PATH)) - before == 80 + 16
    written = read(shop.results()[-1])
    assert sum(row.confirming for row in written.rows) == 8
    beside = shop.results()[-1].parent / "held_against" / shop.results()[-1].name
    assert sum(row.confirming for row in read(beside).rows) == 8
    compared = gate("compare", beside, shop.results()[-1])  # the same decision from the files alone
    assert compared.code == 0
    assert "16 runs added to confirm" in compared.out
    assert "  unclear  " not in compared.out
    assert gate(shop.file, "--no-reruns", "--strict", "--no-cache").code == 0  # each failed its first run only


def test_a_drop_that_chance_could_have_made_is_a_warning_or_4(shop, gate):
    """Without reruns it stays unclear."""
    two_prompts(shop)
    shop.put([case(one) for one in range(80)])
    gate("baseline", "make", shop.file, "--targets", "old")
    shop.says = lambda system, question: "red" if system.startswith("new") and number(question) in (1, 2, 3) else RIGHT
    done = gate(shop.file, "--targets", "new", "--no-reruns")
    assert done.code == 0
    assert "with a warning" in done.out
    assert gate(shop.file, "--targets", "new", "--no-reruns", "--strict").code == 4
    assert len(shop.upstream.to(PATH)) == 160


def test_a_change_behind_the_baselines_back_is_no_regression(shop, gate):
    """The provider changed under both: run again, the baseline's target fails the same cases, and nobody is blamed."""
    shop.put([case(one) for one in range(80)])
    gate("baseline", "make", shop.file)
    shop.says = lambda system, question: "red" if number(question) in (1, 2, 3) else RIGHT
    done = gate(shop.file)
    assert done.code == 0
    assert "FAILED" not in done.out
    assert done.out.count("(1/3 before, 0/3 now)") == 3


def test_a_failure_of_production_becomes_known(shop, gate):
    """Five failures of five prove it; then it blocks nobody who fails it too."""
    shop.says = lambda system, question: "red" if number(question) == 5 else RIGHT
    done = gate("baseline", "make", shop.file, "--update-golden")
    assert done.code == 0, done.err
    assert "confirmed → known_failing" in done.out
    assert statuses(shop)[5] == "known_failing"
    (proof,) = (found for found in read(current(shop)).by_case.values() if len(found) > 1)
    assert [row.passed for row in proof] == [False] * 5
    assert gate(shop.file, "--no-cache").code == 0  # it fails as the baseline does, and nobody is blocked
    assert statuses(shop)[5] == "known_failing"


def test_a_mended_case_guards_for_good(shop, gate):
    """Baseline and candidate are two prompts: five failures there, five passes here."""
    two_prompts(shop)
    shop.says = lambda system, question: "red" if number(question) == 5 and system.startswith("old") else RIGHT
    gate("baseline", "make", shop.file, "--targets", "old", "--update-golden")
    assert statuses(shop)[5] == "known_failing"
    (shop.directory / "old.md").write_text("edited since: you sell tea.", "utf-8")  # the baseline's own words stand in its header
    done = gate(shop.file, "--targets", "new", "--update-golden")
    assert done.code == 0, done.out + done.err
    assert "known_failing → guarding" in done.out
    assert statuses(shop)[5] == "guarding"
    gate("baseline", "promote", shop.results()[-1])
    (shop.directory / "new.md").write_text("newer: you sell tea.", "utf-8")
    shop.says = lambda system, question: "red" if number(question) == 5 and system.startswith("newer") else RIGHT
    done = gate(shop.file, "--targets", "new")
    assert done.code == 1
    assert "1 case that had been mended broke again" in done.out


def test_a_retired_case_is_not_missed_and_a_lost_one_is(shop, gate):
    """Retiring is said in the golden file; a case that is simply gone fails."""
    gate("baseline", "make", shop.file)
    kept = [case(one) for one in range(9)]
    shop.put([*kept, case(9, status="retired")])
    assert gate(shop.file).code == 0
    shop.put(kept)
    done = gate(shop.file)
    assert done.code == 1
    assert "1 case of the baseline was not run" in done.out


def test_a_nightly_run_is_in_the_log(shop, gate):
    """Result, verdict and the model that answered, through the spool; nothing comes from the cache."""
    gate(shop.file)
    shop.write(production="app")
    done = gate(shop.file, "--scheduled")
    assert done.code == 0, done.err
    assert len(shop.upstream.to(PATH)) == 20
    with Access(load(shop.config, {})) as log:
        (run,) = rows(log, "SELECT * FROM gate_runs")
        results = rows(log, "SELECT * FROM gate_results ORDER BY golden_case")
    assert (run["target"], run["outcome"], run["exit_code"], run["cases"], run["passed"]) == ("app", "passed", 0, 10, 1.0)
    assert run["model"] == "gpt-4.1-mini-2025-04-14"
    assert json.loads(run["verdict"])["outcome"] == "passed"
    assert json.loads(run["properties"])["system_fingerprints"] == {"fp_1": 10}
    assert len(results) == 10
    assert {row["run_id"] for row in results} == {run["run_id"]}
    assert all(row["passed"] for row in results)


def test_a_nightly_run_names_its_target(shop, gate):
    """Or says that nobody did."""
    done = gate(shop.file, "--scheduled")
    assert done.code == 2
    assert "[gate] production names no target" in done.err


@pytest.mark.parametrize("change", ["rubric", "none"])
def test_results_of_another_instrument_are_refused(shop, gate, change):
    """A judge with another model would compare judges."""
    shop.put([judged(one) for one in range(3)])
    shop.judge()
    assert gate("baseline", "make", shop.file).code == 0
    if change == "rubric":
        text = (shop.directory / "config" / "scoring.toml").read_text("utf-8")
        (shop.directory / "config" / "scoring.toml").write_text(text.replace("2026-01-01", "2026-02-02"), "utf-8")
    done = gate(shop.file)
    assert done.code == (2 if change == "rubric" else 0), done.out + done.err
    assert ("that would compare judges" in done.err) == (change == "rubric")


def test_an_anchor_by_another_judge_moves_with_the_baseline(shop, gate):
    """Or no release could ever be decided on again."""
    shop.put([judged(one) for one in range(3)])
    shop.judge()
    gate("baseline", "make", shop.file)
    text = (shop.directory / "config" / "scoring.toml").read_text("utf-8")
    (shop.directory / "config" / "scoring.toml").write_text(text + "max_tokens = 3000\n", "utf-8")
    done = gate("baseline", "make", shop.file)
    assert "anchor.jsonl is moved to it, since another judge graded the one before" in done.out
    assert gate(shop.file).code == 0


def test_a_slower_machine_is_no_slower_release_and_a_slower_release_is(shop, gate):
    """A rise is measured again on both sides at once; without that it is a warning."""
    (shop.directory / "config" / "gate.toml").unlink()
    shop.put([case(one) for one in range(16)])
    two_prompts(shop)
    gate("baseline", "make", shop.file, "--targets", "old")
    lines = current(shop).read_text("utf-8").splitlines()
    rows_ = [{**row, "latency_ms": 1.0} if "case" in (row := json.loads(line)) else row for line in lines]
    current(shop).write_text("".join(json.dumps(row) + "\n" for row in rows_), "utf-8")
    slow = answer(200, JSON, completion(RIGHT), delay=0.2)
    shop.says = lambda system, question: slow
    done = gate(shop.file, "--targets", "new")
    assert done.code == 0, done.out
    assert "asked of both sides at once, the typical case takes" in done.out
    done = gate(shop.file, "--targets", "new", "--no-reruns")
    assert done.code == 0
    assert "unclear   latency" in done.out
    slower = answer(200, JSON, completion(RIGHT), delay=0.9)
    shop.says = lambda system, question: slower if system.startswith("new") else slow
    done = gate(shop.file, "--targets", "new", "--no-cache")
    assert done.code == 1, done.out
    assert "FAILED    latency     asked of both sides at once" in done.out
