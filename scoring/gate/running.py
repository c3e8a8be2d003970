"""Runs golden cases against targets and decides: what `goldwash gate`, the pytest plugin and a user's own Python share.

    from scoring.gate.order import Order, Progress
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
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import uvloop

from config.scoring import find as find_scoring
from config.scoring import load as load_scoring
from config.settings import Settings, find_file, load
from scoring.gate.answers import JUDGES, judged, keep_judged
from scoring.gate.asking import Asking, Spent
from scoring.gate.baselines import ANCHOR, CURRENT, FOLDER
from scoring.gate.columns import Column, columns
from scoring.gate.deciding import Decided, decided
from scoring.gate.evaluators import judges as judging
from scoring.gate.golden_files import Golden, failing, only, read
from scoring.gate.headers import header, judge_header, prices
from scoring.gate.order import Order, Progress
from scoring.gate.planning import Plan, Task, is_selected, plan, tasks
from scoring.gate.results import BadInput, Result, Results, write
from scoring.gate.results import read as read_results
from scoring.gate.rules import Rules
from scoring.gate.rules import load as load_rules
from scoring.gate.targets.requests import prepare
from scoring.gate.targets.variants import Variant, of_header, variants
from scoring.gate.verdict import Verdict
from scoring.judge import client
from scoring.judge.rubric import load_all
from scoring.progress import Quiet
from scoring.tasks import RUBRICS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target."""

    variant: Variant
    results: Results
    verdict: Verdict
    base: Results | None
    path: Path  # of the result file
    spent: Spent  # of all targets of the run together


@dataclass(frozen=True, slots=True)
class Ready:
    """A run that can begin: everything read and checked, nothing asked yet."""

    order: Order
    settings: Settings
    rules: Rules
    rules_file: Path | None
    golden: Golden
    columns: tuple[Column, ...]
    tasks: Mapping[str, tuple[Task, ...]]  # by variant
    base: Results | None
    base_variant: Variant | None
    anchor: Results | None
    repeat: int
    is_partial: bool
    environ: Mapping[str, str]
    left_out: int = 0  # conversations that no target here can run

    @property
    def plans(self) -> tuple[Plan, ...]:
        """What will be asked, and what it will cost."""
        pricer, now = prices(self.settings), datetime.now(UTC)
        found = []
        for column in self.columns:
            mine = self.tasks[column.variant.name]
            known = sum(any(one.get(task.variant, task.prepared, task.run) is not None for one in column.keeps) for task in mine)
            known = len(mine) if column.plain is not None else known
            found.append(plan(column.variant, mine, known, self.base, pricer, now))
        return tuple(found)

    @property
    def budget_usd(self) -> float | None:
        """Dollars that the run may cost."""
        return self.order.budget_usd if self.order.budget_usd is not None else self.settings.gate.budget_usd


def prepared(order: Order, environ: Mapping[str, str] = os.environ) -> Ready:
    """Reads and checks everything a run needs. Raises BadInput, BadCase, MissingBlob, ConfigError."""
    settings = load(order.config, environ)
    file = find_file(order.config, environ)
    home = file.parent if file is not None else Path()
    rules_file = order.rules or _local(home / "config" / "gate.toml")
    rules = load_rules(rules_file)
    golden = read(order.files)
    shown = columns(order, settings, home)
    base_path = order.baseline or (_local(golden.folder / FOLDER / CURRENT) if order.use_baseline else None)
    base = read_results(base_path) if base_path is not None and order.use_baseline else None
    kinds = {str(column.variant.target.kind) for column in shown}
    cases = [case for case in golden.cases if is_selected(case, kinds, with_candidates=order.with_candidates)]
    left_out = sum(is_selected(case, {"app"}, with_candidates=order.with_candidates) for case in golden.cases) - len(cases)
    if base is not None:
        base = only(base, frozenset(base.by_case) - {case.id for case in golden.cases if case.status == "retired"})
    if order.filter_failing is not None:
        wanted = failing(read_results(order.filter_failing))
        cases = [case for case in cases if case.id in wanted]
        base = None if base is None else only(base, frozenset(case.id for case in cases))
    if not cases:
        raise BadInput(_nothing(golden, order))
    repeat = order.repeat or (base.runs() if base is not None and base.rows else 1)
    if base is not None and base.rows and base.runs() != repeat:
        raise BadInput(
            f"{base.name} has {base.runs()} runs a case and --repeat asks for {repeat}: leave --repeat out, or make the baseline anew"
        )
    planned = {
        column.variant.name: tuple(
            tasks(
                column.variant,
                [
                    prepare(case, column.variant, golden.blobs)
                    for case in cases
                    if is_selected(case, {column.variant.target.kind}, with_candidates=True)
                ],
                repeat,
                rules,
            )
        )
        for column in shown
    }
    return Ready(
        order=order,
        settings=settings,
        rules=rules,
        rules_file=rules_file,
        golden=golden,
        columns=tuple(shown),
        tasks=planned,
        base=base if base is not None and base.rows else None,
        base_variant=_base_variant(order, settings, base, home),
        anchor=_anchor(order, rules, rules_file, golden),
        repeat=repeat,
        is_partial=order.filter_failing is not None,
        environ=environ,
        left_out=left_out,
    )


