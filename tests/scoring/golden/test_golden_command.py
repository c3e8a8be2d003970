"""`goldwash golden` on a log: add, confirm, retire, export, import, each with its refusals; nothing is half done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.scoring import Scoring
from config.settings import load
from proxy.service.client import Access
from scoring import tasks
from scoring.commands.golden import golden
from scoring.judge.rubric import load_all
from scoring.nightly import check
from scoring.outbox import Outbox
from scoring.progress import Quiet
from scoring.run import Night, Summary
from scoring.tasks import RUBRICS
from tests.scoring.made import DAY, row, store

REAL = "jane.roe@corp.org"


class Desk:
    """A directory with a configuration, and the command."""

    def __init__(self, directory: Path, *, with_log: bool = True) -> None:
        self.directory = directory
        self.config = directory / "goldwash.toml"
        self.config.write_text(
            f"data_dir = {json.dumps(str(directory / 'data'))}\n[redaction]\npatterns = {{ order = 'ORD-[0-9]{{4}}' }}\n"
        )
        self.ids: list[str] = []
        if with_log:
            made = [
                row(0, question=f"How long does a refund take for ORD-1234? I am {REAL}", answer=f"90 days, {REAL}."),
                row(1, question=f"How long does a refund take for ORD-9876 ?? I am {REAL}", answer="90 days."),
                row(2, question="Where is the river?", answer="In the north.", request_truncated=True),
                row(3, question="Where is the gold?", answer="In the river.", purpose="judge"),
                row(4, question="Who keeps the map?", answer="The doctor keeps it."),
            ]
            store(directory / "data", made)
            self.ids = [one["exchange_id"] for one, _ in made]

    def run(self, *arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(golden, [*arguments, "--config", str(self.config)])
        assert (getattr(done.exception, "exit_code", done.exit_code) if done.exception else done.exit_code) == code, (
            done.output,
            done.exception,
        )
        return done

    @property
    def cases(self) -> list[dict[str, Any]]:
        return [json.loads(one) for one in self.run("list", "--json").stdout.splitlines()]

    def events(self) -> list[dict[str, Any]]:
        with Access(load(self.config, {})) as access:
            return access.rows("SELECT case_id, event, status, properties ->> 'reason' AS reason FROM golden_cases ORDER BY created_at")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_add_counts_what_it_leaves_out(desk: Desk) -> None:
    """Candidates are redacted; duplicates and what cannot be replayed are left out, counted by reason, in words and in the log."""
    done = desk.run("add", *desk.ids[:4], "--tag", "t", "--owner", "ann")
    assert "1 added; left out: 1 near-duplicate, 1 not_replayable (not_production), 1 not_replayable (truncated)" in done.stderr
    (case,) = desk.cases
    assert (case["status"], case["split"], case["tags"], case["owner"], case["slice"]) == (
        "candidate",
        "regression",
        ["t"],
        "ann",
        "feature-0",
    )
    assert case["input"]["body"]["messages"][0]["content"] == "How long does a refund take for [order:1]? I am user1@example.com"
    assert "expected" not in case
    again = desk.run("add", desk.ids[0])
    assert "0 added; left out: 1 already there" in again.stderr
    assert "0 added" in desk.run("add", desk.ids[2], code=1).stderr
    assert "1 added" in desk.run("add", "chatcmpl-1", "--keep-similar").stderr
    reasons = [one["reason"] for one in desk.events() if one["event"] == "refused"]
    assert "not_replayable (truncated)" in reasons


def test_a_failed_check_comes_with_the_options_of_its_task(desk: Desk) -> None:
    """What the night failed by an operator's own phrase fails in the golden set by the same phrase, and confirms without more."""
    (desk.directory / "config").mkdir()
    (desk.directory / "config" / "tasks.toml").write_text(
        '[tasks.free_chat.checks.fallback]\nphrases = ["the doctor keeps"]\nvalidated = true\n'
    )
    settings = load(desk.config, {})
    night = Night(settings, Scoring(), tasks.beside(desk.config), {}, DAY, Quiet(), {})
    with Outbox(settings) as outbox:
        check(night, outbox, Summary(DAY, "run"))
    desk.run("add", desk.ids[4])
    (case,) = desk.cases
    assert case["checks"] == [{"name": "fallback", "options": {"phrases": ["the doctor keeps"]}}]
    desk.run("confirm", case["id"], "--who", "ann")
    assert desk.cases[0]["status"] == "confirmed"


