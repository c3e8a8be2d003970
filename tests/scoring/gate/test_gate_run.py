"""`goldwash gate FILES…` on a model behind a real socket: what is asked, how often, at what cost, and what is decided."""

from __future__ import annotations

import json
import os

import pytest

from config.settings import load
from config.targets import Target
from scoring.gate.results import read
from scoring.gate.targets.endpoint import place_of
from scoring.gate.targets.requests import prepare
from scoring.gate.targets.variants import Variant
from scoring.judge.client import base_url
from tests.helpers.golden import JSON, RIGHT, case, completion
from tests.helpers.upstream import answer

PATH = "/v1/chat/completions"


def bodies(shop):
    return [json.loads(bytes(request.body)) for request in shop.upstream.to(PATH)]


def test_a_run_writes_what_reports_need(shop, gate):
    """A header with all of the target, and rows with question, answer, grades, model and cost."""
    done = gate(shop.file)
    assert done.code == 0, done.err
    assert len(bodies(shop)) == 10
    found = read(shop.results()[0])
    assert found.header.target == "app"
    assert found.header.dataset is not None
    assert found.header.extra["target"]["kind"] == "endpoint"
    assert found.header.extra["cost_usd"] > 0
    row = found.rows[0]
    assert (row.run, row.passed, row.status, row.version) == (1, True, "confirmed", "1")
    assert row.cost_usd == pytest.approx((20 * 0.4 + 5 * 1.6) / 1e6)
    assert row.latency_ms is not None
    assert row.extra["output"] == RIGHT
    assert row.extra["question"].startswith("Which colour has tea")
    assert row.extra["grades"][0]["name"] == "expected.label"
    assert row.extra["response_model"] == "gpt-4.1-mini-2025-04-14"


def test_the_request_is_the_cases_own_with_what_is_under_test_in_it(shop, gate):
    """Prompt rendered and put in place, params merged, keys left out, tools exchanged, model changed; purpose and key in headers."""
    (shop.directory / "answer.md").write_text("You are {{ shop }}. Say {{shop}}.", "utf-8")
    shop.put([case(7)])
    shop.targets["app"] |= {
        "model": "gpt-4.1",
        "params": {"temperature": 0.5},
        "without": ["user"],
        "tools": [],
        "prompt": {"file": "answer.md", "at": "/messages/0/content"},
        "key_env": "TEST_KEY",
    }
    shop.write()
    os.environ["TEST_KEY"] = "sk-test"
    try:
        done = gate(shop.file)
    finally:
        del os.environ["TEST_KEY"]
    assert done.code == 0, done.err
    (body,) = bodies(shop)
    assert body["messages"][0]["content"] == "You are Leaf 7. Say Leaf 7."
    assert body["messages"][1]["content"] == "Which colour has tea 7?"
    assert (body["model"], body["temperature"], body["tools"]) == ("gpt-4.1", 0.5, [])
    request = shop.upstream.to(PATH)[0]
    assert request.get("authorization") == "Bearer sk-test"
    assert request.get("goldwash-purpose") == "gate"
    written = shop.results()[0].read_text("utf-8")
    assert "sk-test" not in written
    described = read(shop.results()[0]).header.extra["target"]
    assert described["prompt"]["text"] == "You are {{ shop }}. Say {{shop}}."


def test_nobodys_key_goes_to_an_address_that_is_not_its_own(shop, tmp_path):
    """Without key_env a provider's key goes through the proxy or to that provider, and nowhere else."""
    settings = load(shop.config, {})
    keys = {"OPENAI_API_KEY": "sk-openai"}

    def key(**target):
        variant = Variant("x", Target(**target))
        return dict(place_of(prepare(case(0), variant, {}), variant, settings, keys).headers).get("Authorization")

    assert key() == "Bearer sk-openai"
    assert key(base_url=f"{base_url(settings)}/openai/v1") == "Bearer sk-openai"
    assert key(base_url="https://api.openai.com/v1") == "Bearer sk-openai"
    assert key(base_url="https://api.example.com/v1") is None
    assert key(base_url="https://api.openai.com.example.com/v1", upstream="openai") is None


