"""Whether many different questions of a day got the same answer, or nearly: a stock text, a model that is stuck, or one that games a judge.

A check over the whole day: `sketch` each exchange, `add` the sketches, ask for `findings` at the end. Two answers are the same where
the sets of their words agree to `likeness` (MinHash, 64 permutations, in an LSH index of one representative a group). JSON and short
answers are left out: labels and extracted fields repeat by right. A judge that passes such answers was fooled, so this overrides it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import rensa

from scoring.checks.answers import parsed
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_PERMUTATIONS: Final = 64
_BANDS: Final = 8  # of 8 rows: likeness 0.9 is found with probability 0.99, 0.5 with 0.03
MOST_GROUPS: Final = 200_000
"""Different answers that are remembered: one that makes up a twentieth of the day is among the first of them, and 400 MB are enough."""
_SEED: Final = 20240229
_MOST: Final = 3_000  # characters of an answer that are looked at: two that agree so far are the same


@dataclass(frozen=True, slots=True)
class Options:
    """What makes a group."""

    likeness: float = option(default=0.9, sentence="Jaccard likeness of two answers' words from which they are the same.")
    words: int = option(default=12, sentence="Words from which an answer is looked at.")
    questions: int = option(default=10, sentence="Different questions that must have got the same answer.")
    share: float = option(default=0.05, sentence="Share of the feature's answers of the day that the group must make up.")


class Sketch(NamedTuple):
    """What is kept of one exchange; can be sent between processes."""

    exchange_id: str
    feature: str
    question: bytes
    minhash: Any
    beginning: str


def sketch(exchange: LoggedExchange, options: Options) -> Sketch | None:
    """The sketch of an exchange; None = the check does not apply."""
    text = exchange.text[:_MOST]
    if not text or exchange.answer_format is not None or not exchange.is_answer:
        return None
    if text[0] in "{[`" and exchange.once(parsed).error is None:
        return None
    words = text.lower().split()
    if len(words) < options.words:
        return None
    minhash = rensa.RMinHash(num_perm=_PERMUTATIONS, seed=_SEED)
    minhash.update(words if _clean(text) else [word.encode("utf-8", "replace") for word in words])
    asked = exchange.question or exchange.request_body or exchange.exchange_id
    question = blake2b(" ".join(asked[-4_000:].split()).encode("utf-8", "replace"), digest_size=8).digest()
    return Sketch(exchange.exchange_id, exchange.feature or "", question, minhash, excerpt(text))


class Duplicates:
    """The groups of one day: some 2 KB for each of the first MOST_GROUPS different answers, less for the rest."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._index = rensa.RMinHashLSH(threshold=self._options.likeness, num_perm=_PERMUTATIONS, num_bands=_BANDS)
        self._first: list[Sketch] = []
        self._members: list[list[tuple[str, str]]] = []  # (exchange_id, feature) a group
        self._questions: list[set[bytes]] = []
        self._of_feature: Counter[str] = Counter()

    def add(self, one: Sketch) -> None:
        """Take the next answer."""
        self._of_feature[one.feature] += 1
        for group in self._index.query(one.minhash):
            if self._first[group].minhash.jaccard(one.minhash) >= self._options.likeness:
                self._members[group].append((one.exchange_id, one.feature))
                self._questions[group].add(one.question)
                return
        if len(self._first) == MOST_GROUPS:
            return
        self._index.insert(len(self._first), one.minhash)
        self._first.append(one)
        self._members.append([(one.exchange_id, one.feature)])
        self._questions.append({one.question})

    def groups(self) -> Iterator[list[str]]:
        """The exchange ids of each group of two or more."""
        for members in self._members:
            if len(members) > 1:
                yield [exchange_id for exchange_id, _ in members]

    def findings(self) -> dict[str, Finding]:
        """A failure for each exchange in a group that is too large; all others pass without a finding."""
        found: dict[str, Finding] = {}
        for first, members, questions in zip(self._first, self._members, self._questions, strict=True):
            if len(questions) < self._options.questions:
                continue
            of_group = Counter(feature for _, feature in members)
            for exchange_id, feature in members:
                share = of_group[feature] / self._of_feature[feature]
                if share >= self._options.share:
                    why = f"{len(questions)} different questions got this answer or nearly this, {share:.0%} of the feature's day"
                    found[exchange_id] = Finding(False, why, first.beginning, score=share, overrides_judge=True)
        return found


def _clean(text: str) -> bool:
    """Whether a text has no lone surrogates, which the sketch does not take."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
