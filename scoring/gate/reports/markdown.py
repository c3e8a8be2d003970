"""A report for a pull request: outcome and why in the first two lines, what the release changes, and what broke, case by case. Pure.

GitHub takes 65,536 characters a comment: where all of it would be longer, answers are cut shorter, and then fewer cases are told in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from scoring.gate import figures
from scoring.gate.reports import escaping as safe
from scoring.gate.reports import headline
from scoring.gate.reports.contract import Report
from scoring.gate.reports.release import Release, TextChange, release
from scoring.gate.reports.story import BAD, CaseStory, Side, stories
from scoring.gate.standing import count
from scoring.gate.wording import MARKS, TOLD
from scoring.gate.words import State

MOST: Final = 65_000
"""Characters of a comment, counted as UTF-16 as GitHub may; 65,536 are allowed."""
COLUMNS: Final = {"broke": "broke", "failing": "fails", "unmeasured": "could not be measured", **TOLD}


class Room(NamedTuple):
    """How much is shown."""

    cases: int  # in full
    listed: int  # in a line each
    text: int  # characters of one answer
    diff: int  # lines of one diff


ROOMS: Final = (
    Room(40, 200, 2000, 200),
    Room(40, 100, 800, 120),
    Room(20, 60, 400, 60),
    Room(10, 40, 250, 40),
    Room(5, 25, 150, 20),
    Room(0, 15, 80, 0),
)


def render(reports: Sequence[Report]) -> str:
    """All of them in one comment, each with as much as there is room for."""
    most = MOST // max(1, len(reports))
    return "\n\n---\n\n".join(_fitting(report, most, titled=len(reports) > 1) for report in reports) + "\n"


def _fitting(report: Report, most: int, *, titled: bool) -> str:
    told, changed = stories(report), release(report)
    for room in ROOMS:
        text = "\n".join(_lines(report, told, changed, room, titled=titled))
        if _length(text) <= most:
            return text
    return _shortest(text, most)


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


def _shortest(text: str, most: int) -> str:
    """Whole lines as long as there is room, and no open block at the end."""
    kept: list[str] = []
    room = most - 200
    for line in text.split("\n"):
        room -= _length(line) + 1
        if room < 0 or line.startswith("<details"):
            break
        kept.append(line)
    return "\n".join([*kept, "", "The rest has no room here: see the result file."])


def _lines(report: Report, told: list[CaseStory], changed: Release, room: Room, *, titled: bool) -> Iterator[str]:
    title = f" ({safe.markdown(report.name, 80)})" if titled else ""
    yield f"## {headline.mark(report)} Goldwash {safe.markdown(headline.outcome(report, told), 300)}{title}"
    yield f"**Why:** {safe.markdown(headline.why_in_words(report, told), 1200)}"
    if report.verdict.warning:
        yield f"\n**Warning:** {safe.markdown(report.verdict.warning, 600)}"
    yield ""
    yield from _totals(report, changed)
    yield from _differences(changed, room)
    bad = [one for one in told if one.change in BAD]
    lost = [one for one in told if one.change == "unmeasured"]
    if bad:
        yield f"### What {'fails' if report.base is None else 'broke'}, and why"
        yield ""
        yield from _pattern(bad)
        yield from _cases(bad, room)
    if lost:
        yield "### What could not be measured"
        yield ""
        yield from _cases(lost, room)
    yield from _rest([one for one in told if one.change not in BAD and one.change != "unmeasured"], room)
    yield from _rules(report)


def _totals(report: Report, changed: Release) -> Iterator[str]:
    rows = headline.totals(report)
    before = figures.figures(report.base) if report.base is not None else figures.Figures()
    said, was = dict(figures.in_words(figures.figures(report.candidate))), dict(figures.in_words(before))
    rows += [(name, was.get(name, "–"), value) for name, value in said.items()]
    yield "| | before | now |\n|---|---|---|"
    for what, one, other in rows:
        yield f"| {what} | {safe.markdown(one)} | {safe.markdown(other)} |"
    for change in changed.changes:
        yield f"| {safe.markdown(change.what, 60)} | {safe.code(change.before, 120)} | {safe.code(change.after, 120)} |"
    yield ""
    yield from _labels(figures.figures(report.candidate))


def _labels(found: figures.Figures) -> Iterator[str]:
    if not found.labels:
        return
    yield f"<details><summary>Labels: precision, recall and F1 ({len(found.labels)} labels, {found.labelled} runs)</summary>"
    yield ""
    yield "| label | expected | given | precision | recall | F1 |\n|---|---|---|---|---|---|"
    for one in found.labels[:50]:
        shares = " | ".join("–" if share is None else f"{share:.2f}" for share in (one.precision, one.recall, one.f1))
        yield f"| {safe.code(one.label, 60)} | {one.expected} | {one.given} | {shares} |"
    yield ""
    yield "</details>"
    yield ""


def _differences(changed: Release, room: Room) -> Iterator[str]:
    for text in changed.texts:
        is_open = " open" if text.what.startswith("prompt") else ""
        yield f"<details{is_open}><summary>Changed: {safe.html(text.what)} (+{text.added} −{text.removed})</summary>"
        yield ""
        yield _diff(text, room)
        yield "</details>"
        yield ""
    if changed.retrieval:
        yield f"<details><summary>Changed: documents retrieved for {len(changed.retrieval)} cases</summary>"
        yield ""
        yield "| case | no longer | newly |\n|---|---|---|"
        for one in changed.retrieval[: room.listed]:
            yield f"| {safe.code(one.case, 40)} | {safe.code(', '.join(one.lost) or '–')} | {safe.code(', '.join(one.gained) or '–')} |"
        if len(changed.retrieval) > room.listed:
            yield f"\n… and {len(changed.retrieval) - room.listed} more"
        yield ""
        yield "</details>"
        yield ""


def _diff(text: TextChange, room: Room) -> str:
    kept = [safe.cut(line, room.text) for line in text.lines[2 : 2 + room.diff]]
    left = len(text.lines) - 2 - len(kept)
    return safe.fenced("\n".join([*kept, *([f"… {left} more lines"] if left > 0 else [])]) or "…", 60_000, "diff")


def _pattern(bad: list[CaseStory]) -> Iterator[str]:
    """What most of them have in common, where there is such a thing."""
    by_name: dict[str, int] = {}
    for one in bad:
        for name in {each.name for each in (one.now.why if one.now else ())}:
            by_name[name] = by_name.get(name, 0) + 1
    if len(bad) > 1 and by_name:
        top = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))[:4]
        yield "Found by " + ", ".join(f"{safe.code(name, 60)} in {n}" for name, n in top) + "."
        yield ""


def _cases(told: list[CaseStory], room: Room) -> Iterator[str]:
    for number, one in enumerate(told[: room.listed]):
        head = _head(one)
        if number >= room.cases:
            yield f"- {head}"
            continue
        yield f"<details><summary>{head}</summary>"
        yield ""
        yield from _story(one, room)
        yield "</details>"
    if len(told) > room.listed:
        yield f"\n… and {len(told) - room.listed} more: see the result file."
    yield ""


def _head(one: CaseStory) -> str:
    sign = "❌" if one.change in ("broke", "failing", "masked") or (one.objects and one.change in BAD) else "⚠️"
    what = f"{'must pass · ' if one.must_pass else ''}{COLUMNS.get(one.change, one.change)} ({one.tally})"
    return f"{sign} <b>{safe.html(one.question or one.case, 110)}</b> · {what} · <i>{safe.html(one.why, 170)}</i>"


def _story(one: CaseStory, room: Room) -> Iterator[str]:
    place = f" · {safe.code(f'{one.file}:{one.line}', 120)}" if one.file else ""
    slice_ = f" · slice {safe.code(one.slice, 60)}" if one.slice else ""
    yield f"Case {safe.code(one.case, 60)}{slice_}{place}"
    yield ""
    yield "**Asked**\n"
    yield safe.fenced(one.question or "(no text)", room.text)
    if one.expected:
        yield "\n**Right would be**\n"
        yield safe.fenced("\n".join(f"{what}: {how}" if how else what for what, how in one.expected), room.text)
    yield from _answered("Before", one.before, room, with_why=False)
    yield from _answered("Now", one.now, room, with_why=True)
    yield ""


def _answered(title: str, side: Side | None, room: Room, *, with_why: bool) -> Iterator[str]:
    if side is None:
        if with_why:  # it is missing now; that it was not there before needs no words
            yield f"\n**{title}**: not run"
        return
    lost = f", {side.lost} not measured" if side.lost else ""
    yield f"\n**{title}** ({side.passed} of {side.runs} runs pass{lost})\n"
    yield safe.fenced(side.answer, room.text)
    if not with_why:
        return
    for why in side.why:
        is_all = why.evidence is not None and safe.one_line(side.answer, 160).startswith(safe.one_line(why.evidence, 100).rstrip("…"))
        quote = f", on {safe.code(why.evidence, 160)}" if why.evidence and not is_all else ""
        judge = f" (judge: {safe.markdown(why.family, 40)})" if why.family else ""
        yield f"- {safe.code(why.name, 80)}{judge}: {safe.markdown(why.reason, 400)}{quote}"
    if not side.why and side.error:
        yield f"- {safe.markdown(side.error, 400)}"


def _rest(told: list[CaseStory], room: Room) -> Iterator[str]:
    if not told:
        return
    yield f"<details><summary>What else changed ({len(told)})</summary>"
    yield ""
    for one in told[: room.listed]:
        yield f"- {safe.code(one.case, 40)} {safe.markdown(one.question, 80)}: {COLUMNS.get(one.change, one.change)} ({one.tally})"
    if len(told) > room.listed:
        yield f"- … and {len(told) - room.listed} more"
    yield ""
    yield "</details>"
    yield ""


def _rules(report: Report) -> Iterator[str]:
    verdict = report.verdict
    drop = "" if verdict.smallest_drop is None else f"; a drop of {100 * verdict.smallest_drop:.1f} points would fail 4 times in 5"
    drop = drop if verdict.smallest_drop is None or verdict.smallest_drop < 1 else "; no drop in the pass rate would fail 4 times in 5"
    compared = f"{count(verdict.cases)}{'' if verdict.is_alone else ' compared'}, {count(verdict.runs, 'run')} each{drop}"
    yield f"<details><summary>All rules, and what this run could see ({compared})</summary>"
    yield ""
    for one in (each for state in (*MARKS, State.SKIPPED) for each in verdict.rulings if each.state is state):
        yield f"- **{MARKS.get(one.state, 'not used')}** {safe.code(one.rule, 40)}: {safe.markdown(one.sentence, 600)}"
    yield ""
    yield from (f"- {safe.markdown(sentence, 600)}" for sentence in verdict.rules)
    yield ""
    yield f"Rules {safe.code(verdict.fingerprint, 40)} · exit code {verdict.exit_code}"
    yield ""
    yield "</details>"
