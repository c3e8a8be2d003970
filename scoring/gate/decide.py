"""Decides on two result files: applies every rule, asks for reruns where chance could explain a drop, and gives a verdict.

Sans-IO. `deliberate` is a generator that yields what it wants rerun and is sent the new rows, so that a synchronous or an asynchronous
runner can serve it; `decide` drives it with a function, or without any. Pure: no file, no clock; today's date is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from datetime import date

from scoring.gate import budgets, rates, reach, standing
from scoring.gate.pairing import Pair, Pairing, check_runs, pair
from scoring.gate.results import BadInput, Result, Results
from scoring.gate.rules import Rules
from scoring.gate.verdict import CaseChange, Change, Ruling, Verdict, outcome_of
from scoring.gate.wording import in_words
from scoring.gate.words import State


@dataclass(frozen=True, slots=True)
class Rerun:
    """A wish: run these cases again, as often on the one side as on the other, under the same conditions."""

    cases: tuple[str, ...]
    runs: int  # further runs of each case on each side
    first: int  # number of the first of them
    look: int  # which round this is, from 1


Reruns = tuple[Iterable[Result], Iterable[Result]]
"""New rows of the baseline's target and of the candidate's. A run that reached nothing comes back with passed None and an error."""

Rerunner = Callable[[Rerun], Reruns]


def decide(
    base: Results,
    candidate: Results,
    rules: Rules,
    *,
    today: date,
    anchor: Results | None = None,
    strict: bool = False,
    rerun: Rerunner | None = None,
) -> Verdict:
    """The verdict on a candidate; with `rerun`, undecided cases are run again before it. Raises BadInput."""
    steps = deliberate(base, candidate, rules, today=today, anchor=anchor, strict=strict, may_rerun=rerun is not None)
    try:
        wish = next(steps)
        while rerun is not None:
            wish = steps.send(rerun(wish))
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict
    raise AssertionError("reruns were asked for although there is nobody to run them")


def deliberate(
    base: Results,
    candidate: Results,
    rules: Rules,
    *,
    today: date,
    anchor: Results | None = None,
    strict: bool = False,
    may_rerun: bool = True,
    settled_later: frozenset[str] = frozenset(),
) -> Generator[Rerun, Reruns, Verdict]:
    """Yields wishes for reruns and takes their rows, until nothing is left to ask; returns the verdict. Raises BadInput.

    settled_later: rules whose failure the caller looks at again, so that it ends nothing here.
    """
    check_runs(base, candidate)
    for other in (base, anchor):
        if other is not None:
            standing.check_versions(other, candidate, rules)
    reached = candidate.runs()
    totals = [runs for runs in rules.regression.rerun_to if runs > reached] if may_rerun else []
    terms = _Terms(rules, today, anchor, sequential=bool(totals) or _reran(candidate))
    asked: set[str] = set()
    hearing = _hear(base, candidate, terms)
    if hearing.pairing.is_empty:
        raise BadInput(
            f"{base.name} and {candidate.name} have no case in common that is held to anything: compare results of one golden set"
        )
    for look, total in enumerate(totals, 1):
        asked |= _doubtful(hearing)
        if not _may_change(hearing, asked, settled_later):
            break
        first = 1 + max(row.run for row in (*base.rows, *candidate.rows) if row.case in asked)
        wish = Rerun(tuple(sorted(asked)), total - reached, first, look)
        more_base, more_candidate = yield wish
        base, candidate = _added(base, more_base, wish), _added(candidate, more_candidate, wish)
        reached, hearing = total, _hear(base, candidate, terms)
    return _verdict(hearing, base, candidate, terms, strict=strict)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What stays the same however often the cases are run again."""

    rules: Rules
    today: date
    anchor: Results | None
    sequential: bool


@dataclass(frozen=True, slots=True)
class _Hearing:
    """All that the rules say of the runs there are by now."""

    pairing: Pairing
    rulings: dict[str, Ruling]  # in the order in which they are shown
    allowed: dict[str, float]


def _doubtful(hearing: _Hearing) -> set[str]:
    """Cases worth running again: those that differ, where the drop is in doubt, and mended ones that seem to have broken."""
    shared = {one.case for one in hearing.pairing.active}
    found = {case for case in hearing.rulings["guarding"].cases if case in shared}
    if hearing.rulings["regression"].state is State.INCONCLUSIVE:
        found |= {one.case for one in hearing.pairing.active if one.base_passed != one.candidate_passed}
    return found


def _may_change(hearing: _Hearing, asked: set[str], settled_later: frozenset[str]) -> bool:
    """Whether more runs of these can change the outcome: nothing has failed for good, and something is in doubt."""
    open_rules = {"guarding", *settled_later}
    if any(ruling.state in {State.FAILED, State.UNMEASURED} for name, ruling in hearing.rulings.items() if name not in open_rules):
        return False
    mended = hearing.rulings["guarding"]
    in_doubt = hearing.rulings["regression"].state is State.INCONCLUSIVE or mended.state is State.FAILED
    return in_doubt and bool(asked) and (mended.state is not State.FAILED or asked.issuperset(mended.cases))


def _added(results: Results, rows: Iterable[Result], wish: Rerun) -> Results:
    """Raises BadInput where a row answers no wish or comes twice."""
    taken = {(row.case, row.run) for row in results.rows}
    wanted = set(wish.cases)
    new = []
    for row in rows:
        if row.case not in wanted or (row.case, row.run) in taken:
            raise BadInput(f"{results.name}: a rerun gave case {row.case!r} run {row.run}, which was not asked for or is there already")
        taken.add((row.case, row.run))
        new.append(replace(row, confirming=True))
    return results.with_more(new)