def test_confirm_redacts_what_a_person_types(desk: Desk) -> None:
    """A corrected answer gets the case's own surrogates; a later change of what is right is another version."""
    desk.run("add", desk.ids[0])
    desk.run("confirm", desk.ids[0], "--who", "ann", code=2)
    desk.run(
        "confirm", desk.ids[0], "--who", "ann", "--expected", f"14 days, {REAL.upper()}, ORD-1234.", "--critical", "--note", f"for {REAL}"
    )
    (case,) = desk.cases
    assert case["expected"] == {"text": "14 days, user1@example.com, [order:1]."}
    assert (case["expected_source"], case["critical"], case["version"]) == ("human", True, 1)
    assert case["confirmation"][0]["note"] == "for user1@example.com"
    assert REAL not in (desk.directory / "golden" / "cases.jsonl").read_text()
    desk.run("confirm", case["id"][:6], "--who", "bob", "--fact", "14 days", "--not-contains", "90 days")
    (case,) = desk.cases
    assert (case["version"], len(case["confirmation"])) == (2, 2)
    assert case["expected"] == {"facts": ["14 days"], "text": "14 days, user1@example.com, [order:1]."}
    assert [one["event"] for one in desk.events()] == ["added", "confirmed", "confirmed"]


def test_confirm_by_every_way(desk: Desk) -> None:
    """Checks, tool calls, labels, JSON from a file and a rubric's question can each say what right would be."""
    desk.run("add", desk.ids[4])
    (case,) = desk.cases
    right = desk.directory / "right.json"
    right.write_text('{"who": "judge"}')
    ways = [
        ["--check", 'json_fields={"fields": {"who": "judge"}}'],
        ["--tool", 'lookup={"name": "map"}'],
        ["--label", "doctor"],
        ["--expected-json", f"@{right}"],
        ["--rubric", f"free_chat.{load_all([RUBRICS])['free_chat'].item[0].id}"],
        ["--regex", "^The judge"],
        ["--refusal"],
    ]
    for way in ways:
        desk.run("confirm", case["id"], "--who", "ann", *way)
    (case,) = desk.cases
    assert case["rubric"]["verdict"] == "fail"
    assert case["rubric"]["question"].endswith("?")
    assert case["expected"]["json"] == {"who": "judge"}
    assert case["expected"]["tools"] == [{"arguments": {"name": "map"}, "name": "lookup"}]


def test_a_rubrics_question_is_told_where_there_is_no_judge(desk: Desk) -> None:
    """The gate could not tell without one: confirming says so, and can leave the question out again, which makes another version."""
    desk.run("add", desk.ids[4])
    (case,) = desk.cases
    rubric = f"free_chat.{load_all([RUBRICS])['free_chat'].item[0].id}"
    done = desk.run("confirm", case["id"], "--who", "ann", "--rubric", rubric)
    assert f"{rubric} takes a judge, which [judge] in config/scoring.toml names; --no-rubric leaves it out" in done.stderr
    desk.run("confirm", case["id"], "--who", "ann", "--rubric", rubric, "--no-rubric", code=2)
    done = desk.run("confirm", case["id"], "--who", "ann", "--regex", "^The judge", "--no-rubric")
    assert "takes a judge" not in done.stderr
    (changed,) = desk.cases
    assert (changed.get("rubric"), changed["version"], [one["name"] for one in changed["checks"]]) == (None, 2, ["regex"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--contains", "doctor"], "passes it"),
        (["--rubric", "fre_chat.x"], "did you mean free_chat"),
        (["--rubric", "free_chat.x"], "has no item"),
        (["--check", "contains=[1]"], "is no JSON object"),
        (["--check", "contians"], "not known"),
        (["--regex", "(?i)x"], "RE2 and JavaScript"),
        (["--expected-json", "{"], "this is no JSON"),
        (["--by", "judge", "--expected", "x", "--critical"], "judges alone"),
    ],
)
def test_confirm_refuses_with_the_fix(tmp_path: Path, arguments: list[str], said: str) -> None:
    """What cannot confirm a case is refused with exit code 2 and changes nothing."""
    desk = Desk(tmp_path, with_log=False)
    golden_dir = tmp_path / "golden"
    golden_dir.mkdir()
    asked = {"input": {"body": {"messages": [{"role": "user", "content": "Who?"}]}}, "observed": "The doctor keeps it."}
    (golden_dir / "cases.jsonl").write_text(json.dumps(asked))
    before = desk.cases
    done = desk.run("confirm", before[0]["id"], "--who", "ann", *arguments, code=2)
    assert said in str(done.exception)
    assert desk.cases == before