def test_a_prompt_that_wants_a_var_the_case_has_not(shop, gate):
    """Bad input, before anything is asked."""
    (shop.directory / "answer.md").write_text("You are {{owner}}.", "utf-8")
    shop.targets["app"]["prompt"] = {"file": "answer.md", "at": "/messages/0/content"}
    shop.write()
    done = gate(shop.file)
    assert done.code == 2
    assert "it wants {{owner}}" in done.err
    assert bodies(shop) == []


def test_a_plan_asks_nothing_and_a_budget_refuses(shop, gate):
    """The estimate comes first; one that is dearer than the budget ends there."""
    done = gate(shop.file, "--plan")
    assert done.code == 0
    assert "app: 10 cases, 1 run each: 10 calls; about $0.0050" in done.out
    done = gate(shop.file, "--budget", "0.001")
    assert done.code == 2
    assert "would cost about $0.00" in done.err
    assert bodies(shop) == []
    assert gate(shop.file, "--budget", "1").code == 0


def test_critical_cases_run_five_times_and_others_as_often_as_asked(shop, gate):
    """The further runs are marked as confirming."""
    shop.put([case(0, critical=True), case(1, tags=("safety",)), case(2)])
    assert gate(shop.file, "--repeat", "2").code == 0
    rows = read(shop.results()[0]).rows
    assert len(rows) == 5 + 5 + 2
    assert sum(row.confirming for row in rows) == 6
    assert len(bodies(shop)) == 12


def test_one_failure_of_a_critical_case_is_enough(shop, gate):
    """Four runs of five pass, and it fails."""
    shop.put([case(0, critical=True), *(case(number) for number in range(1, 10))])
    seen = []

    def says(system, question):
        seen.append(question)
        return "red" if seen.count("Which colour has tea 0?") == 3 and question.endswith("0?") else RIGHT

    shop.says = says
    done = gate(shop.file)
    assert done.code == 1
    assert "1 case that must pass failed" in done.out
    assert "(1 of 5 runs)" in done.out


def test_outages_are_tried_again_and_wrong_answers_are_not(shop, gate):
    """Two bad moods of each question, then an answer; a wrong one stays."""
    shop.write(attempts=3)
    asked = {}

    def says(system, question):
        asked[question] = asked.get(question, 0) + 1
        if question.endswith("1?") and asked[question] == 1:
            return answer(429, [*JSON, ("Retry-After", "0.01")], b'{"error": {"message": "slow down"}}')
        if question.endswith("2?") and asked[question] < 3:
            return answer(200, [("Content-Type", "text/html")], b"<html>Sign in</html>")
        return "red" if question.endswith("3?") else RIGHT

    shop.says = says
    assert gate(shop.file).code == 0  # one of ten below is within the floor's doubt
    assert asked["Which colour has tea 1?"] == 2
    assert asked["Which colour has tea 2?"] == 3
    assert asked["Which colour has tea 3?"] == 1
    rows = {row.extra["question"]: row for row in read(shop.results()[0]).rows}
    assert rows["Which colour has tea 3?"].passed is False
    assert rows["Which colour has tea 2?"].extra["tries"] == 3


def test_what_was_answered_is_not_asked_again(shop, gate):
    """Until something that decides the answer changes, or the cache is left out."""
    gate(shop.file)
    done = gate(shop.file)
    assert "0 calls asked, 10 known already: $0.0000" in done.out
    assert len(bodies(shop)) == 10
    gate(shop.file, "--no-cache")
    assert len(bodies(shop)) == 20
    shop.targets["app"]["params"] = {"seed": 1}
    shop.write()
    gate(shop.file)
    assert len(bodies(shop)) == 30
    gate(shop.file, "--repeat", "2")
    assert len(bodies(shop)) == 40


def test_only_what_failed_before(shop, gate):
    """--filter-failing runs the cases that did not pass in a result file."""
    shop.says = lambda system, question: "red" if question[-2] in "12" else RIGHT
    gate(shop.file)
    before = shop.results()[0]
    shop.says = lambda system, question: "red" if question[-2] == "1" else RIGHT
    done = gate(shop.file, "--filter-failing", before, "--no-cache")
    assert "app: 2 cases" in done.out
    assert {row.extra["question"][-2]: row.passed for row in read(shop.results()[1]).rows} == {"1": False, "2": True}
    promoted = gate("baseline", "promote", shop.results()[1], "--golden", shop.golden)
    assert promoted.code == 2
    assert "only the cases that failed before" in promoted.err