def _hear(base: Results, candidate: Results, terms: _Terms) -> _Hearing:
    rules, anchor = terms.rules, terms.anchor
    pairing = pair(base, candidate)
    has_slices = len(pairing.slices()) > 1
    allowed = allowances(rules, has_anchor=anchor is not None, has_slices=has_slices, sequential=terms.sequential)
    rulings = [
        standing.measured(pairing, base, candidate),
        standing.missing(pairing),
        standing.critical(pairing, candidate, rules, terms.today),
        standing.guarding(pairing, base, candidate),
        rates.floor(pairing, candidate, rules),
        rates.regression(
            "regression", "the baseline", rates.drop_of(pairing.active), rules, allowed["baseline"], in_doubt=State.INCONCLUSIVE
        ),
        _anchored(anchor, candidate, rules, allowed.get("anchor", 0.0)),
        rates.slices(pairing, rules, allowed.get("slices", 0.0)),
        budgets.cost(pairing, base, candidate, rules),
        budgets.latency(pairing, candidate, rules),
        standing.judge(candidate.header, rules, terms.today),
    ]
    return _Hearing(pairing, {ruling.rule: ruling for ruling in rulings}, allowed)


def allowances(rules: Rules, *, has_anchor: bool, has_slices: bool, sequential: bool) -> dict[str, float]:
    """The error that each comparison that is made may make, so that all of them together keep to what is allowed.

    With reruns the comparison with the baseline is looked at up to three times, each at `alpha_per_look`.
    """
    alpha = rules.regression.alpha
    shares = {"baseline": rules.shares.baseline}
    shares |= {"anchor": rules.shares.anchor} if has_anchor else {}
    shares |= {"slices": rules.shares.slices} if has_slices else {}
    allowed = {name: alpha * share / sum(shares.values()) for name, share in shares.items()}
    if sequential:
        allowed["baseline"] *= min(1.0, rules.regression.alpha_per_look / alpha)
    return allowed


def _reran(candidate: Results) -> bool:
    """Whether runs were added because a drop was in doubt: cases that must pass are always run more often."""
    return any(row.confirming and not row.must_pass for row in candidate.rows)


def _anchored(anchor: Results | None, candidate: Results, rules: Rules, alpha: float) -> Ruling:
    if anchor is None:
        return Ruling("anchor", State.SKIPPED, "no anchor is pinned")
    # The anchor's own noise stays the same from release to release: a doubt about it would warn every time, so it passes.
    drop = rates.drop_of(pair(anchor, candidate).active)
    return rates.regression("anchor", "the anchor", drop, rules, alpha, in_doubt=State.PASSED)


def _verdict(hearing: _Hearing, base: Results, candidate: Results, terms: _Terms, *, strict: bool) -> Verdict:
    rulings = tuple(hearing.rulings.values())
    outcome, unclear = outcome_of(rulings, strict=strict)
    smallest = hearing.rulings["regression"].figures.get("smallest_drop")
    return Verdict(
        outcome=outcome,
        is_inconclusive=unclear,
        rulings=rulings,
        changes=tuple(_changes(hearing.pairing, base, candidate, terms.rules)),
        cases=len(hearing.pairing.active),
        runs=candidate.runs(),
        reruns=sum(row.confirming for row in (*base.rows, *candidate.rows)),
        smallest_drop=smallest if isinstance(smallest, float) else None,
        rules=in_words(terms.rules, hearing.allowed, terms.today),
        fingerprint=terms.rules.fingerprint(),
        few=reach.warning(hearing.pairing, terms.rules, hearing.allowed),
    )


def _changes(pairing: Pairing, base: Results, candidate: Results, rules: Rules) -> Iterable[CaseChange]:
    """What differs, the worst first."""
    order: list[Change] = ["broke", "worse", "missing", "masked", "still_failing", "fixed", "mended", "better", "changed", "new"]
    found = [_changed(one, _kind(one)) for one in pairing.active if one.base_passed != one.candidate_passed]
    found += [_changed(one, _kind_of_known(one, rules.confirm_runs)) for one in pairing.known_failing]
    left, right = base.by_case, candidate.by_case
    found += [_alone(case, left[case], "missing") for case in pairing.missing]
    found += [_alone(case, right[case], "changed") for case in pairing.changed]
    found += [_alone(case, right[case], "new") for case in pairing.new]
    return sorted(found, key=lambda change: (order.index(change.change), not change.must_pass, change.case))


def _kind(one: Pair) -> Change:
    before, after = 2 * one.base_passed >= one.runs, 2 * one.candidate_passed >= one.runs
    if before != after:
        return "broke" if before else "mended"
    return "worse" if one.drop > 0 else "better"


def _kind_of_known(one: Pair, confirm_runs: int) -> Change:
    if one.candidate_passed == one.runs >= confirm_runs:
        return "fixed"
    return "masked" if one.base_passed == one.runs > 2 * one.candidate_passed else "still_failing"


def _changed(one: Pair, change: Change) -> CaseChange:
    return CaseChange(one.case, change, one.base_passed, one.runs, one.candidate_passed, one.runs, one.must_pass, one.slice, one.status)


def _alone(case: str, rows: tuple[Result, ...], change: Change) -> CaseChange:
    measured = [row for row in rows if row.passed is not None]
    passed = sum(bool(row.passed) for row in measured)
    must_pass, first = any(row.must_pass for row in rows), rows[0]
    if change == "missing":
        return CaseChange(case, change, passed, len(measured), None, None, must_pass, first.slice, first.status)
    return CaseChange(case, change, None, None, passed, len(measured), must_pass, first.slice, first.status)
