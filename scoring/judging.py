"""Takes the sampled items to the judges: many calls at once, each answer written the moment it comes, none paid twice.

An answer in the log is found again by the judge's fingerprint and the hash of the very request; its grades are read from its words anew,
so that whatever was killed between two writes comes out the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Final, NamedTuple

import uvloop

from config.scoring import Judge, Scoring
from config.settings import ConfigError, Settings
from proxy.accounting.pricing import Pricer
from proxy.service.client import Access
from scoring import verdicts
from scoring.judge import client as judges
from scoring.judge import wire
from scoring.judge.client import Client, Down, Unanswered
from scoring.judge.decision import Decision, Verdict, decide, needs_second
from scoring.judge.fingerprint import fingerprint
from scoring.judge.material import Material, of_trace
from scoring.judge.prompt import Question, question
from scoring.judge.rubric import Rubric
from scoring.outbox import Outbox
from scoring.pages import Window, by_id, of_traces
from scoring.population import Item
from scoring.sampling import Drawn
from scoring.verdicts import ANCHOR, JUDGE, SECOND, About, Answer

PAGE: Final = 500
PAGE_BYTES: Final = 16 << 20
"""Items, and bytes of their bodies, that are read at once."""
AHEAD: Final = 2
"""Pages that are read while one is judged: the log lets its loading go first, so that a page may take a second."""
SKIPPED_BUDGET: Final = "the budget is spent"


class Task(NamedTuple):
    """One item on its way to the judges."""

    item: Item
    drawn: Drawn
    label_probability: float
    rubric: Rubric | None  # None: there is nothing to ask


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item."""

    task: Task
    state: str  # scored | unscored | failed | skipped
    why: str | None = None
    decision: Decision | None = None
    first: Verdict | None = None
    second: Verdict | None = None
    fingerprint: str | None = None
    second_fingerprint: str | None = None
    score_id: str | None = None  # the row of the first judge's verdict
    calls: int = 0  # answered in this run
    cost_usd: Decimal | None = None  # of those


@dataclass(slots=True)
class Bench:
    """The judges of a run, and what they cost so far."""

    first: Client
    second: Client | None
    options: Scoring
    budget: Decimal | None
    mean: Decimal = Decimal(0)  # dollars a call, as planned until calls are known
    in_flight: int = 0
    skipped: bool = False
    marks: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @property
    def spent(self) -> Decimal:
        """Dollars."""
        return self.first.health.cost_usd + (self.second.health.cost_usd if self.second else 0)

    def affords(self) -> bool:
        """Whether one more call stays within the budget, with those under way."""
        if self.budget is None:
            return True
        calls = self.first.health.calls + (self.second.health.calls if self.second else 0)
        mean = self.spent / calls if calls else self.mean
        return self.spent + mean * (self.in_flight + 1) <= self.budget

    def mark(self, judge: Judge, rubric: Rubric) -> str:
        """The fingerprint of a judge with a rubric."""
        key = (judge.upstream, judge.model, rubric.name)
        if key not in self.marks:
            self.marks[key] = fingerprint(judge, rubric, self.options.most_characters).id
        return self.marks[key]


