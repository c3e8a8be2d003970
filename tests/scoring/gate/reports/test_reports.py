"""Reports of runs of every kind: they say what was decided and why, keep to their limits, and hold whatever a model wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from scoring.commands.gate_report import FORMATS as OFFERED
from scoring.gate.reports import FORMATS, Report, render
from scoring.gate.reports.release import release
from scoring.gate.reports.story import stories
from scoring.gate.results import Results
from scoring.gate.rules import Rules
from tests.helpers.gate import verdict
from tests.scoring.gate.reports.made import alone, place, report, results, row

HOSTILE = (
    "</code></details>\n\n# Approved @everyone #1 https://evil.example\n```\n~~~\n<script>alert(1)</script><img src=x onerror=y>\n"
    "]]><failure/>\x1b[2J\x1b]0;t\x07\u202egnp.exe\n::error file=a::b\n##[command]rm\n| a | b |\n<!-- \ud800 \x00 &amp; ${{ secrets.X }}"
)
REPORTS = {
    "failed": report(30, 8),
    "passed": report(30, 0),
    "unclear": report(30, 3),
    "critical": report(40, 1, critical=True),
    "known": report(20, 8, known={f"b{number:04d}": place(line=number + 1, expected={"facts": ["14 days"]}) for number in range(8)}),
    "alone": alone([row("a", True), row("b", False), row("c", True)]),
    "unmeasured": alone([row("a", True), row("b", None)]),
    "hostile": report(10, 8, output=HOSTILE, question=HOSTILE, reason=HOSTILE, slice="a|b<c>"),
    "bare": Report(None, results([row("a", True)], "x"), alone([row("a", True)]).verdict),
}


def test_every_format_is_offered():
    """The command names what the shelf has."""
    assert set(OFFERED) == set(FORMATS)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", REPORTS)
def test_every_format_tells_of_every_outcome(kind: str, name: str) -> None:
    """Also of several targets at once, and the same twice for the same files."""
    text = render(kind, [REPORTS[name]])
    assert text == render(kind, [REPORTS[name]])
    assert text.endswith("\n")
    text.encode()
    assert render(kind, [REPORTS[name], REPORTS["known"]]) != text


@pytest.mark.parametrize("kind", ["terminal", "markdown", "annotations"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("failed", ["FAILED: 8 of 38 cases broke", "100.0% in the baseline, 78.9% now"]),
        ("critical", ["1 of them must pass", "“Question b0000?”"]),
        ("passed", ["passed: no case broke", "every rule holds"]),
        ("unclear", ["passed, with a warning", "regression"]),
        ("unmeasured", ["could not tell: 1 case could not be measured", "connection refused"]),
    ],
)
def test_outcome_and_why_stand_in_the_first_two_lines(kind: str, name: str, says: Sequence[str]) -> None:
    """A reviewer who reads no further knows what was decided and by which rule."""
    first = "\n".join(render(kind, [REPORTS[name]]).splitlines()[:2])
    for words in says:
        assert words in first.replace("%25", "%")


def test_a_case_is_told_with_question_expected_before_and_now() -> None:
    """All that a reviewer needs to see whether the release or the case is wrong, and where the case stands."""
    text = render("markdown", [REPORTS["known"]])
    for words in ("Question b0003?", "says: 14 days", "In 14 days.", "an answer", "does not say '14 days'", "`golden/cases.jsonl:4`"):
        assert words in text
    assert "Found by" not in render("markdown", [REPORTS["critical"]])


def test_what_the_release_changes_is_shown_as_a_diff() -> None:
    """Prompt and tools line by line; model, parameters and the model that answered as values; documents by case."""
    was = {"prompt": {"file": "p.md", "at": "/messages/0", "text": "Be short.\nCite."}, "model": "gpt-4.1", "params": {"temperature": 0}}
    now = {"prompt": {"file": "p.md", "at": "/messages/0", "text": "Be short."}, "model": "gpt-4.1-mini", "params": {"top_p": 1}}
    old = {"extra": {"response_model": "gpt-4.1-2025", "context": [{"id": "a"}, {"id": "b"}]}}
    new = {"extra": {"response_model": "gpt-4.1-mini-2025", "context": [{"id": "b"}, {"id": "c"}]}}
    tools = [{"type": "function", "function": {"name": "refund", "parameters": {}}}]
    base = results([row("x", True, **old)], "base", **was, tools=tools)
    candidate = results([row("x", True, **new)], "candidate", **now, tools=[{**tools[0], "function": {"name": "refund"}}])
    told = Report(base, candidate, verdict(base, candidate))
    changed = release(told)
    assert {one.what for one in changed.changes} == {"model", "params.temperature", "params.top_p", "model that answered"}
    assert [(one.what, one.added, one.removed) for one in changed.texts] == [("prompt p.md", 0, 1), ("tool refund", 1, 2)]
    assert [(one.lost, one.gained) for one in changed.retrieval] == [(("a",), ("c",))]
    for kind in ("markdown", "terminal"):
        text = render(kind, [told])
        assert "-Cite." in text
        assert "gpt-4.1-mini-2025" in text


def test_a_comment_keeps_within_what_github_takes() -> None:
    """Thousands of long answers: what is decided and why stays, the rest is cut and counted, and every block is closed."""
    huge = report(100, 3000, output="wörter ``` 😀\n" * 2000)
    for reports in ([huge], [huge] * 5):
        text = render("markdown", reports)
        assert len(text.encode("utf-16-le")) // 2 <= 65_536
        assert text.count("<details") == text.count("</details>")
        assert text.count("FAILED: 3,000 of 3,100 cases broke") == len(reports)
        assert "see the result file" in text


def test_annotations_keep_within_what_github_shows() -> None:
    """At most ten errors and ten warnings a step; the last counts the rest; each points at its case's line."""
    many = report(10, 60, known={f"b{number:04d}": place(line=number + 1) for number in range(60)})
    lines = render("annotations", [many]).splitlines()
    kinds = [line.split(" ")[0] for line in lines]
    assert kinds.count("::error") == 10
    assert kinds.count("::warning") <= 10
    assert "file=golden/cases.jsonl,line=1," in lines[1]
    total = len(stories(many)) + 1 + sum(one.state == "failed" and not one.cases for one in many.verdict.rulings)
    assert f"{total - 9} more are not shown here" in lines[9]


