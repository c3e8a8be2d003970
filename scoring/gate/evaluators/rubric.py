"""A rubric's question about the reply, put to the judge that the run is pinned to.

The words are those that the case was confirmed with; a rubric of that name adds what it says about all its questions. The fingerprint of
the judge stands in the grade, and beside it that of the judge whose verdict the case rests on, where it was another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from scoring.gate.evaluators.asking import NO_JUDGE, ask
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.gate.evaluators.judges import SEED
from scoring.golden.case import RubricItem
from scoring.judge.material import of_exchange
from scoring.judge.prompt import question
from scoring.judge.rubric import Item, Rubric


async def evaluate(subject: Subject) -> Found:
    """A grade for each judge that was asked; none where the case has no rubric."""
    asked = subject.case.rubric
    if asked is None:
        return Found()
    name = f"rubric.{asked.name}.{asked.item}"
    if subject.judges is None:
        return Found((Grade(name, None, NO_JUDGE),))
    found = pinned(asked, subject.judges.rubrics)
    if found is None:
        return Found(
            (Grade(name, None, f"no rubric {asked.name} has a question {asked.item}: add it, or write the question into the case"),)
        )
    rubric, item = found
    posed = question(rubric, (item,), of_exchange(subject.exchange, subject.judges.most_characters), subject.case.id, SEED)
    graded = await ask(subject, name, rubric, posed)
    return graded._replace(grades=tuple(_beside(grade, asked.fingerprint) for grade in graded.grades))


def pinned(asked: RubricItem, rubrics: Mapping[str, Rubric]) -> tuple[Rubric, Item] | None:
    """The rubric that the question is asked under, and the question; None where neither the case nor a rubric says what it is.

    A rubric that still asks in the case's words is the instrument that the night uses and people calibrate: its fingerprint is that one's.
    """
    known = rubrics.get(asked.name)
    item = next((one for one in known.item if one.id == asked.item), None) if known is not None else None
    if (
        known is not None
        and item is not None
        and asked.question in (None, item.question)
        and (asked.question is None or asked.good == item.good)
    ):
        return known, item.model_copy(update=ALWAYS)
    if asked.question is None:
        return None
    quote = item.quote if item is not None else "on_fail"
    own = Item(id=_id(asked.item), question=_long_enough(asked.question), good=asked.good, quote=quote)
    about = known.about if known is not None else ""
    return Rubric(name=_id(asked.name), version="case", owner="the golden case", about=about, item=(own,)), own


ALWAYS: Final[Mapping[str, Any]] = {"critical": True, "needs": ()}
"""The case itself asks for it."""


def _beside(grade: Grade, confirmed: str | None) -> Grade:
    if confirmed is None or grade.detail.get("fingerprint") in (None, confirmed):
        return grade
    return replace(grade, detail={**grade.detail, "confirmed_with": confirmed})


def _id(name: str) -> str:
    """A name as rubrics have them."""
    plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:60]
    return plain if re.match("[a-z]", plain) else f"q_{plain}"


def _long_enough(question: str) -> str:
    return question[:2000] if len(question) >= 10 else f"Is this so: {question}"
