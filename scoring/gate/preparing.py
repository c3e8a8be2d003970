"""Reads and checks all that a run of the gate needs, before anything is asked: what cannot be asked is bad input, and costs nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from config.scoring import Judge
from config.settings import Settings, find_file, load
from proxy.exchange import Usage
from scoring import costs
from scoring.gate.baselines import ANCHOR, CURRENT, FOLDER
from scoring.gate.columns import Column, columns
from scoring.gate.golden_files import Golden, failing, only, read
from scoring.gate.headers import prices
from scoring.gate.instruments import instruments
from scoring.gate.judge_calls import Forecast
from scoring.gate.order import Order
from scoring.gate.planning import Plan, Task, is_selected, plan, tasks
from scoring.gate.reply import Reply
from scoring.gate.results import BadInput, Results
from scoring.gate.results import read as read_results
from scoring.gate.rules import Rules
from scoring.gate.rules import load as load_rules
from scoring.gate.standing import count
from scoring.gate.targets.requests import prepare
from scoring.gate.targets.variants import Variant, of_header, variants


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
    plans: tuple[Plan, ...] = ()  # what will be asked, and what it will cost

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
            f"{base.name} has {count(base.runs(), 'run')} a case and --repeat asks for {repeat}: "
            "leave --repeat out, or make the baseline anew"
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
    ready = Ready(
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
    return replace(ready, plans=_plans(ready))


def _plans(ready: Ready) -> tuple[Plan, ...]:
    """What will be asked, and what it will cost."""
    pricer, now = prices(ready.settings), datetime.now(UTC)
    base = ready.base

    def price(judge: Judge, usage: Usage) -> float | None:
        found = costs.price(ready.settings, judge, usage, pricer)
        return None if found is None else float(found)

    with_ = instruments(ready.order, ready.settings, ready.columns, base)
    found = []
    for column in ready.columns:
        mine, known, missing = ready.tasks[column.variant.name], 0, 0
        forecast = Forecast(with_, price, ready.golden.folders)
        for task in mine:
            reply = _known(column, task)
            known += reply is not None and reply.error is None
            missing += reply is not None and reply.error is not None
            forecast.add(task.prepared.case, reply)
        judges, unjudged = forecast.calls, forecast.unjudged
        found.append(plan(column.variant, mine, known, base, pricer, now, judges=judges, unjudged=unjudged, missing=missing))
    return tuple(found)


def _known(column: Column, task: Task) -> Reply | None:
    """The answer where it is there already."""
    if column.plain is not None:
        return column.plain.answer(task.variant, task.prepared.case.id, task.run)
    answers = (one.get(task.variant, task.prepared, task.run) for one in column.keeps)
    return next((answer for answer in answers if answer is not None), None)


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
