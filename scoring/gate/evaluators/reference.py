"""Whether free text says what the expected text says: the same words pass by themselves, other words are a judge's question."""

from __future__ import annotations

from scoring.gate.evaluators.asking import ask
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.gate.evaluators.expectations import parts
from scoring.gate.evaluators.judges import REFERENCE, SEED
from scoring.judge.material import MOST, Material, Passage, of_exchange
from scoring.judge.prompt import question

NAME = "expected.text"


async def evaluate(subject: Subject) -> Found:
    """A grade for `expected.text`."""
    same = parts(subject, "text")
    if not same or same[0].passed:
        return Found(tuple(same))
    assert subject.case.expected is not None
    if not subject.exchange.text and not subject.exchange.calls and not subject.exchange.refusal:
        return Found((Grade(NAME, False, "answers nothing where a text is expected"),))
    shown = of_exchange(subject.exchange, subject.judges.most_characters if subject.judges else MOST)
    wanted = Passage("expected", subject.case.expected.text or "")
    posed = question(REFERENCE, REFERENCE.item, Material((*shown.passages, wanted), shown.has, shown.left_out), subject.case.id, SEED)
    return await ask(subject, NAME, REFERENCE, posed)
