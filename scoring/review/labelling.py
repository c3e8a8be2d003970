"""Makes a label of what a person said: with its origin, the split it may be used for, and the probability that it was asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from scoring.golden.case import Expected
from scoring.review.queue import SKIP, Flagged, Origin, Split, origin_of, split_of

NAME: Final = "answer"
"""`name` of a label of a whole answer; labels of a rubric's question carry that question's."""


class BadLabel(ValueError):
    """A label that cannot be taken; says what to give instead."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said of one exchange."""

    exchange_id: str
    passed: bool | None  # None: passes it on to others
    who: str
    note: str | None = None
    expected: Expected | None = None  # the corrected answer
    origin: Origin | None = None  # None: as the flags say
    split: Split | None = None
    saw_verdict: bool = False  # the label is no blind one


def content(said: Said, flags: Sequence[Flagged], answer: str | None) -> dict[str, Any]:
    """The label's row. Raises BadLabel."""
    if not said.who.strip():
        raise BadLabel("say who labels it: --who NAME, or set GOLDWASH_REVIEWER")
    corrected = said.expected.text if said.expected is not None else None
    if said.passed and corrected is not None and corrected.split() != (answer or "").split():
        raise BadLabel("a passing answer needs no correction: label it fail, or leave the correction out")
    origin = said.origin or origin_of(flags)
    return {
        "exchange_id": said.exchange_id,
        "name": NAME,
        "value": SKIP if said.passed is None else "pass" if said.passed else "fail",
        "passed": said.passed,
        "labeler": said.who.strip(),
        "origin": origin,
        "split": said.split or ("audit" if origin == "audit" else split_of(said.exchange_id, flags)),
        "note": said.note or None,
        "expected": None if said.expected is None else said.expected.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "inclusion_probability": next((flag.p_label for flag in flags if flag.kind == "audit"), None) if origin == "audit" else None,
        "saw_verdict": said.saw_verdict,
        "flags": [flag.flag_id for flag in flags],
    }