@pytest.mark.parametrize("name", REPORTS)
def test_junit_is_red_exactly_where_the_gate_is(name: str) -> None:
    """Failures where it failed, errors where it could not tell: who reads the file decides as the exit code does."""
    root = ET.fromstring(render("junit", [REPORTS[name]]).encode())
    failures, errors = (sum(int(suite.get(kind) or 0) for suite in root) for kind in ("failures", "errors"))
    outcome = REPORTS[name].verdict.outcome
    assert (failures > 0) == (outcome == "failed")
    assert (errors > 0) == (outcome in ("could_not_tell", "judge_unfit"))
    for suite in root:
        assert int(suite.get("tests") or 0) == len(suite.findall("testcase"))
        for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.get(attribute) or 0) == len(suite.findall(f"testcase/{kind}"))


def test_junit_names_every_case_once() -> None:
    """Those that pass too, and those that were not run."""
    told = report(3, 2)
    shorter = Report(told.base, Results(told.candidate.rows[:-1], told.candidate.header, "c"), told.verdict)
    lost = Report(shorter.base, shorter.candidate, verdict(told.base or told.candidate, shorter.candidate))
    names = [case.get("name", "").split(" ")[0] for case in ET.fromstring(render("junit", [lost]).encode())[1].findall("testcase")]
    assert sorted(names) == ["b0000", "b0001", "g0000", "g0001", "g0002"]


def sarif(told: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render("sarif", [told]))["runs"][0]
    return found


