"""The night, one function a stage: check everything, draw a sample, judge it, flag what failed. Each stage can be run again at any moment.

Nothing here remembers: what is done is asked of the log, and whatever a stage finds is spooled as it is found. So a run that is killed
anywhere is finished by the next one, and a run over a finished day writes nothing and pays nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from config.scoring import Judge, Scoring
from config.settings import ConfigError
from proxy.exchange import Usage
from proxy.service.client import Access
from proxy.service.opinions import uuid7
from scoring import anchors, checking, costs, flagging, judging
from scoring.judge.fingerprint import fingerprint
from scoring.judge.rubric import Rubric
from scoring.judging import Bench, Outcome, Task
from scoring.ledger import FAILED, SKIPPED, Ledger
from scoring.outbox import Outbox
from scoring.pages import rows, windows
from scoring.population import Item, Population
from scoring.run import Night, Summary, alone
from scoring.sampling import Audit, Design, Drawn, TooFew, audit, design, draw
from scoring.verdicts import ANCHOR, SECOND_ANCHOR

NEAR_DUPLICATE: Final = "near_duplicate"
CHUNK: Final = 50
"""Items that are put in order of time together, where a budget may end the judging in their midst."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was drawn of a day."""

    plan: Design
    tasks: tuple[Task, ...]  # in the order of judging
    audit: Audit


def night(with_: Night) -> Summary:
    """All stages. Raises Busy, ConfigError, BadRubric, LogError, NoLog, ServiceError, SpoolFull."""
    summary = Summary(with_.day, with_.run_id)
    with alone(with_.settings.data_dir), Outbox(with_.settings) as outbox:
        outbox.deliver()  # what an earlier run left in the spool
        check(with_, outbox, summary)
        sampled = sample(with_, summary)
        judge(with_, sampled, outbox, summary)
        if not with_.growing:
            judge_anchors(with_, outbox, summary)
            flag(with_, sampled, outbox, summary)
        close(with_, outbox, summary)
    return summary


def check(with_: Night, outbox: Outbox, summary: Summary) -> None:
    """Run the checks on all that has not been checked, and compare the day's answers with each other."""
    with Access(with_.settings) as access:
        whole = windows(access, with_.span, checking.CHECKED, {})
        pages = checking.pending(access, with_.span, with_.tasks)
        summary.exchanges = sum(n for _, n in whole)
        compared = _compared(access, with_, summary.exchanges)
    if with_.growing or (compared and pages):
        sketched, todo, only_pending = 0.0, pages, True
    elif compared:
        return
    else:
        sketched = min(1.0, checking.MOST_SKETCHES / max(1, summary.exchanges))
        untouched = sum(n for _, n in pages) == summary.exchanges
        todo, only_pending = (pages, True) if untouched else (whole, False)
    with_.progress.begin("checking", sum(n for _, n in todo))
    tally = checking.check_all(
        with_.settings,
        with_.tasks,
        todo,
        outbox,
        with_.progress.advance,
        run_id=with_.run_id,
        seed=with_.options.sampling.seed,
        sketched=sketched,
        only_pending=only_pending,
        workers=with_.options.workers,
    )
    summary.checked, summary.failed_checks = tally.checked, tally.failed
    if sketched:
        summary.near_duplicates = checking.duplicates(with_.tasks, tally, outbox, with_.run_id)
        stage = {"stage": NEAR_DUPLICATE, "state": "done", "n_population": summary.exchanges, "fingerprint": with_.checks}
        outbox.add("judge_runs", {**stage, "run_id": with_.run_id, "day": with_.day.isoformat()}, uuid7())
    outbox.deliver()


def sample(with_: Night, summary: Summary | None = None, *, checked_only: bool = True) -> Sample:
    """Draw the day's items. checked_only: False = also what has not been checked yet, for a plan."""
    with Access(with_.settings) as access:
        people = Population(access, with_.span, with_.tasks, with_.checks, with_.options.sampling, checked_only=checked_only)
        plan = design(people.sizes(), with_.options.sampling, floors=not with_.growing)
        try:
            items, chosen = _chosen(people, plan)
        except TooFew:  # so unlikely that it is simply done without floors' short cut
            plan = Design(plan.seed, plan.rate, plan.sizes, dict.fromkeys(plan.sizes, 1.0), plan.fixed)
            items, chosen = _chosen(people, plan)
    looked_at = audit(chosen, with_.options.audit_per_day, plan)
    tasks = tuple(Task(items[one.item], one, looked_at.probability(one), _rubric(with_, items[one.item])) for one in chosen)
    if summary is not None:
        summary.drawn = len(tasks)
    return Sample(plan, tasks, looked_at)


