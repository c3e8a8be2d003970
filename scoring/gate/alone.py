"""A verdict where there is no baseline yet: single cases and the floor, and nothing that needs another side. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from scoring.gate import rates, reach, standing
from scoring.gate.decide import allowances
from scoring.gate.pairing import SET_ASIDE, Pairing, pair
from scoring.gate.results import BadInput, Results
from scoring.gate.rules import Rules
from scoring.gate.verdict import CaseChange, Change, Ruling, Verdict, outcome_of
from scoring.gate.wording import in_words
from scoring.gate.words import State

NEEDS_BASELINE = ("missing", "regression", "anchor", "slices", "cost", "latency")
WHY = "there is no baseline"
FIX = ": `goldwash gate baseline make` makes one"


def decide_alone(results: Results, rules: Rules, *, today: date, strict: bool = False) -> Verdict:
    """The verdict on one result file by itself: every case counts for the floor. Raises BadInput where none counts."""
    if all(row.status in SET_ASIDE for row in results.rows):
        raise BadInput(f"{results.name}: no case in it counts: confirm some with `goldwash golden confirm`")
    both = pair(results, results)
    new = pair(Results((), results.header, "no baseline"), results)
    absolute = rules.model_copy(update={"floor": rules.floor.model_copy(update={"counts": "all"})})
    found = [
        _measured(both, results),
        standing.critical(new, results, rules, today),
        standing.guarding(new, Results(()), results),
        rates.floor(both, results, absolute),
        standing.judge(results.header, rules, today),
        *(Ruling(rule, State.SKIPPED, WHY + (FIX if rule == "regression" else "")) for rule in NEEDS_BASELINE),
    ]
    outcome, unclear = outcome_of(tuple(found), strict=strict)
    return Verdict(
        outcome=outcome,
        is_inconclusive=unclear,
        rulings=tuple(found),
        changes=tuple(_failing(both)),
        cases=len(both.active),
        runs=results.runs(),
        reruns=0,
        smallest_drop=None,
        rules=in_words(absolute, allowances(rules, has_anchor=False, has_slices=False, sequential=False), today),
        fingerprint=rules.fingerprint(),
        few=reach.warning(both, absolute, None),
    )


def _measured(both: Pairing, results: Results) -> Ruling:
    found = standing.measured(both, results, results)
    return replace(found, sentence="every run has a result") if found.state is State.PASSED else found


def _failing(both: Pairing) -> Iterator[CaseChange]:
    """Cases that do not pass all of their runs, those that must pass first."""
    found = [(one, "failing") for one in both.active] + [(one, "still_failing") for one in both.known_failing]
    for one, kind in sorted(found, key=lambda each: (each[1], not each[0].must_pass, each[0].case)):
        if one.candidate_passed < one.runs:
            change: Change = "failing" if kind == "failing" else "still_failing"
            yield CaseChange(one.case, change, None, None, one.candidate_passed, one.runs, one.must_pass, one.slice, one.status)
