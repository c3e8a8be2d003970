"""The scripts of the shipped workflow, run as GitHub runs them, in a real repository: every way there is a report, and the gate's exit code."""

from __future__ import annotations

import os
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

JOBS: dict[str, Any] = yaml.safe_load(resources.files("scoring.gate").joinpath("github-workflow.yml").read_text(encoding="utf-8"))
QUIET = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


class Job:
    """One job's scripts in a working directory."""

    def __init__(self, place: Path, job: str, gate: str) -> None:
        """gate: what `goldwash gate` does, as a shell script."""
        self.place, self.steps = place, {step.get("name"): step for step in JOBS["jobs"][job]["steps"] if "run" in step}
        tools = place / "tools"
        tools.mkdir()
        for name, script in (("goldwash", gate), ("python", "exit 0"), ("curl", "exit 0")):
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        self.output, self.summary = place / "output", place / "summary"
        self.environ = {
            **QUIET,
            **{name: str(value) for name, value in JOBS["env"].items()},
            "PATH": f"{tools}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }

    def git(self, *arguments: str) -> str:
        """What git says."""
        return subprocess.run(
            ["git", *arguments], cwd=self.place, env=self.environ, capture_output=True, text=True, check=True
        ).stdout.strip()

    def run(self, name: str, **environ: str) -> int:
        """The exit code of a step."""
        script = self.steps[name]["run"]
        return subprocess.run(["bash", "-e", "-c", script], cwd=self.place, env={**self.environ, **environ}, check=False).returncode

    def said(self, key: str) -> str:
        """An output of the steps so far."""
        lines = self.output.read_text().splitlines() if self.output.exists() else []
        return next((line.partition("=")[2] for line in lines if line.startswith(f"{key}=")), "")


def changed(job: Job, file: str) -> str:
    """A repository with one commit, and another that changes this file; the first one's hash."""
    job.git("init", "--quiet")
    (job.place / "README.md").write_text("one")
    job.git("add", "README.md")
    job.git("commit", "--quiet", "-m", "one")
    base = job.git("rev-parse", "HEAD")
    (job.place / file).parent.mkdir(exist_ok=True)
    (job.place / file).write_text("two")
    job.git("add", file)
    job.git("commit", "--quiet", "-m", "two")
    return base


@pytest.mark.parametrize(
    ("gate", "code", "says"),
    [
        ("echo '## failed' > gate.md; exit 1", 1, "## failed"),
        ("echo '## passed' > gate.md; exit 0", 0, "## passed"),
        ("echo '## stale' > gate.md; exit 4", 4, "## stale"),
        ("exit 2", 2, "no decision (exit code 2)"),
    ],
)
def test_a_relevant_change_is_decided_and_told(tmp_path: Path, gate: str, code: int, says: str) -> None:
    """The job ends with the gate's own exit code, and the summary holds its report, or that there is none."""
    job = Job(tmp_path, "decide", gate)
    base = changed(job, "prompts/answer.md")
    assert job.run("See what changed", BASE=base) == 0
    assert job.said("relevant") == "true"
    assert job.run("Decide on stored answers") == 0
    assert job.run("Report") == 0
    assert says in job.summary.read_text()
    assert job.run("Verdict", CODE=job.said("code")) == code


def test_an_irrelevant_change_is_told_too(tmp_path: Path) -> None:
    """The required check passes with a report, and asks nothing."""
    job = Job(tmp_path, "decide", "exit 1")
    base = changed(job, "docs/page.md")
    assert job.run("See what changed", BASE=base) == 0
    assert job.said("relevant") == "false"
    assert job.run("Report") == 0
    assert "nothing to decide" in job.summary.read_text()


def test_a_job_that_broke_before_the_gate_is_no_pass(tmp_path: Path) -> None:
    """Without an exit code of the gate the verdict is bad input, and the summary says so."""
    job = Job(tmp_path, "decide", "exit 0")
    assert job.run("Report") == 0
    assert "no decision" in job.summary.read_text()
    assert job.run("Verdict", CODE="") == 2


def test_by_hand_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    """Then it decides."""
    job = Job(tmp_path, "decide", "exit 0")
    changed(job, "docs/page.md")
    assert job.run("See what changed", BASE="") == 0
    assert job.said("relevant") == "true"


def test_the_live_job_starts_goldwash_and_ends_it(tmp_path: Path) -> None:
    """The run asks through a Goldwash of its own; its exit code comes through."""
    gate = 'if [ "$1" = up ]; then trap "exit 0" TERM; echo up; while :; do sleep 0.1; done; fi; echo "## live" > gate.md; exit 1'
    job = Job(tmp_path, "live", gate)
    assert job.run("Ask the target and decide") == 0
    assert job.said("code") == "1"
    assert (tmp_path / "goldwash.log").read_text() == "up\n"
    assert job.run("Verdict", CODE=job.said("code")) == 1
