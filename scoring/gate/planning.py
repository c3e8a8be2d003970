"""What a run will ask, how often, and what that will cost, before anything is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from proxy.accounting.pricing import Pricer
from proxy.accounting.tokens import count_tokens
from proxy.exchange import Reading, Usage
from proxy.streams.json_value import json_text
from scoring.gate.judge_calls import OUTPUT_TOKENS, JudgeCalls
from scoring.gate.results import Results
from scoring.gate.rows import must_pass
from scoring.gate.rules import Rules
from scoring.gate.targets.requests import Prepared
from scoring.gate.targets.variants import Variant
from scoring.golden.case import GoldenCase


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
    missing: int  # of those calls, neither known nor to be asked: a recorded answer is not there, or is stale
    cost_usd: float | None  # of what the target will be asked; None: of no call is the price known
    unpriced: int  # calls without a price
    judges: tuple[JudgeCalls, ...] = ()  # what judges will be asked about the answers
    unjudged: int = 0  # answers that need a judge where none is configured

    @property
    def expected_usd(self) -> float:
        """Target and judges, as far as prices are known, without calls that may not be needed: what a budget must cover."""
        return (self.cost_usd or 0.0) + sum(one.cost_usd or 0.0 for one in self.judges if one.is_certain)


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


def plan(
    variant: Variant,
    planned: Sequence[Task],
    known: int,
    base: Results | None,
    pricer: Pricer,
    now: datetime,
    *,
    judges: tuple[JudgeCalls, ...] = (),
    unjudged: int = 0,
    missing: int = 0,
) -> Plan:
    """The plan of one variant; known: calls that are answered already; missing: those that nobody will be asked for all the same."""
    paid = _paid(base)
    costs = [_cost(task, paid, pricer, now) for task in planned]
    priced = [cost for cost in costs if cost is not None]
    settled = known + missing
    share = 1 - settled / len(planned) if planned else 0.0
    cases = {task.prepared.case.id: task.prepared.case for task in planned}
    return Plan(
        variant=variant.name,
        cases=len(cases),
        runs=max((task.run for task in planned if not task.confirming), default=0),
        must_pass=sum(must_pass(case) for case in cases.values()),
        calls=len(planned),
        known=known,
        missing=missing,
        cost_usd=sum(priced) * share if priced else (0.0 if settled == len(planned) else None),
        unpriced=len(costs) - len(priced),
        judges=judges,
        unjudged=unjudged,
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


def in_words(plans: Sequence[Plan]) -> str:
    """A line a variant, one for each judge of it, and their sum."""
    lines = []
    for one in plans:
        more = f", {one.must_pass} of them must pass and run more often" if one.must_pass else ""
        known = f"; {one.known:,} are answered already" if one.known else ""
        known += f"; {one.missing:,} have no stored answer that fits, and nobody is asked" if one.missing else ""
        runs = f"{one.runs} run{'' if one.runs == 1 else 's'} each{more}"
        lines.append(f"{one.variant}: {_counted(one.cases, 'case')}, {runs}: {_counted(one.calls, 'call')}{known}; {_dollars(one)}")
        lines += [f"  {_judge(judge)}" for judge in one.judges]
        if one.unjudged:
            lines.append(
                f"  {_counted(one.unjudged, 'answer')} to be judged, and no judge is configured: [judge] in config/scoring.toml names one"
            )
    if len(plans) > 1 or any(one.judges for one in plans):
        unknown = ", and what has no price" if any(map(_is_unknown, plans)) else ""
        usd = sum(one.expected_usd for one in plans)
        lines.append(f"together: {_counted(_calls(plans), 'call')}, about ${usd:.4f}{unknown}")
    return "\n".join(lines) + "\n"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _calls(plans: Sequence[Plan]) -> int:
    return sum(one.calls + sum(judge.calls for judge in one.judges if judge.is_certain) for one in plans)


def _is_unknown(one: Plan) -> bool:
    return one.cost_usd is None or any(judge.cost_usd is None for judge in one.judges if judge.is_certain)


def _judge(one: JudgeCalls) -> str:
    price = "what they cost is not known (no price for the model)" if one.cost_usd is None else f"about ${one.cost_usd:.4f}"
    if one.is_certain:
        return f"judge {one.model}: {_counted(one.calls, 'call')}, fewer where code alone finds a failure; {price}"
    return f"judge {one.model}: up to {_counted(one.calls, 'call')} more, where a failure must be confirmed or no verdict came; {price}"


def _dollars(one: Plan) -> str:
    if one.cost_usd is None:
        return "what they cost is not known (no price for the model)"
    note = f" and {_counted(one.unpriced, 'call')} without a price" if one.unpriced and one.known + one.missing < one.calls else ""
    return f"about ${one.cost_usd:.4f}{note}"
