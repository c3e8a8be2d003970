"""A verdict where there is no baseline yet: single cases and the floor, and nothing that needs another side. Pure."""

from __future__ import annotations

from datetime import date

from scoring.gate import rates, reach, standing
from scoring.gate.decide import allowances
from scoring.gate.pairing import SET_ASIDE, pair
from scoring.gate.results import BadInput, Results
from scoring.gate.rules import Rules
from scoring.gate.verdict import Ruling, Verdict, outcome_of
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
        standing.measured(both, results, results),
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
        changes=(),
        cases=len(both.active),
        runs=results.runs(),
        reruns=0,
        smallest_drop=None,
        rules=in_words(absolute, allowances(rules, has_anchor=False, has_slices=False, sequential=False), today),
        fingerprint=rules.fingerprint(),
        few=reach.warning(both, absolute, None),
    )