def run(
    settings: Settings,
    options: Scoring,
    span: Window,
    tasks: Sequence[Task],
    access: Access,
    outbox: Outbox,
    pricer: Pricer,
    done: Callable[[Outcome], None],
    *,
    environ: Mapping[str, str],
    run_id: str,
    mean: Decimal = Decimal(0),
    reading: str = "",
    read_as: str = ANCHOR,
) -> Bench:
    """Judge items in their order; `done` hears of each. Raises ConfigError, ServiceError, SpoolFull; never for what a judge does.

    reading: the items are anchors, asked again on this day whatever the log holds, by the first judge alone.
    read_as: `kind` of what it says of them; another where the options name the second judge as the first.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, options, span, tasks, access, outbox, pricer, done, environ, run_id, mean, reading, read_as))


async def _run(
    settings: Settings,
    options: Scoring,
    span: Window,
    tasks: Sequence[Task],
    access: Access,
    outbox: Outbox,
    pricer: Pricer,
    done: Callable[[Outcome], None],
    environ: Mapping[str, str],
    run_id: str,
    mean: Decimal,
    reading: str,
    read_as: str,
) -> Bench:
    assert options.judge is not None
    async with judges.session(options.concurrency) as session:
        tries = options.attempts
        try:
            first = Client(session, options.judge, settings, pricer, environ, attempts=tries)
            second = Client(session, options.second_judge, settings, pricer, environ, attempts=tries) if options.second_judge else None
        except Down as error:
            raise ConfigError(f"config/scoring.toml: {error}") from error
        bench = Bench(first, second, options, None if options.budget_usd is None else Decimal(str(options.budget_usd)), mean)
        room = _Room(bench, outbox, options.sampling.seed, run_id, reading, read_as)
        queue: asyncio.Queue[_Ready | None] = asyncio.Queue(2 * options.concurrency)
        try:
            async with asyncio.TaskGroup() as group:  # a worker that dies takes all with it: nobody waits for what never comes
                for _ in range(options.concurrency):
                    group.create_task(_work(room, queue, done))
                async for page in _pages(access, span, tasks, options.most_characters):
                    for ready in page:
                        await queue.put(ready)
                for _ in range(options.concurrency):
                    await queue.put(None)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return bench


class _Ready(NamedTuple):
    """An item with all that was read of it."""

    task: Task
    material: Material | None  # None: it is gone
    override: tuple[str, str] | None
    stored: Mapping[tuple[str, str], Answer]  # by fingerprint and request hash


@dataclass(frozen=True, slots=True)
class _Room:
    bench: Bench
    outbox: Outbox
    seed: str
    run_id: str
    reading: str
    read_as: str


async def _work(room: _Room, queue: asyncio.Queue[_Ready | None], done: Callable[[Outcome], None]) -> None:
    while (ready := await queue.get()) is not None:
        done(await _judged(room, ready))


async def _judged(room: _Room, ready: _Ready) -> Outcome:
    """One item before one judge or two."""
    bench, task = room.bench, ready.task
    assert task.rubric is not None
    if ready.material is None:
        return Outcome(task, "skipped", "its bodies are not in the log")
    asked = task.rubric.asked(ready.material.has)
    if not any(item.critical for item in asked):
        return Outcome(task, "skipped", f"no question of the rubric {task.rubric.name} applies to it")
    posed = question(task.rubric, asked, ready.material, task.item.item, room.seed)
    opinions: list[_Opinion] = []
    try:
        opinions.append(await _opinion(room, bench.first, ready, posed, room.read_as if room.reading else JUDGE))
        if room.reading:
            verdict = opinions[0].verdict
            return _outcome(task, "unscored" if verdict.passed is None else "scored", verdict.unscored, opinions)
        if bench.second is not None and needs_second(opinions[0].verdict, bench.options.low_confidence):
            opinions.append(await _opinion(room, bench.second, ready, posed, SECOND))
    except _TooDear:
        return _outcome(task, "skipped", SKIPPED_BUDGET, opinions)
    except (Unanswered, Down) as error:
        which = "the second judge: " if opinions else ""
        return _outcome(task, "failed", f"{which}{error}", opinions)
    second = opinions[1].verdict if len(opinions) > 1 else None
    decision = decide(opinions[0].verdict, second, ready.override)
    return _outcome(task, decision.state, decision.why, opinions, decision)


class _TooDear(Exception):
    """No money is left for the call."""


class _Opinion(NamedTuple):
    """A judge's verdict with its row in the log."""

    verdict: Verdict
    fingerprint: str
    score_id: str
    calls: int
    cost_usd: Decimal | None


