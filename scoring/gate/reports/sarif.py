"""SARIF 2.1.0 for code scanning: a result a case that got worse, at its line of the golden file, and one a rule that objects. Pure.

Limits are GitHub's: 25,000 results a run are taken and 5,000 shown, a result needs a location, and a stable fingerprint keeps one case from
coming up twice. What got worse without failing a rule is a warning; what else changed is left to the other reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import quote

from scoring.gate.reports import escaping as safe
from scoring.gate.reports.contract import Report
from scoring.gate.reports.story import BAD, CaseStory, stories
from scoring.gate.words import State

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HELP: Final = "https://github.com/goldwash/goldwash/blob/main/docs/gate.md"
MOST: Final = 5000
NOWHERE: Final = "golden/cases.jsonl"
"""Where a case is said to stand that is in no golden file at hand: a result must have a place."""
RULES: Final = {
    "case-broke": "A golden case passed before and fails now",
    "case-worse": "A golden case fails more often than before",
    "case-missing": "A golden case of the baseline was not run",
    "case-fails": "A golden case fails",
    "case-unmeasured": "A golden case could not be measured",
    "rule-failed": "A rule of the gate does not hold",
}
_KINDS: Final = {"broke": "case-broke", "masked": "case-broke", "worse": "case-worse", "missing": "case-missing", "failing": "case-fails"}


def render(reports: Sequence[Report]) -> str:
    """The whole log, a run a target."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report) for report in reports]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _run(report: Report) -> dict[str, Any]:
    found = [*_rules(report), *_cases(report)]
    notes = []
    if len(found) > MOST:
        left = f"{len(found) - MOST} more results are left out: see the result file"
        notes.append({"level": "note", "message": {"text": left}})
    if report.verdict.warning:
        notes.append({"level": "warning", "message": {"text": _plain(report.verdict.warning)}})
    ids = list(RULES)
    return {
        "tool": {
            "driver": {
                "name": "Goldwash",
                "semanticVersion": _release(),
                "informationUri": HELP,
                "rules": [_rule(one, words) for one, words in RULES.items()],
            }
        },
        "automationDetails": {"id": f"goldwash-gate/{quote(report.name, safe='')}/"},
        "invocations": [
            {
                "executionSuccessful": report.verdict.exit_code in (0, 1),
                "exitCode": report.verdict.exit_code,
                "toolExecutionNotifications": notes,
            }
        ],
        "columnKind": "utf16CodeUnits",
        "results": [{**one, "ruleIndex": ids.index(one["ruleId"])} for one in found[:MOST]],
    }


def _rule(name: str, words: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "shortDescription": {"text": f"{words}."},
        "fullDescription": {"text": f"{words}; docs/gate.md says how the gate decides."},
        "help": {"text": "Read the case's question and both answers in the pull request's report, and mend the release or the case."},
        "helpUri": HELP,
        "defaultConfiguration": {"level": "error" if name in ("case-broke", "case-missing", "case-fails", "rule-failed") else "warning"},
    }


def _rules(report: Report) -> Iterator[dict[str, Any]]:
    """Rules that object without naming a case: floor, cost, latency."""
    target = report.candidate.header.extra.get("target")
    prompt = target.get("prompt") if isinstance(target, dict) else None
    file = prompt.get("file") if isinstance(prompt, dict) else None
    for ruling in report.verdict.rulings:
        if ruling.state is State.FAILED and not ruling.cases:
            text = safe.one_line(f"{ruling.rule}: {ruling.sentence}", 1000)
            yield _result("rule-failed", "error", text, str(file or NOWHERE), 1, f"rule:{ruling.rule}:{report.name}")


def _cases(report: Report) -> Iterator[dict[str, Any]]:
    failed = report.verdict.outcome == "failed"
    for one in stories(report):
        if one.change in BAD:
            level = "error" if failed and (one.objects or one.change != "worse") else "warning"
            yield _result(_KINDS[one.change], level, _message(one), one.file or NOWHERE, one.line or 1, f"{one.case}:{report.name}")
        elif one.change == "unmeasured":
            yield _result("case-unmeasured", "warning", _message(one), one.file or NOWHERE, one.line or 1, f"{one.case}:{report.name}")


def _message(one: CaseStory) -> str:
    words = f"{RULES[_KINDS.get(one.change, 'case-unmeasured')]} ({one.tally}{', must pass' if one.must_pass else ''}). "
    asked = f"Asked: {safe.one_line(one.question, 300)} " if one.question else ""
    now = f" Now: {safe.one_line(one.now.answer, 300)}" if one.now is not None else ""
    return _plain(f"{words}{asked}Why: {safe.one_line(one.why, 500)}.{now}")


def _plain(text: str) -> str:
    """SARIF reads [text](1) as a link and {0} as a place to fill in a message."""
    return text.replace("[", "(").replace("]", ")").replace("{", "(").replace("}", ")")


def _result(rule: str, level: str, text: str, file: str, line: int, fingerprint: str) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(file.removeprefix("./"), safe="/._-~")},
                    "region": {"startLine": line, "startColumn": 1},
                }
            }
        ],
        "partialFingerprints": {"goldenCaseId/v1": safe.one_line(fingerprint, 200)},
    }


@cache
def _release() -> str:
    try:
        return version("goldwash")
    except PackageNotFoundError:
        return "0.0.0"
