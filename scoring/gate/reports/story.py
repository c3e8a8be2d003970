"""Tells of each case what a reviewer asks: the question, what is right, the answers before and now, and what found it wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scoring.gate.pairing import SET_ASIDE
from scoring.gate.reports.contract import Report
from scoring.gate.results import Result
from scoring.gate.words import State
from scoring.golden.case import Call, CaseCheck, GoldenCase, canonical

ORDER: Final = (
    "broke",
    "masked",
    "missing",
    "worse",
    "failing",
    "unmeasured",
    "new",
    "changed",
    "still_failing",
    "fixed",
    "mended",
    "better",
)
"""Kinds of changes, the gravest first; `failing` and `unmeasured` are told of a run that has no baseline, or reached nothing."""
BAD: Final = frozenset({"broke", "masked", "missing", "worse", "failing"})


@dataclass(frozen=True, slots=True)
class Why:
    """One grade that did not pass."""

    name: str
    reason: str
    evidence: str | None = None
    family: str | None = None  # of a judge

    @property
    def words(self) -> str:
        """In one line: which evaluator, whose opinion, and why."""
        return f"{self.name}{f' (judge: {self.family})' if self.family else ''}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Side:
    """What one side answered: the tally of all its runs, and one run that shows it."""

    passed: int
    runs: int  # that were measured
    lost: int  # that were not
    output: str | None
    calls: tuple[str, ...]
    found: tuple[str, ...]  # ids of what was retrieved
    why: tuple[Why, ...]
    error: str | None

    @property
    def answer(self) -> str:
        """Words and tool calls together."""
        parts = [self.output] if self.output else []
        parts += [f"[calls] {call}" for call in self.calls]
        return "\n".join(parts) or ("[no answer]" if self.error else "[nothing]")


@dataclass(frozen=True, slots=True)
class CaseStory:
    """One case that changed, failed, or could not be measured."""

    case: str
    change: str
    objects: bool  # a rule that failed, or could not be measured, names it
    must_pass: bool
    slice: str | None
    status: str | None
    question: str
    expected: tuple[tuple[str, str], ...]  # (what, how)
    before: Side | None
    now: Side | None
    file: str | None = None
    line: int | None = None

    @property
    def why(self) -> str:
        """In one line, why it does not pass now."""
        if self.change == "missing":
            return "was not run"
        if self.now is None:
            return ""
        return "; ".join(one.words for one in self.now.why) or (self.now.error or "")

    @property
    def tally(self) -> str:
        """`5/5 → 0/5`, or `0/5` where there is no other side."""
        return _count(self.now) if self.before is None else f"{_count(self.before)} → {_count(self.now)}"


def stories(report: Report) -> list[CaseStory]:
    """Cases worth telling of, the gravest first; the order is the same for the same results."""
    before = report.base.by_case if report.base is not None else {}
    after = report.candidate.by_case
    objecting = {case for ruling in report.verdict.rulings if ruling.state in (State.FAILED, State.UNMEASURED) for case in ruling.cases}
    changes = {one.case: str(one.change) for one in report.verdict.changes}
    for case, rows in after.items():
        if any(row.passed is None for row in rows):
            changes[case] = "unmeasured"
        elif not any(row.passed is False for row in rows):
            continue
        elif case in objecting and changes.get(case) not in BAD:
            changes[case] = "failing"  # new, changed or better, and yet a rule fails for it
        elif case not in changes and report.base is None:
            changes[case] = "still_failing" if rows[0].status in (*SET_ASIDE, "known_failing") else "failing"
    found = [_story(report, case, kind, before.get(case, ()), after.get(case, ()), case in objecting) for case, kind in changes.items()]
    return sorted(found, key=lambda one: (not one.objects, not one.must_pass, ORDER.index(one.change), one.slice or "", one.case))


def _story(report: Report, case: str, kind: str, before: Sequence[Result], after: Sequence[Result], objects: bool) -> CaseStory:
    known = report.known.get(case)
    row = (after or before)[0]
    said = row.extra.get("question") or (known.case.question if known else "")
    return CaseStory(
        case=case,
        change=kind,
        objects=objects,
        must_pass=any(one.must_pass for one in (*before, *after)),
        slice=row.slice,
        status=row.status,
        question=str(said or ""),
        expected=expected_in_words(known.case) if known else (),
        before=_side(before, failed=False),
        now=_side(after, failed=True),
        file=known.file if known else None,
        line=known.line if known else None,
    )


def _side(rows: Sequence[Result], *, failed: bool) -> Side | None:
    """failed: whether a failed run shows it best, or a passed one."""
    if not rows:
        return None
    shown = next((row for row in rows if row.passed is (not failed)), next((row for row in rows if row.passed is None), rows[0]))
    extra = shown.extra
    return Side(
        passed=sum(row.passed is True for row in rows),
        runs=sum(row.passed is not None for row in rows),
        lost=sum(row.passed is None for row in rows),
        output=_text(extra.get("output")) or _text(extra.get("refusal")),
        calls=tuple(call_in_words(one) for one in _list(extra.get("tool_calls"))),
        found=retrieved(shown),
        why=tuple(_why(one) for one in _list(extra.get("grades")) if one.get("passed") is False),
        error=shown.error,
    )


def retrieved(row: Result) -> tuple[str, ...]:
    """Ids of the documents that the target retrieved in a run."""
    found = [str(one["id"]) for one in _list(row.extra.get("context")) if one.get("id")]
    if not found:
        details = [one.get("detail") for one in _list(row.extra.get("grades")) if one.get("name") == "expected.retrieved_ids"]
        found = [str(one) for detail in details if isinstance(detail, Mapping) for one in detail.get("found") or ()]
    return tuple(found)


def grades_of(row: Result) -> list[Mapping[str, Any]]:
    """The grades in a row of a result file; none where it has none."""
    return _list(row.extra.get("grades"))


def _why(grade: Mapping[str, Any]) -> Why:
    return Why(str(grade.get("name") or "?"), str(grade.get("reason") or ""), _text(grade.get("evidence")), _text(grade.get("family")))


def call_in_words(call: Mapping[str, Any]) -> str:
    """`name({"a": 1})`."""
    arguments = call.get("arguments")
    return f"{call.get('name')}({arguments if isinstance(arguments, str) else canonical(arguments) if arguments is not None else ''})"


def expected_in_words(case: GoldenCase) -> tuple[tuple[str, str], ...]:
    """What a case holds a reply to, part by part."""
    found: list[tuple[str, str]] = []
    expected = case.expected
    if expected is not None:
        if expected.text is not None:
            found.append(("text", expected.text))
        if expected.json_ is not None:
            found.append(("JSON", canonical(expected.json_)))
        found += [("says", fact) for fact in expected.facts]
        found += [("calls", _call(one)) for one in expected.tools]
        found += [(name, value) for name, value in (("label", expected.label), ("choice", expected.choice)) if value is not None]
        if expected.refusal is not None:
            found.append(("refusal", "refuses" if expected.refusal else "answers, and does not refuse"))
        if expected.retrieved_ids:
            found.append(("retrieves", ", ".join(expected.retrieved_ids)))
        if expected.test_file:
            found.append(("passes the tests", expected.test_file))
    found += [_check(one) for one in case.checks]
    if case.rubric is not None:
        found.append(
            (f"rubric {case.rubric.name}.{case.rubric.item}", f"{case.rubric.question or ''} ({case.rubric.good} is right)".strip())
        )
    return tuple(found)


def _check(check: CaseCheck) -> tuple[str, str]:
    """The commonest in words, the others with their options."""
    said = check.options
    values = [said["values"]] if isinstance(said.get("values"), str) else [str(one) for one in said.get("values") or ()]
    match check.name:
        case "equals":
            return "is exactly", str(said.get("value", ""))
        case "contains":
            return "says", (" or " if said.get("need") == "any" else " and ").join(values)
        case "not_contains":
            return "does not say", " or ".join(values)
        case "starts_with":
            return "begins with", str(said.get("value", ""))
        case "regex":
            return "matches", str(said.get("pattern", ""))
        case "not_regex":
            return "does not match", str(said.get("pattern", ""))
        case "json_equals":
            return "JSON", canonical(said.get("value"))
        case "json_fields":
            return "JSON fields", canonical(said.get("fields"))
        case "tools_called":
            return "calls", ", ".join([said["names"]] if isinstance(said.get("names"), str) else map(str, said.get("names") or ["no tool"]))
        case _:
            return f"check {check.name}", canonical(said) if said else ""


def _call(call: Call) -> str:
    return call_in_words({"name": call.name, "arguments": call.arguments})


def _count(side: Side | None) -> str:
    if side is None:
        return "not run"
    if not side.runs:
        return "not measured"
    return f"{side.passed}/{side.runs}" + (f" ({side.lost} not measured)" if side.lost else "")


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
