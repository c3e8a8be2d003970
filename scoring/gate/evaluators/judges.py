"""The judges of a gate run: whom a case may be graded by, what they answered already, and what an answer of theirs comes to.

A judge of a family that confirmed a case may not grade it. An answer is kept by the judge's fingerprint and the hash of the very request,
so that the same reply is never judged twice, and stored answers decide where no key is at hand. A judge that cannot be reached measures
nothing: its opinion is None, never failed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final, Protocol

from config.scoring import Judge, Scoring
from config.settings import Settings
from proxy.accounting.pricing import Pricer
from scoring import verdicts
from scoring.judge import client, wire
from scoring.judge.client import Client, Down, Unanswered
from scoring.judge.decision import Verdict
from scoring.judge.fingerprint import fingerprint
from scoring.judge.material import MOST
from scoring.judge.prompt import Question
from scoring.judge.rubric import Item, Rubric
from scoring.verdicts import Answer

SEED: Final = "goldwash-gate"
"""From it, the case and the judged text come fence and seal: the same reply is asked about in the same words."""
REFERENCE: Final = Rubric(
    name="golden_reference",
    version="1",
    owner="goldwash",
    about="The evidence holds an answer and, labelled expected, an answer that a person found right. Other words are no fault.",
    item=(
        Item(
            id="says_it",
            question="Does the answer say everything that matters in the expected answer, in whatever words?",
            quote="never",
        ),
        Item(
            id="contradicts",
            question="Does the answer contradict the expected answer in any fact, number, name, decision or instruction?",
            good="no",
            quote="on_fail",
        ),
    ),
)
"""How free text is held to a case's `expected.text`."""


class Asker(Protocol):
    """A judge that can be asked; `scoring.judge.client.Client` is one."""

    judge: Judge

    async def ask(self, question: Question, about: str) -> client.Reply:
        """The answer. Raises Unanswered, Down."""


class Offline:
    """A judge that is not asked: stored answers decide, and what is not among them is not measured."""

    def __init__(self, judge: Judge, why: str | None = None) -> None:
        self.judge, self._why = judge, why

    async def ask(self, question: Question, about: str) -> client.Reply:
        """Raises Down."""
        raise Down(
            self._why or f"the stored answers hold no verdict of {self.judge.model} on this reply: a run with the judge's key is needed"
        )


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one judge says of one question about one reply."""

    verdict: Verdict
    family: str
    fingerprint: str
    cost_usd: float | None  # of the call; 0 where the answer was known, None where no price is
    response_model: str | None = None


@dataclass(frozen=True, slots=True)
class Judges:
    """All that grading by judges needs. One event loop."""

    first: Asker
    second: Asker | None = None  # of another family: confirms a failure of a critical case, and stands in where the first may not grade
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)
    most_characters: int = MOST
    baseline: Mapping[str, str] = field(default_factory=dict)  # case → what the baseline answered, for pairs
    memory: MutableMapping[str, dict[str, Any]] = field(default_factory=dict)  # what judges answered already: JSON values by `key`

    @property
    def name(self) -> str:
        """The first judge for the header of a result file: model and what it is asked with; another of these is another instrument."""
        return f"{self.first.judge.model} {fingerprint(self.first.judge, REFERENCE, self.most_characters).id}"

    def may_grade(self, confirmed_by: frozenset[str]) -> tuple[Asker, ...]:
        """The judges that may grade a case that judges of these families confirmed, the first one first."""
        return tuple(one for one in (self.first, self.second) if one is not None and family(one.judge) not in confirmed_by)

    def silent(self, why: str) -> Judges:
        """The same judges, none of whom is asked any more; what they answered already still counts."""
        return replace(self, first=Offline(self.first.judge, why), second=self.second and Offline(self.second.judge, why))

    async def opinion(self, asker: Asker, rubric: Rubric, posed: Question, about: str) -> Opinion:
        """One judge's opinion, from memory or asked for. Raises Unanswered, Down."""
        mark = fingerprint(asker.judge, rubric, self.most_characters).id
        place = key(asker.judge, mark, posed)
        kept = self.memory.get(place)
        cost: float | None = 0.0
        if kept is not None:
            answer = Answer(kept.get("text"), None, kept.get("response_model"), None, None)
        else:
            reply = await asker.ask(posed, about)
            answer = verdicts.answered(reply)
            cost = None if reply.cost_usd is None else float(reply.cost_usd)
            if answer.fault is None:  # what must not be believed is asked again next time
                self.memory[place] = {"text": answer.text, "response_model": answer.response_model, "judge": asker.judge.model}
        return Opinion(verdicts.of(answer, posed), family(asker.judge), mark, cost, answer.response_model)


def family(judge: Judge) -> str:
    """Who trained it; its model where that is not known."""
    return judge.of_family or judge.model


def key(judge: Judge, mark: str, posed: Question) -> str:
    """Where an answer is kept: the fingerprint, and the hash of the request."""
    return f"{mark}:{sha256(wire.body(judge, posed)).hexdigest()[:32]}"


@asynccontextmanager
async def opened(
    settings: Settings,
    options: Scoring,
    pricer: Pricer,
    *,
    rubrics: Mapping[str, Rubric],
    baseline: Mapping[str, str] | None = None,
    memory: MutableMapping[str, dict[str, Any]] | None = None,
    environ: Mapping[str, str] = os.environ,
    recorded: bool = False,
) -> AsyncIterator[Judges | None]:
    """The configured judges for the length of a run; None where config/scoring.toml names none. Raises Down where an upstream is unknown.

    recorded: ask nobody; `memory` alone decides.
    """
    if options.judge is None:
        yield None
        return
    kept: MutableMapping[str, dict[str, Any]] = {} if memory is None else memory
    async with client.session(options.concurrency) as session:

        def asker(judge: Judge) -> Asker:
            if recorded:
                return Offline(judge)
            return Client(session, judge, settings, pricer, environ, attempts=options.attempts)

        second = asker(options.second_judge) if options.second_judge else None
        yield Judges(asker(options.judge), second, rubrics, options.most_characters, baseline or {}, kept)


__all__ = ["REFERENCE", "SEED", "Asker", "Down", "Judges", "Offline", "Opinion", "Unanswered", "family", "key", "opened"]
