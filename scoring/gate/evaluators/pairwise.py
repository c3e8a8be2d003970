"""Whether a reply is at least as good as the baseline's, or as the expected text: one judge, asked in both orders.

Where the order decides, it is a tie. Source of the remedy: position bias of judges, Zheng et al. (2023), arXiv 2306.05685.
"""

from __future__ import annotations

from typing import Final

from scoring.checks.options import options_of
from scoring.gate.evaluators.asking import NO_JUDGE, added, each
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.gate.evaluators.judges import SEED, Asker, Judges, Opinion, family
from scoring.golden.run_checks import Pairwise
from scoring.judge.material import of_exchange
from scoring.judge.prompt import decided, pair
from scoring.judge.rubric import Item, Rubric

NAME: Final = "pairwise"
ITEM: Final = "better"
OUTCOMES: Final = {"a": "better", "b": "worse", "tie": "tie"}


async def evaluate(subject: Subject) -> Found:
    """A grade for each judge that was asked, for the first `pairwise` check of the case."""
    table = next((check.options for check in subject.case.checks if check.name == NAME), None)
    if table is None:
        return Found()
    options: Pairwise = options_of(Pairwise, table)
    if subject.judges is None:
        return Found((Grade(NAME, None, NO_JUDGE),))
    other = _other(subject, subject.judges, options)
    if other is None:
        lacks = "there is no answer of the baseline" if options.against == "baseline" else "the case has no expected.text"
        return Found((Grade(NAME, None, f"{lacks} to hold it against"),))
    mine = subject.exchange.text
    if " ".join(mine.split()) == " ".join(other.split()):
        return Found((Grade(NAME, options.need == "not_worse", f"the same text as the {options.against}'s", detail={"outcome": "tie"}),))
    rubric = Rubric(
        name="golden_pair", version="1", owner="goldwash", item=(Item(id=ITEM, question=options.question[:2000], quote="never"),)
    )

    async def one(judges: Judges, asker: Asker) -> tuple[Grade, float | None]:
        request = of_exchange(subject.exchange, judges.most_characters)
        said = []
        for first, second in ((mine, other), (other, mine)):
            posed = pair(rubric, rubric.item, request, first, second, subject.case.id, SEED)
            said.append(await judges.opinion(asker, rubric, posed, subject.case.id))
        return _graded(said, options, family(asker.judge)), added([opinion.cost_usd for opinion in said])

    return await each(subject, NAME, one)


def _other(subject: Subject, judges: Judges, options: Pairwise) -> str | None:
    if options.against == "expected":
        return subject.case.expected.text if subject.case.expected is not None else None
    return judges.baseline.get(subject.case.id)


def _graded(said: list[Opinion], options: Pairwise, of_family: str) -> Grade:
    fault = next((_fault(opinion) for opinion in said if _fault(opinion)), None)
    if fault is not None:
        return Grade(NAME, None, f"the judge could not tell: {fault}", family=of_family)
    outcome = decided(*(opinion.verdict.grades[0].verdict for opinion in said)) or "tie"
    passed = outcome == "a" or (outcome == "tie" and options.need == "not_worse")
    words = {"a": "better than", "b": "worse than", "tie": "as good as"}[outcome]
    told = said[0].verdict.grades[0].reason
    reason = f"{words} the {options.against}'s answer{', in both orders' if outcome != 'tie' else ''}{f': {told}' if told else ''}"
    return Grade(NAME, passed, reason[:2000], family=of_family, detail={"outcome": OUTCOMES[outcome], "fingerprint": said[0].fingerprint})


def _fault(opinion: Opinion) -> str | None:
    """Why an opinion cannot be used; a pair's grade is always unscored by itself, since both orders decide."""
    grade = opinion.verdict.grades[0]
    if opinion.verdict.unscored is not None and not opinion.verdict.unscored.startswith(f"{ITEM}: "):
        return opinion.verdict.unscored  # another model answered, or the answer was cut off
    return None if grade.verdict is not None and (grade.verdict in ("a", "b", "cannot_tell")) else grade.unscored or "no verdict"