def test_targets_and_prompts_make_a_matrix(shop, gate):
    """Each target with each prompt has a result file, and a table lays them beside each other."""
    for name in ("good", "bad"):
        (shop.directory / f"{name}.md").write_text(f"{name}: you sell tea.", "utf-8")
    shop.says = lambda system, question: "red" if system.startswith("bad") else RIGHT
    for name in ("one", "two"):
        shop.targets[name] = {**shop.targets["app"], "prompt": {"file": "good.md", "at": "/messages/0/content"}}
    shop.targets["two"]["model"] = "gpt-4.1"
    shop.write()
    prompts = [word for name in ("good", "bad") for word in ("--prompt", shop.directory / f"{name}.md")]
    done = gate(shop.file, "--targets", "one,two", *prompts)
    assert done.code == 1
    assert len(shop.results()) == 4
    lines = [line.split() for line in done.out.splitlines()]
    assert ["case", "one@good", "one@bad", "two@good", "two@bad"] in lines
    assert ["verdict", "passed", "failed", "passed", "failed"] in lines


def test_what_cannot_be_run_is_told(shop, gate):
    """Names, files and counts, each with the fix."""
    assert "there is no target 'other'" in gate(shop.file, "--targets", "other").err
    missing = gate(shop.golden / "none.jsonl").err
    assert "none.jsonl: there is no such file: correct the path; `goldwash golden init` and `golden add` make a golden set" in missing
    shop.put([case(0, status="candidate", confirmation=())])
    done = gate(shop.file)
    assert done.code == 2
    assert "none of the 1 cases can be run (1 are candidates)" in done.err
    assert gate(shop.file, "--with-candidates").code == 2  # candidates decide nothing


def test_tool_calls_are_read_and_held_to_what_is_expected(shop, gate):
    """The answer is a call and no text."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"tea": 1}'}}
    body = answer(200, JSON, completion(None, tool_calls=[call]))
    shop.says = lambda system, question: body
    shop.put([case(0, expected={"tools": [{"name": "look_up", "arguments": {"tea": 1}}]})])
    done = gate(shop.file)
    assert done.code == 0, done.out + done.err
    assert read(shop.results()[0]).rows[0].extra["tool_calls"][0]["name"] == "look_up"


def test_each_target_has_its_own_cost(shop, gate):
    """And a budget is one for all of them."""
    shop.targets |= {"one": shop.targets["app"], "two": {**shop.targets["app"], "model": "gpt-4.1"}}
    shop.write()
    done = gate(shop.file, "--targets", "one,two")
    costs = [read(path).header.extra["cost_usd"] for path in shop.results()]
    assert costs == pytest.approx([10 * 16e-6, 10 * 80e-6])
    assert "one: 10 calls asked: $0.0002" in done.out
    assert "two: 10 calls asked: $0.0008" in done.out


def test_a_budget_is_overdrawn_by_the_calls_under_way_at_most(shop, gate):
    """Answers far dearer than planned: those that were under way are taken and paid, and no other begins."""
    dear = completion(RIGHT).replace(b'"completion_tokens": 5', b'"completion_tokens": 1000000')
    shop.says = lambda system, question: answer(200, JSON, dear)
    shop.write(concurrency=3)
    done = gate(shop.file, "--budget", "0.1")
    assert done.code == 4
    assert "the budget of $0.1 is spent" in done.out
    assert 1 <= len(bodies(shop)) <= 3


def test_a_key_that_comes_back_in_an_error_is_hidden(shop, gate, monkeypatch):
    """It reaches neither the terminal nor the result file."""
    monkeypatch.setenv("TEST_KEY", "sk-very-secret")
    shop.targets["app"]["key_env"] = "TEST_KEY"
    shop.write()
    shop.says = lambda system, question: answer(401, JSON, b'{"error": {"message": "no such key: sk-very-secret"}}')
    done = gate(shop.file)
    assert done.code == 4
    assert "no such key: (the key)" in done.out
    assert "sk-very-secret" not in done.out + done.err + shop.results()[0].read_text("utf-8")


def test_what_breaks_beside_the_release_is_no_failure_of_it(shop, gate):
    """A disk that takes no result, a log that cannot be opened: 4, with the sentence."""
    (shop.directory / "data").write_text("in the way", "utf-8")
    done = gate(shop.file)
    assert done.code == 4
    assert "goldwash: the run could not be ended: " in done.err