def run(ready: Ready, progress: Progress | None = None, *, today: date | None = None) -> list[Outcome]:
    """Asks, evaluates, decides and writes the result files. Raises BadInput; an outage is in the verdict, and never raised."""
    estimate = sum(one.cost_usd or 0.0 for one in ready.plans)
    if ready.budget_usd is not None and estimate > ready.budget_usd:
        raise BadInput(
            f"this run would cost about ${estimate:.2f}, and the budget is ${ready.budget_usd:g}: raise --budget, or run fewer cases"
        )
    return uvloop.run(_run(ready, progress or Quiet(), today or datetime.now(UTC).date()))


def run_gate(order: Order, *, progress: Progress | None = None, environ: Mapping[str, str] = os.environ) -> list[Outcome]:
    """One call for all of it: an outcome a target. Raises BadInput and the other errors of bad input, all with exit_code 2."""
    return run(prepared(order, environ), progress)


def exit_code(outcomes: list[Outcome]) -> int:
    """Of all outcomes together: 2, then 4, then 1, then 3."""
    codes = {outcome.verdict.exit_code for outcome in outcomes}
    return next((code for code in (2, 4, 1, 3) if code in codes), 0)


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
    settings, order = ready.settings, ready.order
    home = order.config.parent if order.config else Path()
    options = load_scoring(find_scoring(order.config))
    pricer = prices(settings)
    memory_file, is_recorded = _memory_file(ready)
    memory = judged(memory_file)
    said = {row.case: str(row.extra["output"]) for row in (ready.base.rows if ready.base else ()) if row.extra.get("output")}
    rubrics = load_all((home / "config" / "rubrics", RUBRICS))
    async with client.session(settings.gate.concurrency) as session:
        try:
            async with judging.opened(
                settings, options, pricer, rubrics=rubrics, baseline=said, memory=memory, environ=ready.environ, recorded=is_recorded
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
                    if memory and not is_recorded:
                        keep_judged(memory_file, memory)
        except judging.Down as error:
            raise BadInput(f"config/scoring.toml: {error}") from error


def _memory_file(ready: Ready) -> tuple[Path, bool]:
    """Where the judges' answers are kept, and whether they alone decide."""
    order = ready.order
    folder = order.recorded or next((column.folder for column in ready.columns if column.folder is not None), None)
    if folder is not None:
        return folder / JUDGES, True
    return (order.record or ready.settings.data_dir / "gate" / "cache") / JUDGES, False


async def _column(ready: Ready, column: Column, asking: Asking, today: date) -> Outcome:
    """One target: its rows, the verdict on them, the file."""
    started = datetime.now(UTC)
    variant = column.variant
    mine = ready.tasks[variant.name]
    asking.progress.begin(variant.name, len(mine))
    rows = await asking.rows(mine)
    path = _path(ready, variant, started)
    results = Results(tuple(rows), header(ready.settings, ready.golden, variant, started, is_partial=ready.is_partial), str(path))
    write(results, path)  # what was paid for is on disk before anything is decided
    state = judge_header(ready.settings, ready.rules, rows, asking.judges, calibration=ready.order.calibration, folder=ready.golden.folder)
    decision = await _decided(ready, column, asking, Results(results.rows, state(results.header), results.name), today)
    final = Results(decision.candidate.rows, state(decision.candidate.header, asking.spent), results.name)
    write(final, path)
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


def _local(file: Path) -> Path | None:
    return file if file.is_file() else None


def _nothing(golden: Golden, order: Order) -> str:
    if order.filter_failing is not None:
        return f"{order.filter_failing}: no case of this set failed there: there is nothing to run"
    count = sum(case.status == "candidate" for case in golden.cases)
    return f"none of the {len(golden.cases)} cases can be run ({count} are candidates): confirm some with `goldwash golden confirm`"


def _base_variant(order: Order, settings: Settings, base: Results | None, home: Path) -> Variant | None:
    if base is None:
        return None
    if order.base_target is not None:
        found: Variant | None = variants(settings.target, [order.base_target], (), home)[0]
    else:
        found = of_header(base.header.extra.get("target"), settings.target, base.name)
    return None if found is None else replace(found, name=f"{found.name} (baseline)")  # it may be the candidate's namesake


def _anchor(order: Order, rules: Rules, rules_file: Path | None, golden: Golden) -> Results | None:
    file = order.anchor
    if file is None and rules.anchor.file:
        file = (rules_file.parent if rules_file else Path()) / rules.anchor.file
    if file is None and order.use_baseline and order.baseline is None:
        file = _local(golden.folder / FOLDER / ANCHOR)
    return None if file is None else read_results(file)


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
