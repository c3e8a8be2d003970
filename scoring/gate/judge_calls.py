"""How often a run will ask its judges, and what that costs: the evaluators put their questions to judges who only note them. Pure.

Where a reply is known, its very questions are posed, and those that the judges answered already cost nothing. Where it is not, what
production answered stands in for it, or a text of usual length. Replies that code alone will fail are not told from others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from config.scoring import Judge, Scoring
from proxy.accounting.tokens import count_tokens
from proxy.exchange import Reading, Usage
from scoring.costs import ANSWER_TOKENS
from scoring.gate.evaluators import JUDGED, SHELF, exchange_of, pairwise
from scoring.gate.evaluators.contract import Found, Subject
from scoring.gate.evaluators.judges import Judges
from scoring.gate.instruments import Instruments
from scoring.gate.reply import Reply
from scoring.golden.case import GoldenCase, Observed
from scoring.judge.client import Reply as JudgeReply
from scoring.judge.prompt import Question

OUTPUT_TOKENS: Final = 300
"""Of an answer, where neither the baseline nor production shows one."""
STANDS_IN: Final = "\n(in the place of the answer to come)"
"""Behind production's words, so that the answer to come is not taken for the very one that is expected."""
Price = Callable[[Judge, Usage], float | None]
"""Dollars of one call; None = not known."""


@dataclass(frozen=True, slots=True)
class JudgeCalls:
    """What one judge will be asked."""

    model: str
    calls: int
    cost_usd: float | None  # of all of them; None: the price is not known, and there are calls
    is_certain: bool  # False: at most; asked where a case that must pass fails, or where the first judge cannot tell


class Note(NamedTuple):
    """One call to a judge."""

    judge: Judge
    cost_usd: float | None


@dataclass(slots=True)
class Noting:
    """A judge that notes what it is asked, and says nothing."""

    judge: Judge
    price: Price
    notes: list[Note]

    async def ask(self, question: Question, about: str) -> JudgeReply:
        """No verdict, and none to be kept."""
        asked = count_tokens([question.system, question.user, orjson.dumps(question.schema).decode()], self.judge.model)
        usage = Usage(input_tokens=asked, output_tokens=ANSWER_TOKENS * len(question.items))
        self.notes.append(Note(self.judge, self.price(self.judge, usage)))
        return JudgeReply(None, Reading(), None, None, 0, f"{about}: a plan asks nobody")


@dataclass(slots=True)
class Forecast:
    """The calls of one variant, case by case."""

    instruments: Instruments
    price: Price
    folders: Mapping[str, Path]  # case -> the folder of its golden file
    unjudged: int = 0  # replies that need a judge where none is configured
    _certain: dict[str, list[Note]] = field(default_factory=dict)  # by model
    _perhaps: dict[str, list[Note]] = field(default_factory=dict)
    _standing_in: dict[str, list[list[Note]]] = field(default_factory=dict)  # by case

    def add(self, case: GoldenCase, reply: Reply | None) -> None:
        """One run of one case; reply: where it is known already, None where it will be asked for."""
        if self.instruments.is_recorded or (reply is not None and reply.error is not None) or not is_judged(case):
            return
        if self.instruments.options.judge is None:
            self.unjudged += 1
            return
        if reply is not None:
            found = self._noted(case, reply)
        else:
            if case.id not in self._standing_in:
                self._standing_in[case.id] = self._noted(case, _in_place(case))
            found = self._standing_in[case.id]
        for notes in found:
            for note in notes:
                certain = note.judge.model == notes[0].judge.model
                (self._certain if certain else self._perhaps).setdefault(note.judge.model, []).append(note)

    @property
    def calls(self) -> tuple[JudgeCalls, ...]:
        """What each judge will be asked, the certain calls first."""
        return tuple(
            JudgeCalls(model, len(notes), _total(notes), certain)
            for group, certain in ((self._certain, True), (self._perhaps, False))
            for model, notes in group.items()
        )

    def _noted(self, case: GoldenCase, reply: Reply) -> list[list[Note]]:
        """What each evaluator would ask, in its order."""
        found = []
        for line in SHELF:
            if line.name in JUDGED:
                notes: list[Note] = []
                judges = _judges(self.instruments, self.price, notes)
                _driven(line.evaluate(Subject(case, reply, exchange_of(case, reply), judges, self.folders[case.id])))
                found.append(notes)
        return found


def is_judged(case: GoldenCase) -> bool:
    """Whether a reply to the case may have to be shown to a judge."""
    has_text = case.expected is not None and case.expected.text is not None
    return case.rubric is not None or has_text or any(check.name == pairwise.NAME for check in case.checks)


def _judges(of: Instruments, price: Price, notes: list[Note]) -> Judges:
    options: Scoring = of.options
    assert options.judge is not None
    second = Noting(options.second_judge, price, notes) if options.second_judge is not None else None
    return Judges(Noting(options.judge, price, notes), second, of.rubrics, options.most_characters, of.baseline, of.memory)


def _in_place(case: GoldenCase) -> Reply:
    """A reply of the length that is to be expected."""
    seen = case.observed or Observed()
    text = (seen.text or "") if seen.text or seen.tool_calls else "answer " * OUTPUT_TOKENS
    return Reply(answer=seen.model_copy(update={"text": text + STANDS_IN}))


def _total(notes: list[Note]) -> float | None:
    costs = [note.cost_usd for note in notes]
    return None if any(cost is None for cost in costs) else sum(cost for cost in costs if cost is not None)


def _driven(asked: Awaitable[Found]) -> None:
    """Runs to its end what never waits, since nobody is asked."""
    steps = asked.__await__()
    try:
        while True:
            next(steps)
    except StopIteration:
        return
