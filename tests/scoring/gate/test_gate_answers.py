"""Recorded answers that decide without a key, programs and apps as targets, and a user's own file of answers."""

from __future__ import annotations

import json
import sys

import pytest

from config.targets import Target
from proxy.accounting.pricing import Pricer
from scoring.gate.results import read
from scoring.gate.targets.patience import Refused
from scoring.gate.targets.program import of_value
from scoring.gate.targets.variants import Variant
from tests.helpers.golden import JSON, RIGHT, case, judged
from tests.helpers.goldwash import processes
from tests.helpers.upstream import answer

PATH = "/v1/chat/completions"


def record(shop, gate):
    """A maintainer's run; then nobody answers any more."""
    shop.put([case(0, critical=True), *(case(one) for one in range(1, 6)), judged(10), judged(11)])
    shop.judge()
    store = shop.golden / "recorded"
    done = gate(shop.file, "--record", store)
    assert done.code == 0, done.out + done.err
    for path in (PATH, "/judge/v1/chat/completions"):
        shop.upstream.on(path, answer(500, JSON, b"{}"))
    return store


def test_recorded_answers_decide_without_network_or_key(shop, gate):
    """Verdicts of judges too; and no result of an earlier run is taken from the cache."""
    store = record(shop, gate)
    asked = len(shop.upstream.requests)
    done = gate(shop.file, "--recorded", store)
    assert done.code == 0, done.out + done.err
    assert "0 calls asked, 12 known already" in done.out
    assert len(shop.upstream.requests) == asked
    lines = (store / "app.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 12
    assert [(json.loads(line)["case"], json.loads(line)["run"]) for line in lines] == sorted(
        (json.loads(line)["case"], json.loads(line)["run"]) for line in lines
    )


@pytest.mark.parametrize("change", ["prompt", "params", "case", "judge"])
def test_a_stale_store_cannot_tell(shop, gate, change):
    """Exit 4, with the sentence that a maintainer's run is needed."""
    store = record(shop, gate)
    if change == "prompt":
        (shop.directory / "answer.md").write_text("You sell coffee.", "utf-8")
        shop.targets["app"]["prompt"] = {"file": "answer.md", "at": "/messages/0/content"}
    elif change == "params":
        shop.targets["app"]["params"] = {"temperature": 1}
    elif change == "case":
        shop.put([*(case(one) for one in range(1, 8))])
    else:
        text = (shop.directory / "config" / "scoring.toml").read_text("utf-8")
        (shop.directory / "config" / "scoring.toml").write_text(text + "max_tokens = 3000\n", "utf-8")
    shop.write()
    done = gate(shop.file, "--recorded", store)
    assert done.code == 4, done.out
    said = {"case": "is not there", "judge": "a run with the judge's key is needed"}.get(
        change, "is stale: the case, the prompt, the model"
    )
    assert said in done.out
    if change in ("prompt", "params"):
        assert "have no stored answer that fits, and nobody is asked; about $0.0000" in done.out
        assert "are answered already" not in done.out
    if change != "judge":
        assert "a maintainer's run is needed: `goldwash gate … --record" in done.out


def test_a_store_that_is_not_there_is_bad_input(shop, gate):
    """A wrong path is no stale answer."""
    done = gate(shop.file, "--recorded", shop.golden / "nowhere")
    assert done.code == 2
    assert "there are no recorded answers" in done.err


def test_a_recorded_target_decides_like_the_option(shop, gate):
    """kind = recorded, with the folder and the target whose answers lie in it."""
    record(shop, gate)
    shop.targets["ci"] = {"kind": "recorded", "answers": "golden/recorded", "of": "app"}
    shop.write()
    done = gate(shop.file, "--targets", "ci")
    assert done.code == 0, done.out + done.err


def test_a_file_of_ones_own_answers(shop, gate):
    """A line a case; a case without a line was not measured."""
    cases = [case(one) for one in range(4)]
    shop.put(cases)
    lines = [{"case": one.id, "text": RIGHT, "usage": {"cost_usd": 0.25}, "latency_ms": 12} for one in cases]
    file = shop.directory / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    shop.targets["mine"] = {"kind": "recorded", "answers": "answers.jsonl"}
    shop.write()
    assert gate(shop.file, "--targets", "mine").code == 0
    assert read(shop.results()[0]).rows[0].cost_usd == 0.25
    file.write_text("".join(json.dumps(line) + "\n" for line in lines[1:]), "utf-8")
    done = gate(shop.file, "--targets", "mine")
    assert done.code == 4
    assert "holds no answer to run 1" in done.out
    file.write_text("nonsense\n", "utf-8")
    done = gate(shop.file, "--targets", "mine")
    assert done.code == 2
    assert "answers.jsonl:1" in done.err


PROGRAM = """
import json, os, sys
case = json.load(sys.stdin)
asked = case["input"]["body"]["messages"]
mode = os.environ.get("TEST_MODE")
if mode == "crash":
    sys.exit("no such index")
if mode == "prose":
    print("green, I would say")
    sys.exit()
text = "green" if case["target"]["prompt"] is None or "worse" not in case["target"]["prompt"] else "red"
print(json.dumps({
    "text": text,
    "context": [{"id": "d1", "text": "Teas are green."}, "and so on"],
    "usage": {"input_tokens": 1000, "output_tokens": 100}, "model": "gpt-4.1-mini",
}))
"""


@pytest.fixture
def program(shop):
    """A target that is a program."""
    shop.put([case(one) for one in range(4)])
    (shop.directory / "bot.py").write_text(PROGRAM, "utf-8")
    shop.targets = {"bot": {"kind": "command", "command": [sys.executable, str(shop.directory / "bot.py")], "watch": ["bot.py"]}}
    shop.write()
    return shop


def test_a_program_gets_the_case_and_gives_its_answer(program, gate):
    """With what it retrieved, priced by its own usage, and kept until the program changes."""
    done = gate(program.file)
    assert done.code == 0, done.out + done.err
    row = read(program.results()[0]).rows[0]
    assert row.extra["output"] == "green"
    assert [one["text"] for one in row.extra["context"]] == ["Teas are green.", "and so on"]
    assert row.cost_usd == pytest.approx((1000 * 0.4 + 100 * 1.6) / 1e6)
    assert "0 calls asked, 4 known already" in gate(program.file).out
    (program.directory / "bot.py").write_text(PROGRAM + "\n# changed", "utf-8")
    assert "4 calls asked" in gate(program.file).out
    program.targets["bot"]["watch"] = []
    program.write()
    gate(program.file)
    assert "4 calls asked" in gate(program.file).out
    done = gate(program.file, "--record", program.golden / "recorded")
    assert done.code == 2
    assert "name them in watch first" in done.err


@pytest.mark.parametrize(("mode", "says"), [("crash", "ended with exit code 1: no such index"), ("prose", "the answer is no JSON")])
def test_a_program_that_fails_measures_nothing(program, gate, monkeypatch, mode, says):
    """It is no wrong answer."""
    monkeypatch.setenv("TEST_MODE", mode)
    done = gate(program.file)
    assert done.code == 4
    assert says in done.out


def test_a_program_that_hangs_is_ended_with_all_it_started(program, gate, monkeypatch):
    """After its time-out; its children go with it."""
    mark = str(program.directory)
    monkeypatch.setenv("TESTED_PROGRAM", mark)
    (program.directory / "bot.py").write_text("import subprocess, time\nsubprocess.Popen(['sleep', '61.25'])\ntime.sleep(60)\n", "utf-8")
    program.targets["bot"]["timeout"] = 0.7
    program.write(attempts=1)
    done = gate(program.file)
    assert done.code == 4
    assert "gave no answer within 0.7 s" in done.out
    assert processes(f"TESTED_PROGRAM={mark}") == {}


def test_an_app_gets_the_case_by_post(shop, gate):
    """With the prompt under test rendered, in the case and beside it."""
    seen = []

    def respond(request):
        value = json.loads(bytes(request.body))
        seen.append(value)
        return answer(200, JSON, json.dumps({"text": RIGHT, "tool_calls": [], "context": [], "usage": {}}).encode())

    shop.upstream.on("/bot", respond)
    (shop.directory / "answer.md").write_text("You are {{shop}}.", "utf-8")
    prompt = {"file": "answer.md", "at": "/messages/0/content"}
    shop.targets = {"bot": {"kind": "app", "base_url": f"{shop.upstream.url}/bot", "prompt": prompt, "model": "m-1"}}
    shop.write()
    done = gate(shop.file)
    assert done.code == 0, done.out + done.err
    value = next(one for one in seen if one["input"]["vars"]["shop"] == "Leaf 3")
    assert value["target"] == {"name": "bot", "run": 1, "model": "m-1", "params": {}, "prompt": "You are Leaf 3.", "tools": None}
    assert value["input"]["body"]["messages"][0]["content"] == "You are Leaf 3."
    shop.upstream.on("/bot", answer(404, JSON, b'{"error": "no such route"}'))
    done = gate(shop.file)
    assert done.code == 4
    assert "status 404" in done.out


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "is not in the form"),
        ({"txt": "x"}, "is not in the form"),
        ({"text": 3}, "text: Input should be a valid string"),
        ({"text": "x", "tool_calls": [{"arguments": {}}]}, "tool_calls.0.name"),
        ({"text": "x", "usage": {"input_tokens": -1}}, "usage.input_tokens: -1"),
        ({"text": "x", "usage": {"cost_usd": "much"}}, "usage.cost_usd: 'much'"),
        ({"text": "x", "context": [3]}, "is not in the form"),
    ],
)
def test_answers_in_another_form_name_the_key(value, says):
    """So that who wrote the program finds it."""
    with pytest.raises(Refused) as refused:
        of_value(value, Variant("bot", Target(kind="command", command=("x",))), Pricer())
    assert says in str(refused.value)


def test_tool_calls_of_chat_completions_are_taken_too():
    """Programs often have them at hand in that form."""
    value = {"text": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]}
    reply = of_value(value, Variant("bot", Target(kind="command", command=("x",))), Pricer())
    assert reply.answer.tool_calls[0].name == "look_up"
