"""A report for a terminal or a job's log: a table of what changed, and below it question, expected, before and now of what broke. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from scoring.gate import figures
from scoring.gate.reports import escaping as safe
from scoring.gate.reports import headline
from scoring.gate.reports.contract import Report
from scoring.gate.reports.release import release
from scoring.gate.reports.story import BAD, CaseStory, Side, stories
from scoring.gate.wording import MARKS
from scoring.gate.words import State

LISTED: Final = 40
"""Rows of the table; the result file has all."""
TOLD: Final = 10
"""Cases told in full."""
WIDTHS: Final = (13, 18, 16, 12, 70)


def render(reports: Sequence[Report]) -> str:
    """One after the other."""
    return "\n".join("\n".join(_lines(report, titled=len(reports) > 1)) + "\n" for report in reports)


def _lines(report: Report, *, titled: bool) -> Iterator[str]:
    told, changed = stories(report), release(report)
    if titled:
        yield f"== {safe.for_log(report.name)} =="
    yield safe.for_log(f"Goldwash {headline.outcome(report, told)}", 400)
    yield f"why: {safe.for_log(headline.why_in_words(report, told), 1500)}"
    if report.verdict.warning:
        yield f"warning: {safe.for_log(report.verdict.warning, 500)}"
    yield ""
    for what, before, now in headline.totals(report):
        yield f"  {what:<28} {safe.for_log(before)}  →  {safe.for_log(now)}"
    for name, value in figures.in_words(figures.figures(report.candidate)):
        yield f"  {name:<28} {safe.for_log(value)}"
    for change in changed.changes:
        yield f"  {safe.for_log(change.what, 28):<28} {safe.for_log(change.before, 80)}  →  {safe.for_log(change.after, 80)}"
    for text in changed.texts:
        yield f"  {safe.for_log(text.what, 60)}: +{text.added} −{text.removed} lines"
        yield from (f"    | {safe.for_log(line, 200)}" for line in text.lines[2:32])
    for found in changed.retrieval[:TOLD]:
        lost, gained = ", ".join(found.lost) or "–", ", ".join(found.gained) or "–"
        yield f"  retrieved for {safe.for_log(found.case, 40)}: no longer {safe.for_log(lost)}, newly {safe.for_log(gained)}"
    if told:
        yield ""
        yield from _table(told)
    for one in [each for each in told if each.change in BAD or each.change == "unmeasured"][:TOLD]:
        yield ""
        yield from _story(one)
    yield ""
    for ruling in (each for state in (*MARKS, State.SKIPPED) for each in report.verdict.rulings if each.state is state):
        yield f"  {MARKS.get(ruling.state, 'not used'):<10}{ruling.rule:<12}{safe.for_log(ruling.sentence, 500)}"
    yield f"  rules {report.verdict.fingerprint} · exit code {report.verdict.exit_code}"


def _table(told: list[CaseStory]) -> Iterator[str]:
    rows = [("what", "case", "slice", "runs", "why")]
    rows += [
        (one.change.replace("_", " "), f"{one.case}{'!' if one.must_pass else ''}", one.slice or "", one.tally, one.why or one.question)
        for one in told[:LISTED]
    ]
    for row in rows:
        cells = [safe.for_log(cell, width) for cell, width in zip(row, WIDTHS, strict=True)]
        yield "  " + " ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()
    if len(told) > LISTED:
        yield f"  … and {len(told) - LISTED} more"
    if any(one.must_pass for one in told):
        yield "  ! = must pass"


def _story(one: CaseStory) -> Iterator[str]:
    place = f" ({safe.for_log(one.file, 100)}:{one.line})" if one.file else ""
    yield f"  {safe.for_log(one.case, 40)}{place}"
    yield f"    asked     {safe.for_log(one.question or '(no text)', 300)}"
    for what, how in one.expected:
        yield f"    right     {safe.for_log(f'{what}: {how}' if how else what, 300)}"
    if one.before is not None:
        yield f"    before    {_side(one.before)}"
    yield f"    now       {_side(one.now)}"
    if one.why:
        yield f"    why       {safe.for_log(one.why, 500)}"


def _side(side: Side | None) -> str:
    return "not run" if side is None else f"{side.passed}/{side.runs}  {safe.for_log(side.answer, 300)}"
