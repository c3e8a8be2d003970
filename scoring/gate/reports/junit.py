"""JUnit XML as Jenkins documents it, and GitLab, Azure and Buildkite read it: a suite of rules and a suite of cases a target. Pure.

There are failures exactly where the gate failed, and errors exactly where it could not tell or the judge is unfit: who reads this file
decides as the exit code does. A case that fails while every rule holds is `skipped` with the reason, since a test that is red while the
gate is green would be believed by neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from scoring.gate.reports import escaping as safe
from scoring.gate.reports import headline
from scoring.gate.reports.contract import Report
from scoring.gate.reports.story import BAD, CaseStory, stories
from scoring.gate.verdict import Ruling
from scoring.gate.words import State

BODY: Final = 20_000
"""Characters of one failure's text."""


def render(reports: Sequence[Report]) -> str:
    """The whole document."""
    root = ET.Element("testsuites", name="goldwash gate")
    for report in reports:
        told = stories(report)
        root.append(_suite(report, "rules", list(_rules(report)), headline.outcome(report, told)))
        root.append(_suite(report, "cases", list(_cases(report, told)), ""))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: Report, name: str, cases: list[ET.Element], said: str) -> ET.Element:
    counted = {kind: str(sum(case.find(kind) is not None for case in cases)) for kind in ("failure", "error", "skipped")}
    seconds = sum(float(case.get("time") or 0) for case in cases)
    suite = ET.Element(
        "testsuite",
        name=safe.xml(f"goldwash gate {report.name} {name}", 300),
        tests=str(len(cases)),
        failures=counted["failure"],
        errors=counted["error"],
        skipped=counted["skipped"],
        time=f"{seconds:.3f}",
    )
    if report.candidate.header.made_at:
        suite.set("timestamp", safe.xml(report.candidate.header.made_at[:19], 40))
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(report, said):
        ET.SubElement(properties, "property", name=key, value=safe.xml(value, 2000))
    suite.extend(cases)
    return suite


def _properties(report: Report, said: str) -> Iterator[tuple[str, str]]:
    header, verdict = report.candidate.header, report.verdict
    yield "outcome", verdict.outcome
    yield "exit_code", str(verdict.exit_code)
    yield "rules", verdict.fingerprint
    for key, value in (("dataset", header.dataset), ("judge", header.judge), ("prices", header.prices)):
        if value:
            yield key, value
    if said:
        yield "summary", said
        if verdict.warning:
            yield "warning", verdict.warning
    if report.base is not None:
        yield "baseline", report.base.header.target or report.base.name


def _rules(report: Report) -> Iterator[ET.Element]:
    for ruling in report.verdict.rulings:
        case = ET.Element("testcase", name=ruling.rule, classname=safe.xml(f"goldwash.gate.{report.name}.rules", 300), time="0")
        kind = _kind(ruling, report)
        if kind == "skipped":
            ET.SubElement(case, "skipped").text = safe.xml(ruling.sentence, BODY)
        elif kind is not None:
            found = ET.SubElement(case, kind, type=ruling.rule, message=safe.xml(safe.one_line(ruling.sentence, 500)))
            found.text = safe.xml(ruling.sentence, BODY)
        yield case


def _kind(ruling: Ruling, report: Report) -> str | None:
    """What a ruling is in JUnit's words; None = passed."""
    outcome = report.verdict.outcome
    if ruling.state is State.FAILED:
        return "failure" if outcome == "failed" else "skipped"
    if ruling.state in (State.UNMEASURED, State.UNFIT) or (ruling.state is State.INCONCLUSIVE and outcome == "could_not_tell"):
        return "error" if outcome in ("could_not_tell", "judge_unfit") else "skipped"
    return "skipped" if ruling.state in (State.SKIPPED, State.INCONCLUSIVE) else None


def _cases(report: Report, told: list[CaseStory]) -> Iterator[ET.Element]:
    by_case = {one.case: one for one in told}
    missing = [one.case for one in told if one.change == "missing"]
    for name in [*report.candidate.by_case, *missing]:
        rows = report.candidate.by_case.get(name, ())
        seconds = sum(row.latency_ms or 0.0 for row in rows) / 1000
        one = by_case.get(name)
        question = one.question if one is not None else str(rows[0].extra.get("question") or "")
        place = (one.slice if one is not None else rows[0].slice) or "cases"
        case = ET.Element(
            "testcase",
            name=safe.xml(safe.one_line(f"{name} {question}".strip(), 160)),
            classname=safe.xml(f"goldwash.gate.{report.name}.{place}", 300),
            time=f"{seconds:.3f}",
        )
        failed = [row for row in rows if row.passed is False]
        if one is not None and one.change == "unmeasured":
            _add(case, "error" if report.verdict.outcome == "could_not_tell" else "skipped", one)
        elif one is not None and one.change in BAD:
            _add(case, "failure" if report.verdict.outcome == "failed" and _counts(one) else "skipped", one)
        elif failed:
            reason = f"{len(failed)} of {len(rows)} runs fail, and no rule objects"
            ET.SubElement(case, "skipped").text = safe.xml(f"{reason}: {one.why if one is not None else ''}".rstrip(": "), BODY)
        yield case


def _counts(one: CaseStory) -> bool:
    return one.objects or one.change in ("broke", "masked", "missing", "failing")


def _add(case: ET.Element, kind: str, one: CaseStory) -> None:
    body = _body(one)
    if kind == "skipped":
        ET.SubElement(case, "skipped").text = body
    else:
        ET.SubElement(case, kind, type=one.change, message=safe.xml(safe.one_line(one.why or one.change, 500))).text = body


def _body(one: CaseStory) -> str:
    parts = [f"{one.change} ({one.tally}{', must pass' if one.must_pass else ''}): {one.why}", f"asked: {one.question}"]
    parts += [f"right: {what}: {how}" for what, how in one.expected]
    parts += [f"{title}: {side.answer}" for title, side in (("before", one.before), ("now", one.now)) if side is not None]
    parts += [f"{one.file}:{one.line}"] if one.file else []
    return safe.xml("\n".join(safe.cut(part, BODY // 4) for part in parts), BODY)
