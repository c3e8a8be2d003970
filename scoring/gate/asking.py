"""Asks targets and evaluators, many cases at once: answers from cache or store first, each kept the moment it comes, none paid twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from config.settings import Settings
from proxy.accounting.pricing import Pricer
from scoring.checks.options import BadOptions
from scoring.gate.answers import Keeps, PlainFile
from scoring.gate.evaluators import evaluate
from scoring.gate.evaluators.judges import Judges
from scoring.gate.golden_files import Golden
from scoring.gate.order import Progress
from scoring.gate.planning import Task
from scoring.gate.reply import Reply
from scoring.gate.results import BadInput, Result
from scoring.gate.rows import row
from scoring.gate.targets.endpoint import Endpoint
from scoring.gate.targets.program import App, Command
from scoring.gate.targets.requests import Prepared
from scoring.gate.targets.variants import Variant
from scoring.progress import Quiet


class Asks(Protocol):
    """One variant that can be asked."""

    async def ask(self, prepared: Prepared, run: int) -> Reply:
        """One run of one case; where nothing came, the reply's error says why."""


class FromFile:
    """A variant of kind recorded: a user's own file of answers."""

    def __init__(self, variant: Variant, file: PlainFile) -> None:
        self._variant, self._file = variant, file

    async def ask(self, prepared: Prepared, run: int) -> Reply:
        """The answer in the file."""
        return self._file.answer(self._variant, prepared.case.id, run)


@dataclass(slots=True)
class Spent:
    """What was asked and paid for one target."""

    asked: int = 0
    known: int = 0
    unanswered: int = 0
    target_usd: float = 0.0
    judge_usd: float = 0.0
    unpriced: int = 0  # calls to the target
    unpriced_judging: int = 0  # answers that were judged at a price that is not known

    @property
    def usd(self) -> float:
        """Dollars, targets and judges."""
        return self.target_usd + self.judge_usd


@dataclass(slots=True)
class Asking:
    """Everything a run asks with. One event loop."""

    session: aiohttp.ClientSession
    settings: Settings
    pricer: Pricer
    golden: Golden
    judges: Judges | None
    keeps: Mapping[str, Sequence[Keeps]]  # variant -> where its answers are kept
    concurrency: int
    attempts: int
    budget_usd: float | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    progress: Progress = field(default_factory=Quiet)
    plain: Mapping[str, PlainFile] = field(default_factory=dict)  # variant -> its file of answers
    spent: Spent = field(default_factory=Spent)  # on the target at hand
    before_usd: float = 0.0  # on the targets before it
    _asks: dict[str, Asks] = field(default_factory=dict)

    async def rows(self, tasks: Sequence[Task], progress: Progress | None = None) -> list[Result]:
        """A row a task, in their order. Raises BadInput."""
        shown = progress or self.progress
        found: list[Result | None] = [None] * len(tasks)
        coming = iter(enumerate(tasks))

        async def work() -> None:
            for place, task in coming:
                found[place] = await self.row(task)
                shown.advance()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.concurrency, len(tasks))):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
            if isinstance(first, BadOptions):
                raise BadInput(f"a check of a case cannot be run: {first}: correct it in the golden file") from first
            raise first from errors
        return [one for one in found if one is not None]

    async def row(self, task: Task) -> Result:
        """One run of one case, asked and evaluated."""
        reply = await self._reply(task)
        found = None
        if reply.error is None:
            folder = self.golden.folders[task.prepared.case.id]
            broke = self._broke()
            judges = self.judges.silent(broke) if self.judges is not None and broke is not None else self.judges
            found = await evaluate(task.prepared.case, reply, judges, directory=folder)
            self.spent.judge_usd += found.cost_usd or 0.0
            self.spent.unpriced_judging += found.cost_usd is None
        return row(task.prepared.case, task.run, reply, found, task.prepared.of_run(task.run), confirming=task.confirming)

    async def _reply(self, task: Task) -> Reply:
        variant, prepared, run = task.variant, task.prepared, task.run
        kept = self.keeps.get(variant.name, ())
        for keeps in kept:
            reply = keeps.get(variant, prepared, run)
            if reply is not None:
                self.spent.known += reply.error is None
                self.spent.unanswered += reply.error is not None
                break
        else:
            reply = await self._asked(task)
        for keeps in kept:
            keeps.put(variant, prepared, run, reply)
        return reply

    async def _asked(self, task: Task) -> Reply:
        broke = self._broke()
        if broke is not None:
            self.spent.unanswered += 1
            return Reply(error=broke)
        reply = await self._asker(task.variant).ask(task.prepared, task.run)
        if reply.error is not None:
            self.spent.unanswered += 1
            return reply
        self.spent.asked += 1
        self.spent.target_usd += reply.cost_usd or 0.0
        self.spent.unpriced += reply.cost_usd is None
        return reply

    def _broke(self) -> str | None:
        """Why nobody is asked any more; None while there is money, or no budget."""
        if self.budget_usd is None or self.before_usd + self.spent.usd < self.budget_usd:
            return None
        return f"the budget of ${self.budget_usd:g} is spent: raise --budget, or run fewer cases"

    def _asker(self, variant: Variant) -> Asks:
        if variant.name not in self._asks:
            self._asks[variant.name] = self._made(variant)
        return self._asks[variant.name]

    def _made(self, variant: Variant) -> Asks:
        if variant.name in self.plain:
            return FromFile(variant, self.plain[variant.name])
        if variant.target.kind == "command":
            return Command(variant, self.pricer, self.environ, attempts=self.attempts)
        if variant.target.kind == "app":
            return App(self.session, variant, self.pricer, attempts=self.attempts)
        return Endpoint(self.session, variant, self.settings, self.pricer, self.environ, attempts=self.attempts)
