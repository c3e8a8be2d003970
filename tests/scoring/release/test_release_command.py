"""`goldwash release mark|sample|evidence|list` on real result files and a real log: what is refused, what is kept, what a bundle proves."""

from __future__ import annotations

import copy
import csv
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.settings import load
from proxy.service.client import Access
from scoring.commands.golden import golden
from scoring.commands.release import release
from scoring.gate.results import Header, Results, write
from scoring.gate.results import Result as Row
from scoring.gate.rows import dataset
from scoring.golden.store import GoldenSet
from scoring.release.mark import verdict_in
from tests.scoring.made import row, store

TARGET = {
    "name": "production",
    "kind": "endpoint",
    "base_url": "https://user:hunter2@api.example.com/v1?key=abc",
    "model": "gpt-4.1-mini-2025-04-14",
    "params": {"temperature": 0.2, "api_key": "sk-live-1234"},
    "prompt": {"file": "prompts/answer.md", "at": "/messages/0/content", "sha256": "ab" * 32, "text": "You are secret."},
    "tools": [{"type": "function", "function": {"name": "look_up"}}],
}
AT = "2026-03-02T10:00:00+00:00"


class Desk:
    """A directory with a golden set, a baseline, a candidate and a log."""

    def __init__(self, directory: Path, *, failing: int = 0) -> None:
        self.directory = directory
        self.config = directory / "goldwash.toml"
        self.config.write_text(f"data_dir = {json.dumps(str(directory / 'data'))}\n")
        store(directory / "data", [row(0)])
        made = CliRunner().invoke(golden, ["init", "--template", "free_chat", "--config", str(self.config)])
        assert made.exit_code == 0, made.output
        cases = GoldenSet(directory / "golden").cases
        self.base, self.candidate = directory / "base.jsonl", directory / "candidate.jsonl"
        for path, bad in ((self.base, 0), (self.candidate, failing)):
            rows = [
                Row(
                    case=case.id,
                    run=1,
                    passed=number >= bad,
                    status="confirmed",
                    version="1",
                    cost_usd=0.001,
                    latency_ms=900.0,
                    extra={"question": case.question[:200], "output": f"=answer {number}", "response_model": TARGET["model"]},
                )
                for number, case in enumerate(cases)
            ]
            head = Header(target="production", dataset=dataset(cases), prices="p 1", made_at=AT, extra={"target": TARGET})
            write(Results(tuple(rows), head, path.name), path)

    def run(self, *arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(
            release, [arguments[0], *arguments[1:], *(() if arguments[0] == "sample" else ("--config", str(self.config)))]
        )
        given = getattr(done.exception, "exit_code", done.exit_code) if done.exception else done.exit_code
        assert given == code, (done.output, done.exception)
        return done

    def mark(self, *more: str, code: int = 0, name: str = "v1") -> Result:
        given = ["--baseline", str(self.base), "--accepted-by", "ann", "--at", AT, *more]
        return self.run("mark", name, str(self.candidate), *given, code=code)

    def filled(self, *, no: int = 0) -> Path:
        """The human sample, with so many answers rejected."""
        drawn = list(csv.DictReader(io.StringIO(self.run("sample", "v1", str(self.candidate), "--size", "10").stdout)))
        out = io.StringIO()
        writer = csv.DictWriter(out, list(drawn[0]))
        writer.writeheader()
        for number, one in enumerate(drawn):
            writer.writerow({**one, "accepted": "no" if number < no else "yes"})
        path = self.directory / f"sample-{no}.csv"
        path.write_text(out.getvalue())
        return path

    @property
    def marked(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.directory / "releases" / "v1.json").read_text())
        return value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("made"))


@pytest.fixture
def desk(made: Desk, tmp_path: Path) -> Desk:
    """A copy of what was made once."""
    found = copy.copy(made)
    found.directory = tmp_path / "desk"
    shutil.copytree(made.directory, found.directory)
    found.config, found.base, found.candidate = (found.directory / one.name for one in (made.config, made.base, made.candidate))
    found.config.write_text(f"data_dir = {json.dumps(str(found.directory / 'data'))}\n")
    return found


