"""Runs golden cases against targets and decides: what `goldwash gate`, the pytest plugin and a user's own Python share.

    from scoring.gate.order import Order
    from scoring.gate.running import run_gate

    for outcome in run_gate(Order(files=(Path("golden/cases.jsonl"),), targets=("candidate",))):
        print(outcome.variant.name, outcome.verdict.outcome, outcome.verdict.exit_code)

Steps: read the set, prepare every request (what cannot be asked is bad input before anything is paid), plan, ask and evaluate, decide with
reruns, write the result file.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import uvloop

from scoring.gate.answers import keep_judged
from scoring.gate.asking import Asking, Spent
from scoring.gate.columns import Column
from scoring.gate.deciding import Decided, decided
from scoring.gate.evaluators import judges as judging
from scoring.gate.headers import header, judge_header, prices
from scoring.gate.instruments import instruments
from scoring.gate.order import Order, Progress
from scoring.gate.planning import Task
from scoring.gate.preparing import Ready, prepared
from scoring.gate.results import BadInput, Result, Results, write
from scoring.gate.rules import Rules
from scoring.gate.targets.requests import prepare
from scoring.gate.targets.variants import Variant
from scoring.gate.verdict import Verdict
from scoring.judge import client
from scoring.progress import Quiet

HELD_AGAINST = Path("held_against")
"""Beside the result files: the baseline with the runs that were added to it, so that the verdict can be found again from files alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target."""

    variant: Variant
    results: Results
    verdict: Verdict
    base: Results | None
    path: Path  # of the result file
    spent: Spent


def run(ready: Ready, progress: Progress | None = None, *, today: date | None = None) -> list[Outcome]:
    """Asks, evaluates, decides and writes the result files. Raises BadInput; an outage is in the verdict, and never raised."""
    if ready.budget_usd is not None:
        _check_budget(ready, ready.budget_usd)
    return uvloop.run(_run(ready, progress or Quiet(), today or datetime.now(UTC).date()))


def run_gate(order: Order, *, progress: Progress | None = None, environ: Mapping[str, str] = os.environ) -> list[Outcome]:
    """One call for all of it: an outcome a target. Raises BadInput and the other errors of bad input, all with exit_code 2."""
    return run(prepared(order, environ), progress)


def exit_code(outcomes: list[Outcome]) -> int:
    """Of all outcomes together: 2, then 4, then 1, then 3."""
    codes = {outcome.verdict.exit_code for outcome in outcomes}
    return next((code for code in (2, 4, 1, 3) if code in codes), 0)


def _check_budget(ready: Ready, budget: float) -> None:
    """Raises BadInput where it would be overdrawn, or could not be kept."""
    estimate = sum(one.expected_usd for one in ready.plans)
    unpriced = next((judge for one in ready.plans for judge in one.judges if judge.cost_usd is None), None)
    if unpriced is not None:
        raise BadInput(
            f"the budget of ${budget:g} cannot be kept: the price of the judge {unpriced.model} is not known; "
            "add it to the file that [prices] file names, or leave the budget out"
        )
    if estimate > budget:
        raise BadInput(f"this run would cost about ${estimate:.4f}, and the budget is ${budget:g}: raise --budget, or run fewer cases")


async def _run(ready: Ready, progress: Progress, today: date) -> list[Outcome]:
    async with _asking(ready, progress) as asking:
        return [await _column(ready, column, asking, today) for column in ready.columns]


async def again(ready: Ready, variant: Variant, wanted: Mapping[str, int], first: Callable[[str], int]) -> list[Result]:
    """Further runs of some cases: case -> how many, and the number of the first."""
    async with _asking(ready, Quiet()) as asking:
        return await _more(ready, asking, variant, wanted, first)


@asynccontextmanager
async def _asking(ready: Ready, progress: Progress) -> AsyncIterator[Asking]:
    """Everything a run asks with; what was answered is kept at its end, however it ends."""
    settings, pricer = ready.settings, prices(ready.settings)
    with_ = instruments(ready.order, settings, ready.columns, ready.base)
    async with client.session(2 * settings.gate.concurrency) as session:  # both sides are timed at once
        try:
            async with judging.opened(
                settings,
                with_.options,
                pricer,
                rubrics=with_.rubrics,
                baseline=with_.baseline,
                memory=with_.memory,
                environ=ready.environ,
                recorded=with_.is_recorded,
            ) as judges:
                asking = Asking(
                    session=session,
                    settings=settings,
                    pricer=pricer,
                    golden=ready.golden,
                    judges=judges,
                    keeps={column.variant.name: column.keeps for column in ready.columns},
                    concurrency=settings.gate.concurrency,
                    attempts=settings.gate.attempts,
                    budget_usd=ready.budget_usd,
                    environ=ready.environ,
                    progress=progress,
                    plain={column.variant.name: column.plain for column in ready.columns if column.plain is not None},
                )
                try:
                    yield asking
                finally:
                    for keeps in (keeps for column in ready.columns for keeps in column.keeps):
                        keeps.close()
                    if with_.memory and not with_.is_recorded:
                        keep_judged(with_.memory_file, with_.memory)
        except judging.Down as error:
            raise BadInput(f"config/scoring.toml: {error}") from error


async def _column(ready: Ready, column: Column, asking: Asking, today: date) -> Outcome:
    """One target: its rows, the verdict on them, the file."""
    started = datetime.now(UTC)
    variant = column.variant
    mine = ready.tasks[variant.name]
    asking.before_usd, asking.spent = asking.before_usd + asking.spent.usd, Spent()
    asking.progress.begin(variant.name, len(mine))
    rows = await asking.rows(mine)
    path = _path(ready, variant, started)
    results = Results(tuple(rows), header(ready.settings, ready.golden, variant, started, is_partial=ready.is_partial), str(path))
    write(results, path)  # what was paid for is on disk before anything is decided
    state = judge_header(ready.settings, ready.rules, rows, asking.judges, calibration=ready.order.calibration, folder=ready.golden.folder)
    decision = await _decided(ready, column, asking, Results(results.rows, state(results.header), results.name), today)
    final = Results(decision.candidate.rows, state(decision.candidate.header, asking.spent), results.name)
    write(final, path)
    if decision.base is not None and ready.base is not None and len(decision.base.rows) > len(ready.base.rows):
        beside = path.parent / HELD_AGAINST / path.name
        beside.parent.mkdir(exist_ok=True)
        write(decision.base, beside)
    return Outcome(variant, final, decision.verdict, decision.base, path, asking.spent)


async def _decided(ready: Ready, column: Column, asking: Asking, candidate: Results, today: date) -> Decided:
    base_variant = ready.base_variant if column.folder is None and column.plain is None and ready.order.recorded is None else None

    async def rerun(variant: Variant, wanted: Mapping[str, int], first: Callable[[str], int]) -> list[Result]:
        return await _more(ready, asking, variant, wanted, first)

    return await decided(
        candidate,
        ready.base,
        ready.rules if not ready.is_partial else _without_floor(ready.rules),
        variant=column.variant,
        base_variant=base_variant,
        anchor=None if ready.is_partial else ready.anchor,
        today=today,
        strict=ready.order.strict,
        may_rerun=ready.order.reruns,
        prove=ready.order.prove,
        rerun=rerun,
    )


async def _more(ready: Ready, asking: Asking, variant: Variant, wanted: Mapping[str, int], first: Callable[[str], int]) -> list[Result]:
    cases = {case.id: case for case in ready.golden.cases}
    ready_ones = {case: prepare(cases[case], variant, ready.golden.blobs) for case in wanted}
    more = [Task(variant, ready_ones[case], first(case) + n, True) for case, runs in wanted.items() for n in range(runs)]
    asking.progress.begin(f"again: {variant.name}", len(more))
    return await asking.rows(more)


def _without_floor(rules: Rules) -> Rules:
    """For a part of the set that was chosen because it failed."""
    return rules.model_copy(update={"floor": rules.floor.model_copy(update={"rate": 0.0, "slices": {}})})


def _path(ready: Ready, variant: Variant, started: datetime) -> Path:
    out = ready.order.out
    if out is not None and out.suffix == ".jsonl":
        if len(ready.columns) > 1:
            raise BadInput(f"--out {out}: {len(ready.columns)} targets give a file each: name a folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        return out
    folder = out or ready.settings.data_dir / "gate" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{started:%Y%m%dT%H%M%SZ}-{variant.name}"
    taken = sum(1 for _ in folder.glob(f"{stem}*.jsonl"))
    return folder / (f"{stem}-{taken + 1}.jsonl" if taken else f"{stem}.jsonl")
