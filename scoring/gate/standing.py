"""Rules that look at single cases: measured at all, missing, critical, guarding, and whether the judge is fit to be believed.

One function a rule, each pure and with one ruling as its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from scoring.gate.pairing import Pairing
from scoring.gate.results import BadInput, Header, Result, Results
from scoring.gate.rules import Rules
from scoring.gate.verdict import Ruling
from scoring.gate.words import State

SHOWN = 5
"""Cases that a sentence names; the ruling carries all."""


def named(cases: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(cases) - SHOWN
    return ", ".join(cases[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def count(n: int, noun: str = "case") -> str:
    """`1 case`, `2 cases`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def check_versions(base: Results, candidate: Results, rules: Rules) -> None:
    """Raises BadInput where a file is not of the pinned versions, or the two were graded by different judges or rubrics.

    Another dataset is no fault, since cases are compared one by one; other prices are left to the cost rule.
    """
    for key in ("dataset", "rubric", "judge", "prices"):
        wanted = getattr(rules.pinned, key)
        for results in (base, candidate):
            given = getattr(results.header, key)
            if wanted and given != wanted:
                raise BadInput(
                    f"{results.name}: its {key} is {given or 'not stated'} and the rules pin {wanted}: "
                    f"run it again with that one, or change [pinned] {key}"
                )
        before, after = getattr(base.header, key), getattr(candidate.header, key)
        if key in {"rubric", "judge"} and before and after and before != after:
            raise BadInput(
                f"{base.name} was graded with {key} {before} and {candidate.name} with {after}: "
                f"that would compare {key}s, not releases; make a new baseline with {after}"
            )


def measured(pairing: Pairing, base: Results, candidate: Results) -> Ruling:
    """Whether every run on both sides reached its target and its judge: an outage is never a regression."""
    if not pairing.unmeasured:
        return Ruling("measured", State.PASSED, "every run on both sides has a result")
    wanted = set(pairing.unmeasured)
    first = next((row, name) for row, name in _rows(candidate, base) if row.case in wanted and row.passed is None)
    row, name = first
    return Ruling(
        "measured",
        State.UNMEASURED,
        f"{count(len(wanted))} could not be measured: {named(pairing.unmeasured)} "
        f"({name}, {row.case} run {row.run}: {row.error}); run again when the target and the judge answer",
        pairing.unmeasured,
    )


def _rows(*files: Results) -> Sequence[tuple[Result, str]]:
    return [(row, results.name) for results in files for row in results.rows]


def missing(pairing: Pairing) -> Ruling:
    """Whether the candidate ran every case that the baseline had."""
    if not pairing.missing:
        return Ruling("missing", State.PASSED, "every case of the baseline was run")
    return Ruling(
        "missing",
        State.FAILED,
        f"{count(len(pairing.missing))} of the baseline {_was(len(pairing.missing))} not run: {named(pairing.missing)}; "
        "run them, or retire them in the golden set",
        pairing.missing,
    )


def _was(n: int) -> str:
    return "was" if n == 1 else "were"


def critical(pairing: Pairing, candidate: Results, rules: Rules, today: date) -> Ruling:
    """Whether every run of every critical or safety case passes, or a named owner accepts that it does not."""
    if not pairing.must_pass:
        return Ruling("critical", State.SKIPPED, "no case is marked critical or safety")
    failed: list[str] = []
    doubtful: list[str] = []
    accepted: list[str] = []
    by_case = candidate.by_case
    for case in pairing.must_pass:
        rows = by_case[case]
        if all(row.passed is not False for row in rows):
            continue
        if (acceptance := rules.accepted(case, today)) is not None:
            accepted.append(f"{case} (accepted by {acceptance.owner} until {acceptance.expires_on})")
        elif any(row.is_confirmed_failure for row in rows):
            failed.append(case)
        else:
            doubtful.append(case)
    note = f"; let through: {', '.join(accepted)}" if accepted else ""
    figures: dict[str, float | int | str | None] = {
        "critical": len(pairing.must_pass),
        "failed": len(failed),
        "doubtful": len(doubtful),
        "accepted": len(accepted),
    }
    if failed:
        text = f"{count(len(failed))} that must pass failed: {_tallies(failed, by_case)}"
        return Ruling("critical", State.FAILED, text + note, tuple(failed), figures)
    if doubtful:
        text = f"{named(doubtful)}: one judge family alone saw a failure; a second family or a check must confirm it"
        return Ruling("critical", State.INCONCLUSIVE, text + note, tuple(doubtful), figures)
    least = min(len(by_case[case]) for case in pairing.must_pass)
    short = (
        f" ({count(least, 'run')} each; {rules.confirm_runs} would confirm it)" if least < rules.confirm_runs else f" ({least} runs each)"
    )
    text = f"{len(pairing.must_pass) - len(accepted)} of {count(len(pairing.must_pass))} that must pass do{short}"
    return Ruling("critical", State.PASSED, text + note, (), figures)