def test_sarif_points_at_the_case_and_keeps_its_fingerprint() -> None:
    """One result a case that broke, at its line, with an id that stays when the line moves."""
    found = sarif(REPORTS["known"])
    cases = [one for one in found["results"] if one["ruleId"] == "case-broke"]
    assert len(cases) == 8
    location = cases[0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "golden/cases.jsonl"
    assert location["region"]["startLine"] == 1
    assert cases[0]["partialFingerprints"] == {"goldenCaseId/v1": "b0000:app"}
    assert found["tool"]["driver"]["rules"][cases[0]["ruleIndex"]]["id"] == "case-broke"
    assert all(one["locations"] for one in sarif(REPORTS["hostile"])["results"])
    assert sarif(REPORTS["passed"])["results"] == []


def test_sarif_keeps_within_what_github_shows() -> None:
    """5,000 results, and how many were left out."""
    found = sarif(report(0, 5200))
    assert len(found["results"]) == 5000
    assert "more results are left out" in found["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def outside_code(text: str) -> str:
    """A Markdown text without its code blocks and spans."""
    kept, fence = [], None
    for line in text.split("\n"):
        mark = re.match(r"(`{3,})", line)
        if fence is None and mark:
            fence = mark[1]
        elif fence is not None and line == fence:
            fence = None
        elif fence is None:
            kept.append(re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line))
    assert fence is None
    return "\n".join(kept)


def test_hostile_words_do_nothing_in_markdown() -> None:
    """No tag but ours, no mention, no reference, no address, no table row of theirs."""
    text = outside_code(render("markdown", [REPORTS["hostile"]]))
    tags = set(re.findall(r"(?<!\\)<(/?[a-z!-]+)", text))
    assert tags <= {"details", "/details", "summary", "/summary", "b", "/b", "i", "/i"}
    assert not re.search(r"@\w|#\d|://", text.replace("&#8203;", "\u200b"))
    assert "# Approved" not in [line.strip() for line in text.split("\n")]


@pytest.mark.parametrize("kind", ["terminal", "annotations"])
def test_hostile_words_give_no_order_to_a_log(kind: str) -> None:
    """No escape sequence, no line of theirs, no command but our annotations."""
    text = render(kind, [REPORTS["hostile"]])
    assert "\x1b" not in text
    assert "##[" not in text
    orders = [line for line in text.splitlines() if line.strip().startswith("::")]
    assert bool(orders) == (kind == "annotations")
    assert all(re.match(r"::(error|warning|notice) (file=|title=)", line) for line in orders)
    assert not any("file=a" in line.split("::")[1] for line in orders)


def test_hostile_words_stay_inside_their_xml_element() -> None:
    """They make no element and no failure of their own."""
    root = ET.fromstring(render("junit", [REPORTS["hostile"]]).encode())
    assert {element.tag for element in root.iter()} <= {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "failure",
        "skipped",
    }
    assert len(list(root.iter("failure"))) == sum(int(suite.get("failures") or 0) for suite in root)


def test_the_rules_of_a_run_that_failed_for_its_cost_name_the_prompt() -> None:
    """A rule that names no case has a place in SARIF all the same."""
    base = results([row(str(number), True, cost_usd=0.001) for number in range(40)], "base")
    dear = results([row(str(number), True, cost_usd=0.01) for number in range(40)], "dear", prompt={"file": "prompts/a.md", "text": ""})
    told = Report(base, dear, verdict(base, dear, Rules()))
    (found,) = sarif(told)["results"]
    assert found["ruleId"] == "rule-failed"
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "prompts/a.md"
    assert "::error title=Gate%3A cost::" in render("annotations", [told])


def test_a_new_case_that_a_rule_fails_for_is_told_as_failing() -> None:
    """A critical case that the baseline never had and that fails stands among what fails, in every format."""
    base = results([row("a", True), row("b", True)], "base")
    candidate = results([row("a", True), row("b", True), row("n", False, critical=True)], "candidate")
    told = Report(base, candidate, verdict(base, candidate))
    assert [(one.case, one.change) for one in stories(told)] == [("n", "failing")]
    assert "FAILED: 1 of 3 cases broke, 1 of them must pass" in render("markdown", [told])
    cases = ET.fromstring(render("junit", [told]).encode())[1]
    assert cases.get("failures") == "1"
    assert sarif(told)["results"][0]["ruleId"] == "case-fails"


def test_what_was_not_measured_is_told_with_its_reason_and_never_as_a_failure() -> None:
    """The question, what could not be reached, and no tally that looks like a failed run."""
    text = render("markdown", [REPORTS["unmeasured"]])
    assert "1 case could not be, such as “Question b?”: connection refused" in text.splitlines()[1]
    (head,) = [line for line in text.splitlines() if "<b>Question b?</b>" in line]
    assert "⚠️" in head
    assert "could not be measured (not measured)" in head
    assert "0/1" not in text


def test_labels_have_a_table_of_their_own() -> None:
    """Precision, recall and F1 a label, in the report of a classifier."""
    pairs = (("refund", "refund"), ("refund", "other"), ("other", "other"))
    grades = [[{"name": "expected.label", "passed": one == given, "detail": {"expected": one, "given": given}}] for one, given in pairs]
    told = alone([row(str(number), True, extra={"grades": grade}) for number, grade in enumerate(grades)])
    text = render("markdown", [told])
    assert "| `other` | 1 | 2 | 0.50 | 1.00 | 0.67 |" in text
    assert "| `refund` | 2 | 1 | 1.00 | 0.50 | 0.67 |" in text


def test_without_a_baseline_known_failures_are_no_news() -> None:
    """They are shown apart from what fails, and are never red."""
    told = alone([*(row(str(number), True) for number in range(9)), row("k", False, status="known_failing")])
    assert [one.change for one in stories(told)] == ["still_failing"]
    assert "no case fails" in render("markdown", [told]).splitlines()[0]
