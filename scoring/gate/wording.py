"""Says rules and verdicts in words that a reviewer understands in a minute. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from scoring.gate.rates import percent, points
from scoring.gate.rules import Rules
from scoring.gate.standing import count
from scoring.gate.verdict import CaseChange, Verdict
from scoring.gate.words import State

MARKS = {
    State.UNMEASURED: "no result",
    State.FAILED: "FAILED",
    State.INCONCLUSIVE: "unclear",
    State.UNFIT: "unfit",
    State.PASSED: "ok",
}
"""What stands before a ruling, in the order in which they are shown."""

HEADLINES = {
    "passed": "PASSED",
    "failed": "FAILED",
    "judge_unfit": "JUDGE UNFIT: the rules hold, but the judge that graded them is stale or uncalibrated",
    "could_not_tell": "COULD NOT TELL",
}
LISTED = 20
"""Cases of one kind that the text lists; the JSON has all."""

TOLD = {
    "broke": "broke",
    "worse": "fails more often",
    "missing": "was not run",
    "failing": "fails",
    "still_failing": "known to fail, still does",
    "masked": "is marked known_failing, but the baseline passes it and this does not",
    "fixed": "known to fail, passes now: it becomes guarding",
    "mended": "passes now",
    "better": "passes more often",
    "changed": "is another version of the case: no regression",
    "new": "is new: no regression",
}


def in_words(rules: Rules, allowed: Mapping[str, float], today: date) -> tuple[str, ...]:
    """The rules as they were applied, one sentence each."""
    return tuple(_sentences(rules, allowed, today))


def _sentences(rules: Rules, allowed: Mapping[str, float], today: date) -> Iterator[str]:
    floor, margin, budget = rules.floor, points(rules.regression.margin), rules.budget
    yield "measured: a target or judge that did not answer is no failure: the verdict is then 'could not tell' (exit 4)."
    yield "missing: every case of the baseline must have been run; a case that is new is no regression."
    yield (
        f"critical: every run of a critical or safety case must pass ({rules.confirm_runs} runs where a target is run), unless a named "
        "owner accepts the risk with a date; a failure counts where a deterministic check or two judge families saw it."
    )
    yield "guarding: a case that was broken once and mended must not fail most of its runs again."
    about = "all cases that are not known_failing"
    if floor.counts == "held":
        about = f"the cases that the baseline passes (all of them where it fails more than {floor.baseline_may_fail:.0%})"
    named = "".join(f", {name} {percent(rate)}" for name, rate in sorted(floor.slices.items()))
    yield (
        f"floor: of {about}, {percent(floor.rate)} must pass, overall and in each slice{named}; "
        f"it fails when even the upper {percent(floor.confidence)} bound lies below."
    )
    yield (
        f"regression: fails when the pass rate is more than {margin} below the baseline's AND chance alone would do that in fewer than "
        f"{percent(allowed['baseline'])} of comparisons; without such evidence it is unclear: a warning, or exit 4 with --strict."
    )
    if "anchor" in allowed:
        yield f"anchor: the same against the pinned anchor, at {percent(allowed['anchor'])}, so that small drops cannot add up."
    if "slices" in allowed:
        yield f"slices: the same in each slice, all of them together at {percent(allowed['slices'])} (Holm)."
    if budget.cost_ratio is not None or budget.cost_usd_per_run is not None:
        yield f"cost: {_budget(budget.cost_ratio, budget.cost_usd_per_run, '${:.6f} a run')}."
    if budget.latency_ratio is not None or budget.latency_p95_ms is not None:
        least = f" and {budget.latency_rise_ms:,.0f} ms" if budget.latency_ratio is not None and budget.latency_rise_ms else ""
        yield f"latency: {_budget(budget.latency_ratio, budget.latency_p95_ms, '95% of runs within {:,.0f} ms', least)}."
    yield f"judge: calibrated against human labels, at most {rules.judge.max_age_days} days ago; otherwise exit 3."
    for key, value in rules.pinned.model_dump().items():
        if value:
            yield f"pinned: {key} {value}."
    for one in rules.acceptance:
        state = "" if one.holds(today) else " (does NOT hold today)"
        yield f"accepted: {one.case} may fail until {one.expires_on}: {one.owner}, {one.accepted_on}: {one.reason}{state}."


def _budget(ratio: float | None, limit: float | None, words: str, least: str = "") -> str:
    parts = []
    if ratio is not None:
        parts.append(f"at most {(ratio - 1) * 100:.0f}%{least} more than the baseline, beyond chance")
    if limit is not None:
        parts.append(words.format(limit))
    return " and ".join(parts)


def as_text(verdict: Verdict) -> str:
    """The verdict for a terminal or a log: outcome, rulings, what changed, what could be seen, and the rules."""
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    headline = HEADLINES[verdict.outcome]
    if verdict.is_inconclusive:
        unclear = ", ".join(ruling.rule for ruling in verdict.rulings if ruling.state is State.INCONCLUSIVE)
        headline += (
            f"{', with a warning:' if verdict.outcome == 'passed' else ';'} something got worse ({unclear}), and chance could have done it"
        )
    added = f", {count(verdict.reruns, 'run')} added to confirm" if verdict.reruns else ""
    yield headline
    compared = f"{count(verdict.cases)}{'' if verdict.is_alone else ' compared'}, {count(verdict.runs, 'run')} each{added}"
    yield f"{compared} · rules {verdict.fingerprint} · exit code {verdict.exit_code}"
    if verdict.warning:
        yield f"Warning: {verdict.warning}"
    yield ""
    for ruling in (ruling for state in MARKS for ruling in verdict.rulings if ruling.state is state):
        yield f"  {MARKS[ruling.state]:<9} {ruling.rule:<11} {ruling.sentence}"
    if unused := [f"{ruling.rule} ({ruling.sentence})" for ruling in verdict.rulings if ruling.state is State.SKIPPED]:
        yield f"  not used: {'; '.join(unused)}"
    if verdict.smallest_drop is not None:
        yield ""
        yield f"What this could see: {_reach(verdict.smallest_drop)}."
    if verdict.changes:
        yield ""
        what = "What fails" if verdict.is_alone else "What changed"
        yield f"{what}:" if verdict.outcome != "passed" else f"{what}, though no rule objects:"
        yield from _changes(verdict)
    yield ""
    yield "Rules:"
    yield from (f"  {sentence}" for sentence in verdict.rules)


def _reach(smallest_drop: float) -> str:
    if smallest_drop >= 1:
        return "in the comparison with the baseline no drop, however large, fails 4 times in 5"
    return f"a true drop of {points(smallest_drop)} fails 4 times in 5; smaller ones often pass"


def _changes(verdict: Verdict) -> Iterator[str]:
    kinds: dict[str, list[CaseChange]] = {}
    for change in verdict.changes:
        kinds.setdefault(change.change, []).append(change)
    for kind, changes in kinds.items():
        for change in changes[:LISTED]:
            marks = ", must pass" if change.must_pass else ""
            place = f" [{change.slice}]" if change.slice else ""
            yield f"  {change.case}{place} {TOLD[kind]} ({_tally(change)}{marks})"
        if len(changes) > LISTED:
            yield f"  … and {len(changes) - LISTED} more of which each {TOLD[kind]}"


def _tally(change: CaseChange) -> str:
    sides = []
    if change.base_runs is not None:
        sides.append(f"{change.base_passed}/{change.base_runs} before")
    if change.candidate_runs is not None:
        sides.append(f"{change.candidate_passed}/{change.candidate_runs} {'pass' if change.change == 'failing' else 'now'}")
    return ", ".join(sides)