def _outcome(task: Task, state: str, why: str | None, opinions: list[_Opinion], decision: Decision | None = None) -> Outcome:
    costs = [opinion.cost_usd for opinion in opinions if opinion.calls]
    return Outcome(
        task,
        state,
        why,
        decision,
        opinions[0].verdict if opinions else None,
        opinions[1].verdict if len(opinions) > 1 else None,
        opinions[0].fingerprint if opinions else None,
        opinions[1].fingerprint if len(opinions) > 1 else None,
        opinions[0].score_id if opinions else None,
        sum(opinion.calls for opinion in opinions),
        None if not costs or any(cost is None for cost in costs) else sum((cost for cost in costs if cost is not None), Decimal(0)),
    )


async def _opinion(room: _Room, client: Client, ready: _Ready, posed: Question, role: str) -> _Opinion:
    """One judge's verdict: found in the log, or asked for and written."""
    task, bench = ready.task, room.bench
    assert task.rubric is not None
    mark = bench.mark(client.judge, task.rubric)
    request_hash = sha256(wire.body(client.judge, posed)).hexdigest()[:32]
    about = About(task.item, task.drawn, task.rubric, client.judge, role, mark, request_hash, room.run_id, room.reading)
    answer = ready.stored.get((mark, request_hash)) if not room.reading else None
    reply = None
    if answer is None:
        reply = await _asked(bench, client, posed, task.item.exchange_id)
        answer = verdicts.answered(reply)
    verdict = verdicts.of(answer, posed)
    score_id = verdicts.write(room.outbox, about, verdict, answer, reply)
    return _Opinion(verdict, mark, score_id, int(reply is not None), reply.cost_usd if reply is not None else None)


async def _asked(bench: Bench, client: Client, posed: Question, about: str) -> judges.Reply:
    if not bench.affords():
        bench.skipped = True
        raise _TooDear
    bench.in_flight += 1
    try:
        return await client.ask(posed, about)
    finally:
        bench.in_flight -= 1


async def _pages(access: Access, span: Window, tasks: Sequence[Task], most_characters: int) -> AsyncIterator[list[_Ready]]:
    """Items with their material, some pages ahead of the judging."""
    coming: deque[asyncio.Future[list[_Ready]]] = deque()
    for page in _cut(tasks):
        coming.append(asyncio.ensure_future(asyncio.to_thread(_prepared, access, span, page, most_characters)))
        if len(coming) == AHEAD:
            yield await coming.popleft()
    while coming:
        yield await coming.popleft()


def _cut(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Pages of so many items or bytes."""
    page: list[Task] = []
    size = 0
    for task in tasks:
        if page and (len(page) == PAGE or size + task.item.bytes > PAGE_BYTES):
            yield page
            page, size = [], 0
        page.append(task)
        size += task.item.bytes
    if page:
        yield page


def _prepared(access: Access, span: Window, tasks: Sequence[Task], most_characters: int) -> list[_Ready]:
    """Read a page of items: the exchanges, the checks that no judge overrules, and the answers that are there already."""
    alone = by_id(access, [task.item.exchange_id for task in tasks if task.item.trace_id is None])
    traced = [task.item.trace_id for task in tasks if task.item.trace_id is not None]
    steps = of_traces(access, Window(span.start, span.end + (span.end - span.start)), traced) if traced else {}
    of_item = {
        task.item.item: steps.get(task.item.trace_id, []) if task.item.trace_id else [alone[task.item.exchange_id]]
        for task in tasks
        if task.item.trace_id is not None or task.item.exchange_id in alone
    }
    said = verdicts.known(access, [step.exchange_id for found in of_item.values() for step in found])
    ready = []
    for task in tasks:
        found = of_item.get(task.item.item, [])
        whole = bool(found) and any(step.request_body is not None for step in found)
        overrides = [one for step in found if step.exchange_id in said for one in said[step.exchange_id].overrides.items()]
        here = said.get(task.item.exchange_id)
        material = of_trace(found, most_characters) if whole else None
        ready.append(_Ready(task, material, overrides[0] if overrides else None, here.answers if here is not None else {}))
    return ready
