"""GitHub annotations: workflow commands that mark the golden file's lines in a pull request. Pure.

GitHub shows 10 errors, 10 warnings and 10 notices a step: where there are more, the last one counts the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scoring.gate.reports import escaping as safe
from scoring.gate.reports import headline
from scoring.gate.reports.contract import Report
from scoring.gate.reports.story import BAD, CaseStory, stories
from scoring.gate.words import State

MOST: Final = 10
"""Of one kind, a step."""


def render(reports: Sequence[Report]) -> str:
    """A line an annotation; what was decided stands first among its kind."""
    found: dict[str, list[str]] = {"error": [], "notice": [], "warning": []}
    for report in reports:
        told = stories(report)
        name = f"{report.name}: " if len(reports) > 1 else ""
        doubtful = report.verdict.is_inconclusive or report.verdict.warning is not None
        kind = {"passed": "warning" if doubtful else "notice", "failed": "error"}.get(report.verdict.outcome, "warning")
        first = f"{name}{headline.outcome(report, told)}. {headline.why_in_words(report, told)}"
        first += f". Warning: {report.verdict.warning}" if report.verdict.warning else ""
        found[kind].append(_line(kind, first, title="Goldwash gate"))
        for one in told:
            if one.change in BAD or one.change == "unmeasured":
                level = _level(one, report)
                found[level].append(_case(level, one, name))
        for ruling in report.verdict.rulings:
            if ruling.state is State.FAILED and not ruling.cases and report.verdict.outcome == "failed":
                found["error"].append(_line("error", f"{name}{ruling.sentence}", title=f"Gate: {ruling.rule}"))
    return "".join(line for kind, lines in found.items() for line in _within(kind, lines))


def _level(one: CaseStory, report: Report) -> str:
    objects = one.objects or one.change in ("broke", "masked", "missing", "failing")
    return "error" if report.verdict.outcome == "failed" and objects and one.change != "unmeasured" else "warning"


def _case(level: str, one: CaseStory, name: str) -> str:
    words = f"{name}{one.question or one.case}\n{one.change} ({one.tally}{', must pass' if one.must_pass else ''}): {one.why}"
    if one.now is not None and one.change != "unmeasured":
        words += f"\nnow: {safe.one_line(one.now.answer, 300)}"
    return _line(level, words, title=f"Gate: {one.case} {one.change}", file=one.file, line=one.line)


def _line(kind: str, words: str, *, title: str, file: str | None = None, line: int | None = None) -> str:
    place = f"file={safe.command_property(file)},line={line or 1}," if file else ""
    return f"::{kind} {place}title={safe.command_property(title)}::{safe.command(words)}\n"


def _within(kind: str, lines: list[str]) -> list[str]:
    if len(lines) <= MOST:
        return lines
    left = len(lines) - (MOST - 1)
    return [*lines[: MOST - 1], _line(kind, f"{left} more are not shown here: see the report", title=f"Goldwash gate: {left} more")]
