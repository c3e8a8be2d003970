"""Golden cases as pytest items in a session of their own, against a model behind a socket."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.helpers.golden import JSON, RIGHT, case
from tests.helpers.upstream import answer

CLEAN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
OFF = ["-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist", "-o", "addopts=", "-rsx"]


@pytest.fixture
def session(shop):
    """`pytest golden/cases.jsonl …` in the shop's directory."""

    def run(*arguments):
        command = [sys.executable, "-P", "-m", "pytest", str(shop.file), *OFF, "--goldwash-config", str(shop.config), *arguments]
        return subprocess.run(command, cwd=shop.directory, env=CLEAN, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_each_case_is_an_item_and_the_verdict_one_more(shop, session):
    """All pass; the session's other tests run beside them."""
    (shop.directory / "test_own.py").write_text("def test_one():\n    pass\n", "utf-8")
    done = session(str(shop.directory / "test_own.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout


def test_what_broke_fails_with_question_and_answer(shop, session):
    """And the verdict fails with its sentences; the session ends with 1."""
    shop.says = lambda system, question: "red"
    done = session()
    assert done.returncode == 1
    assert "11 failed" in done.stdout
    assert "question: Which colour has tea 3?\nanswer: red\nexpected.label: is not green (red)" in done.stdout
    assert "FAILED    floor" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_failure_that_the_verdict_lets_pass_is_an_expected_one(shop, session):
    """One of ten may be chance: 0, and it is shown."""
    shop.says = lambda system, question: "red" if question.endswith(" 3?") else RIGHT
    done = session()
    assert done.returncode == 0, done.stdout
    assert "10 passed, 1 xfailed" in done.stdout
    assert "the verdict lets it pass" in done.stdout


def test_an_outage_skips_and_ends_with_4(shop, session):
    """No case is blamed; another test's failure does not hide it."""
    shop.says = lambda system, question: answer(503, JSON, b"{}")
    (shop.directory / "test_own.py").write_text("def test_one():\n    assert 0\n", "utf-8")
    done = session(str(shop.directory / "test_own.py"))
    assert done.returncode == 4, done.stdout
    assert "2 failed, 10 skipped" in done.stdout


def test_bad_input_ends_the_session_with_2(shop, session):
    """With one sentence."""
    done = session("--goldwash-targets", "other")
    assert done.returncode == 2
    assert "goldwash: there is no target 'other'" in done.stdout + done.stderr


def test_files_that_nobody_named_are_left_alone(shop):
    """A JSONL file in a directory that is collected is no golden set."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", str(shop.golden), *OFF],
        cwd=shop.directory,
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "no tests ran" in done.stdout


def test_a_call_from_python(shop):
    """The same run with the same verdict."""
    from scoring.gate.order import Order
    from scoring.gate.running import exit_code, run_gate

    shop.put([case(one) for one in range(3)])
    outcomes = run_gate(Order(files=(shop.file,), config=shop.config), environ={})
    assert [one.variant.name for one in outcomes] == ["app"]
    assert outcomes[0].verdict.outcome == "passed"
    assert exit_code(outcomes) == 0
    assert outcomes[0].path.is_file()
