"""The first two lines of every report: what was decided, and why. Pure."""

from __future__ import annotations

from typing import Final

from scoring.gate.rates import percent
from scoring.gate.reports.contract import Report
from scoring.gate.reports.escaping import one_line
from scoring.gate.reports.story import CaseStory
from scoring.gate.results import Results
from scoring.gate.standing import count
from scoring.gate.verdict import Ruling
from scoring.gate.words import State

OUTCOMES: Final = {
    "passed": "passed",
    "failed": "FAILED",
    "bad_input": "could not run",
    "judge_unfit": "not decided: the judge is unfit",
    "could_not_tell": "could not tell",
}
MARKS: Final = {"passed": "✅", "failed": "❌", "bad_input": "⚠️", "judge_unfit": "⚠️", "could_not_tell": "⚠️"}
WARNING: Final = "⚠️"
SPEAKING: Final = {
    "failed": (State.FAILED,),
    "could_not_tell": (State.UNMEASURED, State.FAILED, State.INCONCLUSIVE),
    "judge_unfit": (State.UNFIT,),
    "passed": (State.INCONCLUSIVE,),
    "bad_input": (),
}
"""Which rulings say why, by outcome."""


BY_CASE: Final = {
    "critical": "must pass, and failed:",
    "guarding": "mended before, and broke again:",
    "missing": "not run:",
}
"""Rules that name cases, in a few words."""
NAMED: Final = 3


def mark(report: Report) -> str:
    """One sign."""
    verdict = report.verdict
    doubtful = verdict.outcome == "passed" and (verdict.is_inconclusive or verdict.warning is not None)
    return WARNING if doubtful else MARKS[verdict.outcome]


def outcome(report: Report, told: list[CaseStory]) -> str:
    """`FAILED: 4 of 24 cases broke, 1 of them must pass`."""
    verdict = report.verdict
    broke = [one for one in told if one.change in ("broke", "masked", "missing", "failing")]
    lost = [one for one in told if one.change == "unmeasured"]
    words = f"gate {OUTCOMES[verdict.outcome]}"
    if verdict.is_inconclusive:
        words += ", with a warning" if verdict.outcome == "passed" else ", unclear"
    said: list[str] = []
    if broke:
        must = sum(one.must_pass for one in broke)
        verb = "broke" if report.base is not None else "fails" if len(broke) == 1 else "fail"
        said.append(f"{len(broke):,} of {count(len(report.candidate.by_case))} {verb}" + (f", {must} of them must pass" if must else ""))
    if lost:
        said.append(f"{count(len(lost))} could not be measured")
    if not said:
        said.append(f"no case broke ({count(len(report.candidate.by_case))})" if report.base is not None else "no case fails")
    though = ", though " if broke and verdict.outcome == "passed" and not verdict.is_inconclusive else ": "
    return f"{words}{though}{'; '.join(said)}"


def why(report: Report) -> list[Ruling]:
    """The rulings that decided, the gravest first; none where everything holds."""
    return [one for state in SPEAKING[report.verdict.outcome] for one in report.verdict.rulings if one.state is state]


def why_in_words(report: Report, told: list[CaseStory]) -> str:
    """In one sentence, with questions in the place of ids; the rules' own sentences, with all they say, stand further below."""
    found = why(report)
    if found:
        return "; ".join(f"{one.rule}: {_short(one, told)}" for one in found)
    if report.base is not None:
        return "every rule holds"
    floor = report.verdict.ruling("floor")
    rate, wanted = floor.figures.get("rate"), floor.figures.get("floor")
    if isinstance(rate, float) and isinstance(wanted, float) and rate < wanted:
        return f"no rule objects: {floor.sentence}; and there is no baseline to compare with"
    return "every rule holds, and there is no baseline to compare with"


def _short(ruling: Ruling, told: list[CaseStory]) -> str:
    asked = {one.case: one_line(one.question, 60) for one in told if one.question}
    if ruling.rule == "measured":
        lost = [one for one in told if one.change == "unmeasured"]
        if lost:
            said = next((side.error for one in lost for side in (one.now, one.before) if side is not None and side.error), "")
            return f"{count(len(lost))} could not be, such as “{asked.get(lost[0].case, lost[0].case)}”: {one_line(said, 300)}"
    if ruling.rule not in BY_CASE or not ruling.cases or not set(ruling.cases) <= asked.keys():
        return ruling.sentence.partition(";")[0]
    shown = [f"“{asked[case]}”" for case in ruling.cases[:NAMED]]
    left = len(ruling.cases) - NAMED
    return f"{BY_CASE[ruling.rule]} {', '.join(shown)}" + (f" and {left} more" if left > 0 else "")


def totals(report: Report) -> list[tuple[str, str, str]]:
    """(what, before, now): pass rate, cost and time of the whole set; – where it is not known."""
    base, now = report.base, report.candidate
    rows = [
        ("cases passed", _passed(base), _passed(now)),
        ("cost", _cost(base), _cost(now)),
        ("median time", _time(base), _time(now)),
    ]
    return [row for row in rows if row[1] != "–" or row[2] != "–"]


def _passed(results: Results | None) -> str:
    if results is None:
        return "–"
    rates = [sum(row.passed is True for row in rows) / len(rows) for rows in results.by_case.values()]
    passed = sum(rate == 1 for rate in rates)
    return f"{passed} of {len(rates)} ({percent(sum(rates) / len(rates))} of runs)" if rates else "–"


def _cost(results: Results | None) -> str:
    planned = [] if results is None else [row for row in results.rows if not row.confirming]
    costs = [row.cost_usd for row in planned if row.cost_usd is not None]
    unknown = len(planned) - len(costs)
    return "–" if not costs else f"${sum(costs):.4f}" + (f" ({count(unknown, 'run')} without a price)" if unknown else "")


def _time(results: Results | None) -> str:
    planned = [] if results is None else [row for row in results.rows if not row.confirming]
    times = sorted(row.latency_ms for row in planned if row.latency_ms is not None)
    return "–" if not times else f"{times[len(times) // 2] / 1000:,.2f} s"