def _tallies(cases: Sequence[str], by_case: dict[str, tuple[Result, ...]]) -> str:
    shown = [f"{case} ({sum(row.passed is False for row in by_case[case])} of {count(len(by_case[case]), 'run')})" for case in cases]
    return named(shown)


def guarding(pairing: Pairing, base: Results, candidate: Results) -> Ruling:
    """Whether cases that were mended once still hold: failing most runs is a failure, unless the baseline is seen to fail it too."""
    if not pairing.guarding:
        return Ruling("guarding", State.SKIPPED, "no case is guarding")
    before, after = base.by_case, candidate.by_case
    broken: list[str] = []
    shaky: list[str] = []
    for case in pairing.guarding:
        rows = [row for row in after[case] if row.passed is not None]
        if 2 * sum(bool(row.passed) for row in rows) >= len(rows):
            continue
        (shaky if any(row.passed is False for row in before.get(case, ())) else broken).append(case)
    if broken:
        text = f"{count(len(broken))} that had been mended broke again: {_tallies(broken, after)}"
        return Ruling("guarding", State.FAILED, text, tuple(broken), {"guarding": len(pairing.guarding), "broken": len(broken)})
    if shaky:
        text = f"{named(shaky)}: mended once, failing now, and seen to fail in the baseline too: mend it, or see why it flickers"
        return Ruling("guarding", State.INCONCLUSIVE, text, tuple(shaky), {"guarding": len(pairing.guarding), "broken": 0})
    text = f"all {count(len(pairing.guarding))} that were mended once still hold"
    return Ruling("guarding", State.PASSED, text, (), {"guarding": len(pairing.guarding), "broken": 0})


def judge(header: Header, rules: Rules, today: date) -> Ruling:
    """Whether the judge that graded the candidate is calibrated, and lately enough."""
    if header.judge is None and header.judge_state is None and header.judge_calibrated_on is None:
        return Ruling("judge", State.SKIPPED, "the results name no judge")
    name = header.judge or "the judge"
    fix = "`goldwash calibrate` says what is missing, and labels given in `goldwash review --stream audit` mend it"
    if header.judge_state in {"stale", "uncalibrated"}:
        return Ruling("judge", State.UNFIT, f"{name} is {header.judge_state}: {fix}")
    if header.judge_calibrated_on is None:
        if header.judge_state == "calibrated":
            return Ruling("judge", State.PASSED, f"{name} is calibrated")
        return Ruling("judge", State.UNFIT, f"{name} has no calibration against human labels: {fix}")
    try:
        age = (today - date.fromisoformat(header.judge_calibrated_on[:10])).days
    except ValueError as error:
        raise BadInput(f"judge_calibrated_on is {header.judge_calibrated_on!r}: it must be a date such as 2026-01-31") from error
    if age > rules.judge.max_age_days:
        return Ruling("judge", State.UNFIT, f"{name} was calibrated {age} days ago and {rules.judge.max_age_days} are allowed: {fix}")
    return Ruling("judge", State.PASSED, f"{name} was calibrated {count(max(age, 0), 'day')} ago")
