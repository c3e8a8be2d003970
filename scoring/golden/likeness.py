"""Measures how alike cases are by what varies in them, to leave out what is there already and to choose few that stand for many. Pure.

Words and word pairs, weighted by how rare they are among all cases (TF-IDF), so that a prompt template that all share counts little and
the question in it counts. System prompts are left out for the same reason. No model weights.
Source of the choice: greedy facility location (Nemhauser, Wolsey, Fisher 1978): within 63% of the best cover.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scoring.golden.case import GoldenCase, canonical

NEARLY: Final = 0.9
"""Cosine from which two cases ask the same: the rest is punctuation, or a word without weight."""
_WORD: Final = re.compile(r"[^\W_]+(?:[.,:+*/-][^\W_]+)*")
_MOST: Final = 20_000  # characters of a case that are looked at

Floats = npt.NDArray[np.float64]


def what_varies(case: GoldenCase) -> str:
    """What is asked in a case: everything but the system's words, or the input's variables where there are no messages."""
    parts = [message.text for message in case.said if message.role != "system"]
    parts += [result.text for message in case.said for result in message.results]
    parts += [document.text for document in case.context]
    if not "".join(parts).strip():
        parts = [canonical(case.input.vars or case.input.body)]
    return "\n".join(parts)[:_MOST]


def vectors(texts: Sequence[str], least: float = 0.0) -> Any:
    """One row a text, of length 1 (0 for a text without words), in scipy's CSR form (len(texts), terms).

    least: weight that even a word in all texts keeps. Telling two texts apart wants none; a theme is made of such words.
    """
    counts = [_terms(text) for text in texts]
    frequency: Counter[str] = Counter()
    for terms in counts:
        frequency.update(terms.keys())
    index = {term: number for number, term in enumerate(sorted(frequency))}
    n = len(texts)
    weight = {term: float(np.log((n + 1) / (frequency[term] + 0.5))) + least for term in frequency}
    rows = [number for number, terms in enumerate(counts) for _ in terms]
    columns = [index[term] for terms in counts for term in terms]
    values = [(1 + np.log(count)) * weight[term] for terms in counts for term, count in terms.items()]
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=(n, max(1, len(index))), dtype=np.float64)
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(norms > 0, norms, 1.0)) @ matrix


def nearest(new: Sequence[str], known: Sequence[str]) -> list[tuple[int, float]]:
    """For each new text the most alike of those before it, known ones first: (its number among known + new, cosine); (-1, 0.0) = none."""
    if not new:
        return []
    matrix = vectors([*known, *new])
    found: list[tuple[int, float]] = []
    for number in range(len(known), len(known) + len(new)):
        alike = np.asarray((matrix[:number] @ matrix[number].T).todense()).ravel()
        best = int(alike.argmax()) if alike.size else -1
        found.append((best, float(alike[best])) if best >= 0 else (-1, 0.0))
    return found


def choose(texts: Sequence[str], number: int, weights: Sequence[float] | None = None, covered: Sequence[str] = ()) -> list[int]:
    """Numbers of the texts that together stand best for all of them, in the order of choosing; the same texts give the same choice.

    weights: how much each text counts (how many it stands for, how grave it is). covered: texts of cases that are there already. A text
    stands for another as far as they are alike; the first text of equals is taken.
    """
    if not texts or number <= 0:
        return []
    matrix = vectors([*covered, *texts], least=1.0)
    inner = matrix[len(covered) :]
    alike = np.clip(np.asarray((inner @ inner.T).todense()), 0.0, 1.0)
    np.fill_diagonal(alike, 1.0)
    worth = np.ones(len(texts)) if weights is None else np.asarray(weights, dtype=np.float64)
    best: Floats = np.zeros(len(texts))
    if covered:
        best = np.clip(np.asarray((inner @ matrix[: len(covered)].T).todense()).max(axis=1), 0.0, 1.0)
    chosen: list[int] = []
    left = set(range(len(texts)))
    while left and len(chosen) < number:
        gains = {one: round(float((worth * np.maximum(alike[one] - best, 0.0)).sum()), 9) for one in left}
        first = min(left, key=lambda one: (-gains[one], one))
        chosen.append(first)
        left.discard(first)
        best = np.maximum(best, alike[first])
    return chosen


def _terms(text: str) -> Counter[str]:
    words = _WORD.findall(unicodedata.normalize("NFC", text).casefold())
    return Counter([*words, *(f"{one} {other}" for one, other in pairwise(words))])