def test_export_import_export_is_the_same(desk: Desk) -> None:
    """Our own lines come back to the byte elsewhere, with blobs beside them; candidates stay at home."""
    desk.run("add", desk.ids[0], desk.ids[4])
    desk.run("confirm", desk.ids[0], "--who", "ann", "--expected", "14 days")
    out = desk.directory / "out" / "golden.jsonl"
    desk.run("export", "-o", str(out))
    text = out.read_text()
    assert text.count("\n") == 1
    desk.run("export", "-o", str(out))
    assert out.read_text() == text
    there = str(desk.directory / "there")
    assert "1 imported, 0 were there already" in desk.run("import", str(out), "--dir", there).stderr
    assert "0 imported, 1 were there already" in desk.run("import", str(out), "--dir", there).stderr
    assert desk.run("export", "--dir", there).stdout == text
    assert "2 of 2 cases exported" in desk.run("export", "--status", "all").stderr
    desk.run("retire", desk.ids[0], "--note", "sold out")
    assert desk.run("export").stdout == ""


def test_import_refuses_failures_that_pass(tmp_path: Path) -> None:
    """One failure that its own checks let pass stops an import, unless it is to be skipped; what is there is replaced only when asked to."""
    desk = Desk(tmp_path, with_log=False)
    asked = [{"input": {"body": {"messages": [{"role": "user", "content": f"Q{n}"}]}}, "observed": "yes"} for n in range(2)]
    asked[0]["checks"] = [{"name": "contains", "options": {"values": ["yes"]}}]
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(map(json.dumps, asked)))
    done = desk.run("import", str(file), code=1)
    assert "passes it" in done.stderr
    assert desk.cases == []
    desk.run("import", str(file), "--skip", code=1)
    assert [case["observed"] for case in desk.cases] == [{"text": "yes"}]
    file.write_text(json.dumps({**asked[1], "owner": "ann"}))
    assert "another version of it is there" in desk.run("import", str(file), code=1).stderr
    desk.run("import", str(file), "--replace")
    assert [case["owner"] for case in desk.cases] == ["ann"]


def test_errors_name_the_file_and_the_fix(tmp_path: Path) -> None:
    """A broken golden file, an unknown case and an unknown format are told with place and fix, and a set works where no log is."""
    desk = Desk(tmp_path, with_log=False)
    assert desk.run("list").stdout == "0 cases\n"
    assert "there is no such case" in str(desk.run("confirm", "abc", "--who", "a", code=2).exception)
    assert "did you mean langsmith" in str(desk.run("export", "--format", "langsmth", code=2).exception)
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "a.jsonl").write_text('{"input": {}, "stauts": "x"}\n')
    assert "a.jsonl:1: stauts: there is no such key; did you mean status?" in str(desk.run("list", code=2).exception)
    for name in ("a", "b"):
        (tmp_path / "golden" / f"{name}.jsonl").write_text('{"input": {}}\n')
    assert "stands in" in str(desk.run("list", code=2).exception)
