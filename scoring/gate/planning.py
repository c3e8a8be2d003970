"""What a run will ask, how often, and what that will cost, before anything is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from proxy.accounting.pricing import Pricer
from proxy.accounting.tokens import count_tokens
from proxy.exchange import Reading, Usage
from proxy.streams.json_value import json_text
from scoring.gate.results import Results
from scoring.gate.rows import must_pass
from scoring.gate.rules import Rules
from scoring.gate.targets.requests import Prepared
from scoring.gate.targets.variants import Variant
from scoring.golden.case import GoldenCase

OUTPUT_TOKENS: Final = 300
"""Of an answer, where neither the baseline nor production shows one."""


class Task(NamedTuple):
    """One run of one case on one variant."""

    variant: Variant
    prepared: Prepared
    run: int
    confirming: bool  # above the number that every case has


@dataclass(frozen=True, slots=True)
class Plan:
    """What one variant will be asked."""

    variant: str
    cases: int
    runs: int  # planned runs a case
    must_pass: int  # cases that run more often, since one failure is enough
    calls: int
    known: int  # of those calls, answered from the cache or the recorded store
    judged: int  # calls whose answer a judge may be asked about
    cost_usd: float | None  # of what will be asked; None: of no call is the price known
    unpriced: int  # calls without a price


def tasks(variant: Variant, prepared: Sequence[Prepared], repeat: int, rules: Rules) -> list[Task]:
    """Every run of every case: `repeat` each, and those that must pass as often as the rules confirm them."""
    return [
        Task(variant, one, run, run > repeat)
        for one in prepared
        for run in range(1, (max(repeat, rules.confirm_runs) if must_pass(one.case) else repeat) + 1)
    ]


def is_selected(case: GoldenCase, kinds: set[str], *, with_candidates: bool) -> bool:
    """Whether a case is run on targets of these kinds: retired ones never, candidates on request, conversations where an app runs them."""
    if case.status == "retired" or (case.status == "candidate" and not with_candidates):
        return False
    return case.unit == "step" or not kinds <= {"endpoint"}


def plan(variant: Variant, planned: Sequence[Task], known: int, base: Results | None, pricer: Pricer, now: datetime) -> Plan:
    """The plan of one variant; known: calls that are answered already."""
    paid = _paid(base)
    costs = [_cost(task, paid, pricer, now) for task in planned]
    priced = [cost for cost in costs if cost is not None]
    share = 1 - known / len(planned) if planned else 0.0
    cases = {task.prepared.case.id: task.prepared.case for task in planned}
    return Plan(
        variant=variant.name,
        cases=len(cases),
        runs=max((task.run for task in planned if not task.confirming), default=0),
        must_pass=sum(must_pass(case) for case in cases.values()),
        calls=len(planned),
        known=known,
        judged=sum(_is_judged(task.prepared.case) for task in planned),
        cost_usd=sum(priced) * share if priced else (0.0 if known == len(planned) else None),
        unpriced=len(costs) - len(priced),
    )


def _paid(base: Results | None) -> Mapping[str, float]:
    """What a run of each case cost the baseline."""
    if base is None:
        return {}
    found = {}
    for case, rows in base.by_case.items():
        costs = [row.cost_usd for row in rows if row.cost_usd is not None]
        if costs:
            found[case] = sum(costs) / len(costs)
    return found


def _cost(task: Task, paid: Mapping[str, float], pricer: Pricer, now: datetime) -> float | None:
    """From the length of the request and of what production answered, at the model's price; else what the baseline paid."""
    variant, case, body = task.variant, task.prepared.case, task.prepared.body
    if variant.target.kind == "recorded":
        return 0.0
    model = variant.target.model or (body.get("model") if isinstance(body, dict) else None) or case.source.request_model
    if variant.target.kind == "endpoint" and isinstance(model, str):
        asked = count_tokens([json_text(body)[:400_000]], model)
        said = count_tokens([case.observed.text], model) if case.observed is not None and case.observed.text else OUTPUT_TOKENS
        usage = Usage(input_tokens=asked, output_tokens=max(said, 1))
        reading = Reading(operation="chat", request_model=model, response_model=model, usage=usage)
        provider = variant.target.upstream or case.source.provider or (case.input.dialect or "").partition(".")[0]
        price = pricer.price(reading, provider, variant.target.base_url or "", now).cost_usd
        if price is not None:
            return float(price)
    return paid.get(case.id)


def _is_judged(case: GoldenCase) -> bool:
    return case.rubric is not None or (case.expected is not None and case.expected.text is not None)


def in_words(plans: Sequence[Plan]) -> str:
    """A line a variant, and their sum."""
    lines = []
    for one in plans:
        more = f", {one.must_pass} of them must pass and run more often" if one.must_pass else ""
        known = f"; {one.known:,} are answered already" if one.known else ""
        judged = f"; a judge may be asked about {one.judged:,}" if one.judged else ""
        runs = f"{one.runs} run{'' if one.runs == 1 else 's'} each{more}"
        lines.append(f"{one.variant}: {one.cases:,} cases, {runs}: {one.calls:,} calls{known}{judged}; {_dollars(one)}")
    if len(plans) > 1:
        costs = [one.cost_usd for one in plans if one.cost_usd is not None]
        unknown = "" if len(costs) == len(plans) else ", and what has no price"
        lines.append(f"together: {sum(one.calls for one in plans):,} calls, about ${sum(costs):.4f}{unknown}")
    return "\n".join(lines) + "\n"


def _dollars(one: Plan) -> str:
    if one.cost_usd is None:
        return "what they cost is not known (no price for the model)"
    note = f" and {one.unpriced:,} calls without a price" if one.unpriced and one.known < one.calls else ""
    return f"about ${one.cost_usd:.4f}{note}"
