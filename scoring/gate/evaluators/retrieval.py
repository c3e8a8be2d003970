"""Whether a target that retrieves found the documents that it should have: precision, recall, reciprocal rank and nDCG at k. Pure.

Applies where the case says `expected.retrieved_ids` or has a `retrieval` check. A target that retrieves nothing of its own (a plain
endpoint) cannot be measured so; a target that retrieves and came back with nothing fails. Relevance is binary. Definitions: Manning,
Raghavan and Schütze, Introduction to Information Retrieval, chapter 8; nDCG with the discount log2(place + 1) of Järvelin and Kekäläinen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from scoring.checks.options import options_of
from scoring.gate.evaluators.contract import Found, Grade, Subject
from scoring.gate.reply import Reply
from scoring.golden.case import Document
from scoring.golden.run_checks import Retrieval

NAME: Final = "expected.retrieved_ids"
MEASURES: Final = ("recall", "precision", "mrr", "ndcg")


async def evaluate(subject: Subject) -> Found:
    """One grade with all measures in its detail."""
    wanted = subject.case.expected.retrieved_ids if subject.case.expected is not None else ()
    tables = [check.options for check in subject.case.checks if check.name == "retrieval"]
    if not wanted and not tables:
        return Found()
    if not wanted:
        return Found((Grade(NAME, None, "the case has a retrieval check and no expected.retrieved_ids: say which documents are right"),))
    if not retrieves(subject.reply):
        return Found((Grade(NAME, None, "the target says nothing of what it retrieved: give `context` back (docs/gate-evaluators.md)"),))
    options: Retrieval = options_of(Retrieval, tables[0] if tables else {})
    return Found((graded(ranked(subject.reply.context), wanted, options),))


def retrieves(reply: Reply) -> bool:
    """Whether the target says what it retrieved, be it nothing."""
    if reply.context:
        return True
    try:
        said = orjson.loads(reply.raw or "null")
    except orjson.JSONDecodeError:
        return False
    return isinstance(said, dict) and isinstance(said.get("context"), list)


def ranked(documents: Sequence[Document]) -> tuple[str, ...]:
    """Ids in the order of their ranks, or as they came; each once. A document without id counts as one that nobody expected."""
    ordered = sorted(enumerate(documents), key=lambda one: (one[0] if one[1].rank is None else one[1].rank, one[0]))
    return tuple(dict.fromkeys(document.id or f"\0{place}" for place, document in ordered))


def measures(found: Sequence[str], wanted: Sequence[str], k: int = 0) -> dict[str, float]:
    """recall, precision, mrr and ndcg of the first k found (0 = all); precision of nothing is 0."""
    right = set(wanted)
    shown = list(found[:k] if k else found)
    hits = [place for place, one in enumerate(shown, 1) if one in right]
    best = sum(1 / math.log2(place + 1) for place in range(1, min(len(right), k or len(right)) + 1))
    return {
        "recall": len(hits) / len(right),
        "precision": len(hits) / len(shown) if shown else 0.0,
        "mrr": 1 / hits[0] if hits else 0.0,
        "ndcg": sum(1 / math.log2(place + 1) for place in hits) / best,
    }


def graded(found: Sequence[str], wanted: Sequence[str], options: Retrieval) -> Grade:
    """The grade of one ranking."""
    measured = measures(found, wanted, options.k)
    least: Mapping[str, float] = {name: getattr(options, name) for name in MEASURES if getattr(options, name) is not None}
    least = least or {"recall": 1.0}
    short = [f"{name} {measured[name]:.3g} of {value:g} asked" for name, value in least.items() if measured[name] < value - 1e-9]
    place = f" in the first {options.k}" if options.k else ""
    missing = [one for one in dict.fromkeys(wanted) if one not in (found[: options.k] if options.k else found)]
    detail: dict[str, Any] = {**{name: round(value, 6) for name, value in measured.items()}, "k": options.k, "found": [
        one for one in found if not one.startswith("\0")
    ][:50], "missing": missing[:50]}  # fmt: skip
    if short:
        lacking = f"; missing{place}: {', '.join(missing[:10])}" if missing else ""
        return Grade(
            NAME, False, ", ".join(short) + lacking, ", ".join(detail["found"][:10]) or "nothing", measured["recall"], detail=detail
        )
    return Grade(
        NAME, True, ", ".join(f"{name} {measured[name]:.3g}" for name in MEASURES) + place, None, measured["recall"], detail=detail
    )
