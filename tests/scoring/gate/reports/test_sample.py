"""A real run on a worse prompt: the page in the docs is what it gives now, and `gate report` says the same of its files."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scoring.gate.reports import Report
from tests.helpers.goldwash import ROOT, run
from tests.scoring.gate.reports import sample

CLEAN = sample.CLEAN


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run took place."""
    return tmp_path_factory.mktemp("sample")


@pytest.fixture(scope="module")
def made(place: Path) -> Report:
    """The run."""
    return sample.made(place)


def test_the_sample_in_the_docs_is_fresh(made: Report) -> None:
    """docs/gate-report-sample.md is what scripts/docs would write now."""
    assert (ROOT / "docs/gate-report-sample.md").read_text(encoding="utf-8") == sample.page(made), "run scripts/docs"


def test_it_names_the_cases_that_broke_and_why(made: Report) -> None:
    """The eight that the lost lines held up, each with its question, and no other; the one that got better is not among them."""
    text = sample.page(made)
    assert "FAILED: 8 of 25 cases broke, 2 of them must pass" in text.split("\n---\n")[1].strip().splitlines()[0]
    summaries = [line for line in text.splitlines() if line.startswith("<details><summary>❌")]
    asked = {question for question in (*sample.RETURNS, *sample.STAFF) if any(f"<b>{question}</b>" in line for line in summaries)}
    assert asked == {*sample.RETURNS, *sample.STAFF}
    assert len(summaries) == 8
    assert "-Returns are free within 14 days of delivery." in text
    assert "-Never give out the staff code NL-STAFF-20" in text


def test_the_run_wrote_every_report(made: Report, place: Path) -> None:
    """`gate golden --markdown … --junit … --sarif … --annotations … --json …` in one go, with places in the golden file."""
    assert (place / "gate.md").read_text("utf-8").startswith("## ❌ Goldwash gate FAILED: 8 of 25 cases broke")
    assert "`golden/cases.jsonl:" in (place / "gate.md").read_text("utf-8")
    assert ET.parse(place / "gate.xml").getroot().tag == "testsuites"
    assert json.loads((place / "gate.sarif").read_text("utf-8"))["version"] == "2.1.0"
    assert (place / "gate.txt").read_text("utf-8").startswith("::error title=Goldwash gate::")
    assert json.loads((place / "gate.json").read_text("utf-8"))["outcome"] == "failed"


def test_a_report_is_made_again_from_the_result_files(made: Report, place: Path) -> None:
    """`goldwash gate report` decides the same and exits with 0; a file that is none is bad input."""
    latest = max((place / "data" / "gate" / "results").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    arguments = ("gate", "report", str(latest), "--base", "golden/baselines/current.jsonl", "--config", "goldwash.toml")
    done = run(*arguments, environ=CLEAN, cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Goldwash gate FAILED: 8 of 25 cases broke, 2 of them must pass\nwhy: critical")
    assert "golden/cases.jsonl:" in done.stdout
    written = run(*arguments, "--format", "junit", "--out", "again.xml", environ=CLEAN, cwd=place)
    assert (written.returncode, written.stdout) == (0, "")
    assert ET.parse(place / "again.xml").getroot().tag == "testsuites"
    alone = run("gate", "report", str(latest), environ=CLEAN, cwd=place)
    assert "8 of 25 cases fail" in alone.stdout
    wrong = run("gate", "report", "goldwash.toml", environ=CLEAN, cwd=place)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_the_workflow_is_printed() -> None:
    """As it is packaged."""
    done = run("gate", "workflow", environ=CLEAN)
    assert done.stdout == (ROOT / "scoring/gate/github-workflow.yml").read_text("utf-8")
