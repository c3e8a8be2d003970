"""Finds implicit signals in turns: asked again, rephrased, corrected, left; docs/signals.md gives the definitions. Pure.

What is not a person's reaction is kept apart: steps of an agent (tool results), retries of the app or its library, calls that run side by
side, and prompts that a machine sends over and over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from scoring.signals.turn import Turn

Name = Literal["regenerated", "retried", "rephrased", "next_edit_distance", "abandoned"]
NAMES: Final[tuple[Name, ...]] = ("regenerated", "retried", "rephrased", "next_edit_distance", "abandoned")
VERSION: Final = "signals-1"
WITHDRAWN: Final = "withdrawn"

AGAIN: Final = timedelta(seconds=60)
"""The same prompt within this of an answer: somebody pressed "regenerate"."""
FOLLOW: Final = timedelta(minutes=30)
"""Within this of an answer the next message belongs to it; nothing within it: the person has gone."""
REPHRASED: Final = 0.65
"""Similarity of two questions (words sorted, 0 to 1) from which the second says the first anew."""
INSIDE: Final = 0.5
"""Similarity of the parts in which they differ: "the price of apples" and "the price of pears" are two questions."""
WORDS: Final = 4
"""From so many words on those parts are compared by words and not by letters."""
EDITED: Final = 0.5
"""Share of words changed up to which the next message is the answer, corrected."""
FEW_WORDS: Final = 5
"""A message of fewer words is no edited answer."""
MACHINE: Final = 5
"""The same prompt more often than this within FOLLOW is sent by a machine."""
MOST_AHEAD: Final = 50
"""Turns of one person that are looked at after each."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Something found about an exchange."""

    exchange_id: str
    name: Name
    value: float  # 1; of rephrased the similarity; of next_edit_distance the share of words changed
    label: str  # more closely what it is; WITHDRAWN: it was found, and what came late shows that it was none
    follower: str | None  # the exchange that shows it


def detect(turns: Iterable[Turn], since: datetime, until: datetime) -> list[Signal]:
    """The signals of all turns asked in [since, until). The turns of FOLLOW before and after must be among those given."""
    people: dict[str, list[Turn]] = {}
    for one in turns:
        people.setdefault(one.person, []).append(one)
    found: list[Signal] = []
    for said in people.values():
        said.sort(key=lambda one: (one.at, one.exchange_id))
        repeats = Counter(one.prompt for one in said)
        for number, one in enumerate(said):
            if since <= one.at < until and not one.is_retry:
                found += _of(one, said[:number], said[number + 1 : number + 1 + MOST_AHEAD], repeats)
    return found


def similarity(one: str, other: str) -> float:
    """How alike two questions are, 0 to 1, whatever the order of their words."""
    return fuzz.token_sort_ratio(one.casefold()[:2000], other.casefold()[:2000]) / 100


def is_reworded(one: str, other: str) -> bool:
    """Whether a question says another anew: alike as a whole, and where they differ too, so that a template filled in anew is none."""
    if min(len(one.split()), len(other.split())) < 2 or similarity(one, other) < REPHRASED:
        return False
    left, right = _differing(one.casefold().split(), other.casefold().split())
    if not left or not right:
        return True
    if min(len(left), len(right)) < WORDS:
        return similarity(" ".join(left), " ".join(right)) >= INSIDE
    return shared(left, right) >= INSIDE


def shared(one: Sequence[str], other: Sequence[str]) -> float:
    """Share of words in common (Dice), by their first five letters: letters alone are alike in any two long texts."""
    common = Counter(word[:5] for word in one) & Counter(word[:5] for word in other)
    return 2 * common.total() / (len(one) + len(other))


def _differing(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """What is left of two texts without the words that they begin and end with alike."""
    start = next((number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    pairs = zip(reversed(one), reversed(other), strict=False)
    end = next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    return one[: len(one) - end], other[: len(other) - end]


def edit_distance(answer: str, message: str) -> float:
    """Share of words that changed, 0 to 1."""
    return float(Levenshtein.normalized_distance(answer.split(), message.split()))


def _of(one: Turn, before: Sequence[Turn], after: Sequence[Turn], repeats: Counter[str]) -> Iterable[Signal]:
    near = [other for other in after if other.at - one.ended <= FOLLOW]
    retry = next((other for other in near if other.retry_of == one.exchange_id), None)
    if retry is None and one.is_failed:
        retry = next((other for other in near if _same(one, other) and other.at - one.ended <= AGAIN), None)
    if retry is not None:
        yield Signal(one.exchange_id, "retried", 1.0, "by the app" if retry.is_retry else "after a failure", retry.exchange_id)
    people = [other for other in near if not other.is_retry and other.at >= one.ended]
    if one.is_gone:
        if not any(_same(one, other) for other in people):
            yield Signal(one.exchange_id, "abandoned", 1.0, "mid-answer", None)
        return
    if not one.is_answered:
        return
    if repeats[one.prompt] <= MACHINE:
        again = next((other for other in people if _same(one, other)), None)
        if again is not None and again.at - one.ended <= AGAIN and (one.is_named or one.context):
            yield Signal(one.exchange_id, "regenerated", 1.0, "same prompt", again.exchange_id)
    follower = next((other for other in people if other.prompt != one.prompt and _follows(one, other)), None)
    if follower is not None:
        if is_reworded(one.question, follower.question):
            alike = similarity(one.question, follower.question)
            yield Signal(one.exchange_id, "rephrased", round(alike, 4), "reworded", follower.exchange_id)
        if len(follower.fresh.split()) >= FEW_WORDS:
            distance = edit_distance(one.answer, follower.fresh)
            label = "edited" if distance <= EDITED else "other words"
            yield Signal(one.exchange_id, "next_edit_distance", round(distance, 4), label, follower.exchange_id)
    elif _left(one, before, after):
        yield Signal(one.exchange_id, "abandoned", 1.0, "after the answer", None)


def _same(one: Turn, other: Turn) -> bool:
    return one.prompt == other.prompt and one.system == other.system and one.feature == other.feature


def _follows(one: Turn, other: Turn) -> bool:
    """Whether the person goes on from this answer: the request carries it, or stands where this one stood, with new words."""
    if not other.fresh:
        return False
    if other.after_response is not None and other.after_response == one.response_id:
        return True
    if other.history_answer is not None and other.history_answer == one.answer_key:
        return True
    same_place = one.context == other.context and one.system == other.system and one.feature == other.feature
    return same_place and (one.is_named or bool(one.context))


def _left(one: Turn, before: Sequence[Turn], after: Sequence[Turn]) -> bool:
    """Whether a session that had been going on ends with this answer."""
    if one.session is None or any(other.at - one.ended <= FOLLOW for other in after):
        return False
    return any(one.at - other.at <= FOLLOW and other.is_answered and other.question != one.question for other in before)