def judge(with_: Night, sampled: Sample, outbox: Outbox, summary: Summary) -> None:
    """Take to the judges what the ledger does not hold yet, and write what becomes of each item."""
    with Access(with_.settings) as access:
        ledger = Ledger(access, with_.day)
        if not with_.growing:
            ledger.drop(outbox, with_.run_id, (task.item.item for task in sampled.tasks))
        todo = [task for task in sampled.tasks if not _settled(with_, ledger, outbox, task)]
        asked = [task for task in todo if task.rubric is not None] if with_.options.judge is not None else []
        for task in todo:
            if task.rubric is None or with_.options.judge is None:
                why = f"the task {task.item.task} has no rubric" if task.rubric is None else "no judge is configured"
                ledger.record(outbox, with_.run_id, Outcome(task, SKIPPED, why))
        asked = _in_time(asked, with_.options.budget_usd is not None)
        with_.progress.begin("judging", len(asked))

        def done(outcome: Outcome) -> None:
            ledger.record(outbox, with_.run_id, outcome)
            summary.judged += 1
            if outcome.state in (FAILED, SKIPPED):
                why = (outcome.why or "")[:160]
                summary.why[why] = summary.why.get(why, 0) + 1
            with_.progress.advance(1)

        if asked:
            _said_of(
                judging.run(
                    with_.settings,
                    _affordable(with_, access),
                    with_.span,
                    asked,
                    access,
                    outbox,
                    costs.pricer(with_.settings),
                    done,
                    environ=with_.environ,
                    run_id=with_.run_id,
                    mean=costs.expected(with_.settings, with_.options, with_.options.judge, asked) or Decimal(0),
                ),
                summary,
            )
        summary.states = ledger.counts()
    outbox.deliver()


def judge_anchors(with_: Night, outbox: Outbox, summary: Summary) -> None:
    """Ask each judge again about the anchors that are due, so that `calibrate` sees whether it is still the same."""
    first, second = with_.options.judge, with_.options.second_judge
    if first is not None and (summary.judge is None or not summary.judge.down):
        summary.anchors = _read_again(with_, outbox, summary, first, ANCHOR)
    if second is not None and (summary.second_judge is None or not summary.second_judge.down):
        summary.second_anchors = _read_again(with_, outbox, summary, second, SECOND_ANCHOR)


def _read_again(with_: Night, outbox: Outbox, summary: Summary, of: Judge, read_as: str) -> int:
    """One judge, asked about its anchors as the only one there is; how many it read."""
    read = 0
    with Access(with_.settings) as access:
        asked, span = anchors.due(access, with_.options, of, rubrics_of(with_), with_.day)
        if not asked:
            return 0
        options = _affordable(with_, access).model_copy(update={"judge": of, "second_judge": None})
        with_.progress.begin("anchors", len(asked))

        def done(outcome: Outcome) -> None:
            nonlocal read
            read += outcome.state in ("scored", "unscored")
            with_.progress.advance(1)

        bench = judging.run(
            with_.settings,
            options,
            span,
            sorted(asked, key=lambda task: task.item.exchange_id),
            access,
            outbox,
            costs.pricer(with_.settings),
            done,
            environ=with_.environ,
            run_id=with_.run_id,
            mean=costs.expected(with_.settings, with_.options, of, asked) or Decimal(0),
            reading=with_.day.isoformat(),
            read_as=read_as,
        )
        summary.calls += bench.first.health.calls
        summary.cost_usd += bench.first.health.cost_usd
        summary.unpriced += bench.first.health.unpriced
    outbox.deliver()  # before the budget is looked at again: what was spent is read from the log
    return read


def flag(with_: Night, sampled: Sample, outbox: Outbox, summary: Summary) -> None:
    """Put what failed, what is in doubt and what users complained of before people, grouped and named."""
    with_.progress.begin("flagging", 1)
    with Access(with_.settings) as access:
        summary.flags = flagging.flag(access, outbox, with_.day, with_.tasks, with_.options, sampled.audit.items, with_.run_id)
    with_.progress.advance(1)
    outbox.deliver()


