"""A pass of a handful of cases says that it proves little, in every report, and its exit code stays."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from proxy.cli import goldwash
from scoring.gate.alone import decide_alone
from scoring.gate.reports import render
from scoring.gate.results import Results
from scoring.gate.rules import Floor, Rules
from scoring.gate.wording import as_text
from tests.helpers.gate import TODAY, results, verdict
from tests.helpers.golden import case
from tests.scoring.gate.reports.made import alone, report, row


def test_one_failing_case_passes_with_a_warning_everywhere():
    """Nothing can be concluded from one case, and every report says so beside the pass, with the reason why it passed."""
    made = alone([row("c1", False)])
    assert made.verdict.exit_code == 0
    text = as_text(made.verdict)
    assert "Warning: only 1 case counts: even if it failed, the gate would pass" in text
    assert "0.0% of the 1 case pass, and 85.0% must; but so few leave it possible that up to 97.5% would" in text
    markdown = render("markdown", [made])
    assert markdown.startswith("## ⚠️ Goldwash gate passed, though 1 of 1 case fails\n**Why:** no rule objects: 0.0% of the 1 case pass")
    assert "**Warning:** only 1 case counts" in markdown
    assert "\nwarning: only 1 case counts" in render("terminal", [made])
    found = {one.get("name"): one.get("value") for one in ET.fromstring(render("junit", [made])).iter("property")}
    assert (found["warning"] or "").startswith("only 1 case counts")
    assert render("annotations", [made]).startswith("::warning title=Goldwash gate::")
    (notice,) = json.loads(render("sarif", [made]))["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert notice["level"] == "warning"
    assert json.loads(render("json", [made]))["warning"].startswith("only 1 case counts")


@pytest.mark.parametrize(("cases", "may_fail"), [(2, 1), (3, 2), (5, 3), (7, 3)])
def test_the_number_that_may_fail_is_the_gates_own(cases, may_fail):
    """So many can break without a failure, and one more fails."""
    text = f"only {cases} cases count: {may_fail} of them may fail, and the gate still passes"
    assert text in (verdict(results("1" * cases), results("1" * cases)).warning or "")
    for broken, code in ((may_fail, 0), (may_fail + 1, 1)):
        assert verdict(results("1" * cases), results("0" * broken + "1" * (cases - broken))).exit_code == code


def test_enough_cases_are_not_warned_of():
    """Eight with a baseline, of which half would fail it, and any larger set; a release that failed needs no warning either."""
    assert verdict(results("1" * 8), results("1" * 8)).few is None
    assert verdict(results("1" * 200), results("1" * 200)).few is None
    failed = report(0, 5).verdict
    assert (failed.exit_code, failed.warning) == (1, None)
    assert "Warning" not in as_text(failed)


def test_what_fails_alone_is_no_small_set():
    """A case that must pass needs no others; a rule that asks for all of them leaves none unseen."""
    assert verdict(results("1", critical=True), results("1", critical=True)).few is None
    assert verdict(results("11"), results("11"), Rules(floor=Floor(rate=1.0))).few is None
    both = [row("c1", True, critical=True), row("c2", True)]
    assert "1 of them, those that must pass apart, may fail" in (alone(both).verdict.warning or "")


def test_steps_of_one_conversation_are_one_piece_of_evidence():
    """Ten steps of it cannot fail the gate by their rate."""
    steps = results("1" * 10, cluster="talk")
    found = decide_alone(steps, Rules(), today=TODAY)
    assert (found.warning or "").startswith("only 10 cases count, cut from 1 conversation: even if all of them failed, the gate would pass")
    broken = Results(tuple(replace(one, passed=False) for one in steps.rows))
    assert decide_alone(broken, Rules(), today=TODAY).exit_code == 0


def test_new_cases_alone_are_warned_of():
    """A baseline that knows one known failure, and a candidate with new cases besides: nothing is held to anything."""
    base, candidate = results("0", status="known_failing"), results("01")
    rows = (replace(candidate.rows[0], status="known_failing"), candidate.rows[1])
    found = verdict(base, Results(rows))
    assert (found.exit_code, (found.warning or "")[:33]) == (0, "no case counts for a pass rate, s")


def test_what_fails_without_a_baseline_is_named():
    """Those that must pass first; the two sides that there are not are not spoken of."""
    text = as_text(alone([row("c1", False), row("c2", True), row("c3", False, critical=True)]).verdict)
    assert "What fails:\n  c3 fails (0/1 pass, must pass)\n  c1 fails (0/1 pass)\n" in text
    assert "3 cases, 1 run each" in text
    assert "every run has a result" in text
    assert "What fails, though no rule objects:\n  c1 fails" in as_text(alone([row("c1", False)]).verdict)


def test_a_comparison_that_sees_nothing_says_so():
    """Two cases that all break do not fail the comparison: it does not claim that a drop of 100 points would."""
    found = verdict(results("11"), results("11"))
    assert "What this could see: in the comparison with the baseline no drop, however large, fails 4 times in 5." in as_text(found)
    assert "no drop in the pass rate would fail 4 times in 5" in render("markdown", [report(2, 0)])


def test_the_command_says_it(shop, gate):
    """On standard output, before the rules, with exit code 0; and how to see the answer that fails."""
    shop.put([case(1)])
    shop.says = lambda system, question: "blue"
    done = gate(shop.file)
    assert done.code == 0, done.err
    assert "Warning: only 1 case counts" in done.out
    command = done.out.splitlines()[-1].partition("goldwash gate report ")[2]
    told = CliRunner().invoke(goldwash, ["gate", "report", *shlex.split(command), "--golden", str(shop.file)])
    assert "now       0/1  blue" in told.output, told.output