def test_a_mark_says_what_ships_and_keeps_no_secret(desk: Desk):
    """Prompt, model, tools, dataset and verdict stand in a file for git and in the log; keys, users and texts do not."""
    desk.mark("--sample", str(desk.filled(no=1)), "--git", "abc123", "--feature", "chat")
    mark = desk.marked
    text = (desk.directory / "releases" / "v1.json").read_text()
    assert not [word for word in ("hunter2", "sk-live", "You are secret", "key=abc") if word in text]
    ships = mark["ships"]
    assert (ships["model"], ships["base_url"]) == (TARGET["model"], "https://api.example.com/v1")
    assert (ships["prompt"]["sha256"], ships["tools"]["names"]) == ("ab" * 32, ["look_up"])
    assert mark["verdict"]["outcome"] == "passed"
    assert mark["measured_with"]["dataset"]
    sample = mark["accepted"]["sample"]
    assert (sample["n"], sample["accepted"], sample["rejected"], len(sample["contradicting"])) == (10, 9, 1, 1)
    assert 0.59 < sample["low"] < 0.6
    with Access(load(desk.config, {})) as access:
        (told,) = access.rows("SELECT release, event, outcome, feature, model, \"by\", content ->> 'git' AS git FROM releases")
    assert told == {
        "release": "v1", "event": "marked", "outcome": "passed", "feature": "chat", "model": TARGET["model"], "by": "ann", "git": "abc123",
    }  # fmt: skip
    assert "accepted by ann" in desk.run("list").output


def test_marking_twice(desk: Desk):
    """The same again changes nothing, not even the time; something else under the name is refused, unless it is to replace it."""
    desk.mark()
    before = (desk.directory / "releases" / "v1.json").read_bytes()
    assert "marked already" in desk.mark("--at", "2026-03-02T11:00:00+00:00").output
    assert (desk.directory / "releases" / "v1.json").read_bytes() == before
    assert "otherwise" in str(desk.mark("--git", "other", code=2).exception)
    desk.mark("--git", "other", "--replace")
    assert desk.marked["git"] == "other"
    desk.mark(name="../v1", code=2)


def test_what_failed_ships_only_with_a_reason(tmp_path: Path):
    """A verdict that is no pass refuses the mark; with a reason it is kept beside the name of who gave it."""
    desk = Desk(tmp_path, failing=20)
    assert "--despite" in str(desk.mark(code=2).exception)
    desk.mark("--despite", "the old release is down")
    assert desk.marked["verdict"]["outcome"] == "failed"
    assert desk.marked["accepted"]["despite"] == "the old release is down"


def test_the_human_sample_is_drawn_and_not_chosen(desk: Desk):
    """The same release draws the same answers; another answer, an unknown word and an undecided row are refused; formulas are defused."""
    one = desk.run("sample", "v1", str(desk.candidate)).stdout
    assert one == desk.run("sample", "v1", str(desk.candidate)).stdout
    assert one != desk.run("sample", "v2", str(desk.candidate)).stdout
    rows = list(csv.DictReader(io.StringIO(one)))
    assert len(rows) == 20
    assert rows[0]["answer"].startswith("'=answer")
    shorter = desk.filled()
    shorter.write_text("".join(shorter.read_text().splitlines(keepends=True)[:-1]))
    assert "rows are not chosen" in str(desk.mark("--sample", str(shorter), code=2).exception)
    empty = desk.directory / "empty.csv"
    empty.write_text(one)
    assert "not decided" in str(desk.mark("--sample", str(empty), code=2).exception)
    empty.write_text(one.replace('"",""\n', '"maybe",""\n', 1))
    assert "write yes or no" in str(desk.mark("--sample", str(empty), code=2).exception)
    empty.write_text(one.replace(rows[0]["answer_sha256"], "0" * 16))
    assert "the answer of case" in str(desk.mark("--sample", str(empty), code=2).exception)


def test_a_verdict_file_of_the_gate(desk: Desk):
    """A file with the verdicts of several targets gives that of the target that ships; one without any is refused."""
    one, other = {"outcome": "failed", "rulings": []}, {"outcome": "passed", "rulings": []}
    told = {"targets": [{"target": {"name": "a"}, "verdict": one}, {"target": "production", "verdict": other}]}
    assert verdict_in(told, "production", "f") == other
    assert verdict_in(one, "production", "f") == one
    path = desk.directory / "verdict.json"
    path.write_text(json.dumps({"results": []}))
    assert "no verdict" in str(desk.mark("--verdict", str(path), code=2).exception)
    path.write_text(json.dumps(told))
    desk.mark("--verdict", str(path))
    assert desk.marked["files"]["verdict"]["path"] == "verdict.json"