def close(with_: Night, outbox: Outbox, summary: Summary) -> None:
    """Say in the log what this run did, where it did anything."""
    if not (summary.checked or summary.judged or summary.anchors or summary.second_anchors or summary.flags or outbox.count):
        return
    state = "growing" if with_.growing else "done" if summary.complete else "incomplete"
    content = {
        "run_id": with_.run_id,
        "day": with_.day.isoformat(),
        "state": state,
        "stage": "night",
        "fingerprint": with_.checks,
        "n_population": summary.exchanges,
        "n_sampled": summary.drawn,
        "n_scored": summary.states.get("scored", 0) + summary.states.get("unscored", 0),
        "n_failed": summary.states.get(FAILED, 0),
        "n_skipped": summary.states.get(SKIPPED, 0),
        "cost_usd": str(summary.cost_usd),
        "content": summary.as_json(),
        "seed_text": with_.options.sampling.seed,
        "ended_at": datetime.now(UTC).isoformat(),
    }
    outbox.add("judge_runs", content, uuid7())
    outbox.deliver()


def _chosen(people: Population, plan: Design) -> tuple[dict[str, Item], list[Drawn]]:
    items = {item.item: item for item in people.candidates(plan)}
    chosen = draw(plan, (item.candidate for item in items.values()))
    return {one.item: items[one.item] for one in chosen}, chosen


def rubrics_of(with_: Night) -> dict[str, Rubric]:
    """The rubrics that tasks use, by name."""
    return {name: with_.rubrics[name] for name in sorted(with_.tasks.rubrics) if name in with_.rubrics}


def _rubric(with_: Night, item: Item) -> Rubric | None:
    name = next((task.rubric for task in with_.tasks.tasks if task.name == item.task), None)
    return with_.rubrics.get(name) if name is not None else None


def is_judged(with_: Night, ledger: Ledger, task: Task) -> bool:
    """Whether the ledger holds the verdict of these very judges on an item."""
    entry, first = ledger.entries.get(task.item.item), with_.options.judge
    if entry is None or first is None or task.rubric is None:
        return False
    second, most = with_.options.second_judge, with_.options.most_characters
    marks = fingerprint(first, task.rubric, most), fingerprint(second, task.rubric, most) if second else None
    return entry.is_done(task, *marks, with_.options.low_confidence)


def _settled(with_: Night, ledger: Ledger, outbox: Outbox, task: Task) -> bool:
    """Whether an item needs no judge any more; how it was drawn is brought up to date."""
    if not is_judged(with_, ledger, task):
        return False
    ledger.keep(outbox, with_.run_id, task)
    return True


def _in_time(asked: list[Task], budget: bool) -> list[Task]:
    """In order of time, which the log reads fastest; with a budget in parts of the random order, so that what it leaves out is random."""
    part = max(CHUNK, len(asked) // 20) if budget else max(1, len(asked))
    found: list[Task] = []
    for start in range(0, len(asked), part):
        found += sorted(asked[start : start + part], key=lambda task: task.item.exchange_id)
    return found


def _affordable(with_: Night, access: Access) -> Scoring:
    """The options with what earlier runs of the day have left of the budget. Raises ConfigError where it could not be kept."""
    budget = with_.options.budget_usd
    if budget is None:
        return with_.options
    for of in (with_.options.judge, with_.options.second_judge):
        if of is not None and costs.price(with_.settings, of, Usage(input_tokens=1000, output_tokens=100)) is None:
            raise ConfigError(
                f"budget_usd = {budget:g} cannot be kept: the price of {of.model} at {of.upstream} is not known; "
                "add it to the file that [prices] file names, or leave the budget out"
            )
    spent = rows(
        access,
        "SELECT CAST(coalesce(sum(cost_usd), 0) AS DOUBLE) AS usd FROM score_items WHERE day = CAST($day AS DATE)",
        {"day": with_.day.isoformat()},
    )[0]["usd"]
    spent += anchors.spent(access, with_.day)
    return with_.options.model_copy(update={"budget_usd": max(0.0, budget - spent)})


def _said_of(bench: Bench, summary: Summary) -> None:
    summary.judge = bench.first.health
    summary.second_judge = bench.second.health if bench.second else None
    for health in (summary.judge, summary.second_judge):
        if health is not None:
            summary.calls += health.calls
            summary.cost_usd += health.cost_usd
            summary.unpriced += health.unpriced


def _compared(access: Access, with_: Night, exchanges: int) -> bool:
    """Whether the answers of just these exchanges were compared with each other already."""
    found = rows(
        access,
        "SELECT count(*) AS n FROM judge_runs "
        "WHERE stage = $stage AND day = CAST($day AS DATE) AND n_population = $n AND fingerprint = $checks",
        {"stage": NEAR_DUPLICATE, "day": with_.day.isoformat(), "n": exchanges, "checks": with_.checks},
    )
    return bool(found[0]["n"])
