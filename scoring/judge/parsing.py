"""Reads a judge's answer: the last sealed grades count, every quote must stand in the evidence, and what cannot be read is unscored.

Each rule answers an attack or an accident: a verdict that the judged text brought along has no seal; a judge that thinks aloud gives
draft grades first; a quote that occurs nowhere was made up, and the verdict on it with it. Pure; never raises on any text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scoring.judge.prompt import Question
from scoring.judge.rubric import Item

VERSION: Final = "1"
"""Of this parser: part of the fingerprint, since another reading of the same answer is another instrument."""
SHORTEST_QUOTE: Final = 3
MOST_WORDS: Final = 2000  # characters kept of a reason or a quote
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"\s+")
_MARKS: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "\u00a0": " ", "…": "."})
_ELLIPSIS: Final = re.compile(r"\[?(?:\.\.\.|…)\]?")


@dataclass(frozen=True, slots=True)
class Grade:
    """What the judge says to one question. `passed` is None where it is unscored, and `unscored` says why."""

    item: Item
    verdict: str | None  # yes | no, a | b for pairs, cannot_tell; None: unreadable
    passed: bool | None
    unscored: str | None = None
    reason: str | None = None
    quote: str | None = None
    confidence: float | None = None  # 0.5 to 1


def grades(text: str | None, question: Question) -> tuple[Grade, ...]:
    """A grade for each item of the question, in its order."""
    found = _sealed(text or "", question.seal)
    if found is None:
        why = "the judge gave no answer" if not (text or "").strip() else "the judge's answer holds no sealed grades"
        return tuple(Grade(item, None, None, why) for item in question.items)
    evidence = _flat(question.evidence)
    return tuple(_grade(item, found.get(item.id), question, evidence) for item in question.items)


def overall(given: tuple[Grade, ...]) -> tuple[bool | None, str | None]:
    """(passed, why unscored) of the whole: one failed critical item fails it, one unscored leaves it unscored."""
    critical = [grade for grade in given if grade.item.critical]
    if any(grade.passed is False for grade in critical):
        return False, None
    missing = next((grade for grade in critical if grade.passed is None), None)
    if missing is not None:
        return None, f"{missing.item.id}: {missing.unscored}"
    return (True, None) if critical else (None, "no critical question applies")


def confidence(given: tuple[Grade, ...]) -> float | None:
    """Of the overall verdict: the surest failed item, or the least sure passed one; None where the judge gave none."""
    critical = [grade for grade in given if grade.item.critical and grade.confidence is not None]
    failed = [grade.confidence for grade in critical if grade.passed is False and grade.confidence is not None]
    passed = [grade.confidence for grade in critical if grade.passed and grade.confidence is not None]
    return max(failed) if failed else min(passed) if passed else None


def occurs(quote: str, evidence: str) -> bool:
    """Whether the words of a quote stand in the evidence, in their order; white space, case and typographic marks do not matter."""
    return _occurs(quote, _flat(evidence))


def _sealed(text: str, seal: str) -> Mapping[str, Any] | None:
    last = None
    for value in _objects(text):
        given = value.get("grades")
        if value.get("seal") == seal and isinstance(given, dict):
            last = given
    return last


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in a text, in order."""
    at = text.find("{")
    tried = 0
    while at >= 0 and tried < 1000:
        tried += 1
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        if isinstance(value, dict):
            yield value
        at = text.find("{", end)


def _grade(item: Item, given: Any, question: Question, evidence: str) -> Grade:
    if not isinstance(given, dict):
        return Grade(item, None, None, "the judge left the question out")
    verdict = str(given.get("verdict", "")).strip().lower()
    reason, quote = _words(given.get("reason")), _words(given.get("quote"))
    sure = _confidence(given.get("confidence"))
    if verdict not in question.verdicts:
        return Grade(item, None, None, f"the verdict {verdict[:40]!r} is none of {', '.join(question.verdicts)}", reason, quote, sure)
    if verdict == "cannot_tell":
        return Grade(item, verdict, None, "the judge cannot tell", reason, quote, sure)
    passed = verdict == item.good if "yes" in question.verdicts else None
    wrong = _quote_fault(item, passed, quote, evidence)
    if wrong:
        return Grade(item, verdict, None, wrong, reason, quote, sure)
    unscored = None if passed is not None else "a pair is decided by both orders together"
    return Grade(item, verdict, passed, unscored, reason, quote, sure)


def _quote_fault(item: Item, passed: bool | None, quote: str | None, evidence: str) -> str | None:
    if item.quote == "never":
        return None
    if not quote or len(_flat(quote)) < SHORTEST_QUOTE:
        due = item.quote == "always" or (item.quote == "on_fail" and passed is False)
        return "the judge quotes nothing for it" if due else None
    return None if _occurs(quote, evidence) else "the judge's quote does not stand in the judged text"


def _occurs(quote: str, evidence: str) -> bool:
    at = 0
    parts = [flat for part in _ELLIPSIS.split(quote) if (flat := _flat(part).strip(" \"'."))]
    for part in parts:
        found = evidence.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return bool(parts)


def _flat(text: str) -> str:
    return _SPACE.sub(" ", text.translate(_MARKS)).strip().lower()


def _words(value: Any) -> str | None:
    return value.strip()[:MOST_WORDS] or None if isinstance(value, str) else None


def _confidence(value: Any) -> float | None:
    """As a share; judges write 90, 0.9 or "90%"."""
    if isinstance(value, str):
        try:
            value = float(value.strip().rstrip("%"))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return float(value) / 100 if value > 1 else float(value)