def test_a_baseline_that_the_gate_ran_again(desk: Desk):
    """Where the gate added runs to the baseline, the file with those runs is what the release rests on."""
    beside = desk.directory / "held_against" / desk.candidate.name
    beside.parent.mkdir()
    shutil.copy(desk.base, beside)
    desk.run("mark", "v1", str(desk.candidate), "--accepted-by", "ann")
    assert desk.marked["files"]["baseline"]["path"] == "held_against/candidate.jsonl"


def test_evidence_is_the_same_bytes_and_verifies(desk: Desk, tmp_path: Path):
    """Two bundles are equal to the byte; everything that can be worked out again comes to the same."""
    desk.mark("--sample", str(desk.filled()))
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    desk.run("evidence", "v1", "--out", str(one))
    desk.run("evidence", "v1", "--out", str(two))
    assert one.read_bytes() == two.read_bytes()
    told = desk.run("evidence", "--verify", str(one)).output
    assert "ok       verdict: passed again" in told
    assert "ok       human sample: counts to the same" in told
    assert "ok       dataset: 57 cases" in told
    assert "FAILED" not in told
    with zipfile.ZipFile(one) as archive:
        names = set(archive.namelist())
    assert {"release.json", "manifest.json", "verdict.json", "rules.toml", "report.md", "golden/seed.jsonl", "sample.csv"} <= names
    desk.run("evidence", "v1", "--out", str(tmp_path / "folder"))
    assert "all" in desk.run("evidence", "--verify", str(tmp_path / "folder")).output


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("results/candidate.jsonl", (b'"passed":1', b'"passed":0'), "was changed"),
        ("golden/seed.jsonl", (b"candidate", b"confirmed"), "was changed"),
        ("sample.csv", (b"yes", b"no "), "was changed"),
        ("extra.txt", None, "is not in the manifest"),
        ("rules.toml", "gone", "is in the manifest and not in the bundle"),
    ],
)
def test_a_bundle_that_was_tampered_with_fails(desk: Desk, tmp_path: Path, name: str, change: Any, said: str):
    """A changed, added or missing file is named, and the exit code says so."""
    desk.mark("--sample", str(desk.filled()))
    folder = tmp_path / "folder"
    desk.run("evidence", "v1", "--out", str(folder))
    if change == "gone":
        (folder / name).unlink()
    elif change is None:
        (folder / name).write_text("hello")
    else:
        (folder / name).write_bytes((folder / name).read_bytes().replace(*change))
    told = desk.run("evidence", "--verify", str(folder), code=1).output
    assert f"{name}: " in told
    assert said in told


def test_a_forged_verdict_is_found_though_the_hashes_fit(tmp_path: Path):
    """Who changes the mark and mends the manifest is found out by the decision itself, worked out again."""
    from scoring.release.evidence import bundle, checked, zipped

    desk = Desk(tmp_path, failing=20)
    desk.mark("--despite", "for the test")
    desk.run("evidence", "v1", "--out", str(tmp_path / "x.zip"))
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    mark = json.loads(whole["release.json"])
    mark["verdict"]["outcome"] = "passed"
    rest = {name: data for name, data in whole.items() if name not in ("release.json", "manifest.json")}
    forged = bundle(mark, rest, "somebody")
    assert zipped(forged)
    failed = [line.what for line in checked(forged, "x") if line.ok is False]
    assert failed == ["verdict"]


def test_a_file_that_changed_since_it_was_marked(desk: Desk):
    """Evidence of other files than the marked ones is refused."""
    desk.mark()
    desk.candidate.write_bytes(desk.candidate.read_bytes() + b"\n")
    assert "was changed since" in str(desk.run("evidence", "v1", code=2).exception)
    assert "there is no such release (v1" in str(desk.run("evidence", "v9", code=2).exception)
    (desk.directory / "releases" / "v2.json").write_text('{"release_mark": 1, "release": "v2"}')
    assert "ships is missing" in str(desk.run("evidence", "v2", code=2).exception)
    (desk.directory / "no.zip").write_text("no zip")
    desk.run("evidence", "--verify", str(desk.directory / "no.zip"), code=2)


def test_a_list_of_nothing_says_so(tmp_path: Path):
    """An empty answer would look like a command that did nothing."""
    (tmp_path / "goldwash.toml").write_text("")
    done = CliRunner().invoke(release, ["list", "--config", str(tmp_path / "goldwash.toml")])
    assert "no release is marked" in done.output
