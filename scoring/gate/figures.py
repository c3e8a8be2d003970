"""Figures of a whole set that no single case has: precision, recall and F1 of labels, means of retrieval, refusals both ways. Pure.

They inform; the rules decide on cases. Every measured run counts once; cases that hold nobody to anything are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from scoring.gate.pairing import SET_ASIDE
from scoring.gate.results import Results

MEASURES: Final = ("recall", "precision", "mrr", "ndcg")


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """One label; None where nothing was so labelled, or expected."""

    label: str
    expected: int
    given: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All of a set's; parts without any run are None or empty."""

    labels: tuple[LabelFigures, ...] = ()
    labelled: int = 0  # runs
    accuracy: float | None = None
    macro_f1: float | None = None  # mean of the expected labels' F1
    retrieval: Mapping[str, float] = field(default_factory=dict)  # mean of each measure
    retrieved: int = 0
    over_refused: tuple[int, int] = (0, 0)  # refused where it should answer, of how many
    under_refused: tuple[int, int] = (0, 0)  # answered where it should refuse, of how many

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def figures(results: Results) -> Figures:
    """Of one result file."""
    pairs: list[tuple[str, str]] = []
    measured: list[Mapping[str, float]] = []
    refusals: list[tuple[bool, bool]] = []
    for name, detail in _details(results):
        if name in ("expected.label", "expected.choice") and isinstance(detail.get("expected"), str):
            pairs.append((detail["expected"], str(detail.get("given") or "")))
        elif name == "expected.retrieved_ids" and all(isinstance(detail.get(one), int | float) for one in MEASURES):
            measured.append({one: float(detail[one]) for one in MEASURES})
        elif name == "expected.refusal" and isinstance(detail.get("expected"), bool):
            refusals.append((detail["expected"], bool(detail.get("refused"))))
    labels = tuple(_label(label, pairs) for label in sorted({wanted for wanted, _ in pairs}))
    answer, refuse = [refused for wanted, refused in refusals if not wanted], [refused for wanted, refused in refusals if wanted]
    return Figures(
        labels=labels,
        labelled=len(pairs),
        accuracy=sum(wanted == given for wanted, given in pairs) / len(pairs) if pairs else None,
        macro_f1=sum(one.f1 or 0.0 for one in labels) / len(labels) if labels else None,
        retrieval={one: sum(each[one] for each in measured) / len(measured) for one in MEASURES} if measured else {},
        retrieved=len(measured),
        over_refused=(answer.count(True), len(answer)),
        under_refused=(refuse.count(False), len(refuse)),
    )


def in_words(found: Figures) -> list[tuple[str, str]]:
    """(what, value), those there are."""
    said: list[tuple[str, str]] = []
    if found.labelled:
        said.append(("labels", f"accuracy {_percent(found.accuracy)}, macro F1 {_percent(found.macro_f1)} ({found.labelled} runs)"))
    if found.retrieved:
        means = ", ".join(
            f"{'nDCG' if one == 'ndcg' else one.upper() if one == 'mrr' else one} {found.retrieval[one]:.2f}" for one in MEASURES
        )
        said.append(("retrieval", f"{means} ({found.retrieved} runs)"))
    for name, (wrong, of) in (("refused, and should answer", found.over_refused), ("answered, and should refuse", found.under_refused)):
        if of:
            said.append((name, f"{wrong} of {of} runs"))
    return said


def _details(results: Results) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for row in results.rows:
        if row.status in SET_ASIDE or row.passed is None:
            continue
        for grade in row.extra.get("grades") or ():
            if isinstance(grade, Mapping) and isinstance(grade.get("detail"), Mapping) and grade.get("passed") is not None:
                yield str(grade.get("name")), grade["detail"]


def _label(label: str, pairs: list[tuple[str, str]]) -> LabelFigures:
    right = sum(wanted == given == label for wanted, given in pairs)
    wanted, given = sum(one == label for one, _ in pairs), sum(one == label for _, one in pairs)
    precision = right / given if given else None
    recall = right / wanted if wanted else None
    return LabelFigures(label, wanted, given, precision, recall, 2 * right / (wanted + given) if wanted + given else None)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"
