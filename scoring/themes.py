"""Puts texts that say much the same into groups, and groups that are about the same thing under a named theme. Pure; the same texts in the
same order give the same groups.

Near-duplicates: MinHash of words (see checks/near_duplicate). Themes: TF-IDF of words and word pairs, hashed into a fixed number of signed
dimensions, clustered by spherical k-means from seeds that lie far apart; named by the words that are frequent in a theme and rare in the
others (class-based TF-IDF). No model weights.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from math import ceil, log, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rensa

Floats = npt.NDArray[np.float32]

LIKENESS: Final = 0.7
"""Jaccard likeness of two texts' words from which they are one group: a reviewer would give both the same answer."""
PERMUTATIONS: Final = 64
BANDS: Final = 16  # of 4 rows: likeness 0.7 is found with probability 0.99
DIMENSIONS: Final = 1024
MOST_THEMES: Final = 12
ROUNDS: Final = 20
WORDS_OF_A_NAME: Final = 3
_MOST: Final = 4000  # characters of a text that are looked at
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_STOP: Final = frozenset(
    """
    the and for that with this you your are was were have has had not but from they their there what when which who how why can could
    would should will about into than then them its our out all any some one two more most other such only also just does did been being
    here over under very much many each both between because while where after before these those his her she him may might must shall
    user assistant answer question please
    der die das und ist nicht ein eine mit von für auf den dem des les une est que pour dans
    """.split()
)


def groups(texts: Sequence[str]) -> list[int]:
    """The number of each text's group; a group has the number of its first text."""
    index = rensa.RMinHashLSH(threshold=LIKENESS, num_perm=PERMUTATIONS, num_bands=BANDS)
    first: dict[int, Any] = {}
    exact: dict[str, int] = {}
    found: list[int] = []
    for number, text in enumerate(texts):
        words = text[:_MOST].lower().split()
        key = " ".join(words)
        if key in exact:
            found.append(exact[key])
            continue
        sketch = rensa.RMinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update([word.encode("utf-8", "replace") for word in words] or [b""])
        near = [(-first[other].jaccard(sketch), other) for other in index.query(sketch)]
        best = min(near, default=(0.0, -1))
        group = best[1] if -best[0] >= LIKENESS else number
        if group == number:
            index.insert(number, sketch)
            first[number] = sketch
        exact[key] = group
        found.append(group)
    return found


def themes(texts: Sequence[str]) -> tuple[list[int], list[str]]:
    """(number of each text's theme, name of each theme); give one text a group, so that a group counts once."""
    terms = [_terms(text) for text in texts]
    if not texts:
        return [], []
    vectors = _vectors(terms)
    k = min(MOST_THEMES, max(1, ceil(sqrt(len(texts) / 2))))
    of_text = _clustered(vectors, k)
    numbers = {old: new for new, (old, _) in enumerate(Counter(of_text).most_common())}
    renumbered = [numbers[old] for old in of_text]
    return renumbered, _names(terms, renumbered, len(numbers))


def _terms(text: str) -> Counter[str]:
    words = [word for word in _WORD.findall(text[:_MOST].lower()) if word not in _STOP]
    return Counter([*words, *(f"{a} {b}" for a, b in pairwise(words))])


def _vectors(terms: Sequence[Counter[str]]) -> Floats:
    """(N, DIMENSIONS) unit vectors; a text without words is zero."""
    known = Counter(term for one in terms for term in one)
    vectors = np.zeros((len(terms), DIMENSIONS), np.float32)
    places: dict[str, tuple[int, float]] = {}
    for row, one in enumerate(terms):
        for term, count in one.items():
            if term not in places:
                digest = int.from_bytes(blake2b(term.encode("utf-8", "replace"), digest_size=8).digest(), "big")
                sign = 1.0 if digest & 1 else -1.0
                places[term] = (digest >> 1) % DIMENSIONS, sign * log((1 + len(terms)) / (1 + known[term]) + 1)
            place, weight = places[term]
            vectors[row, place] += weight * (1 + log(count))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def _clustered(vectors: Floats, k: int) -> list[int]:
    """Spherical k-means; the first seed is the text nearest to the mean, each next one the text farthest from all seeds."""
    centre = vectors.mean(axis=0)
    chosen = [int(np.argmax(vectors @ centre))]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < k:
        new = int(np.argmin(nearest))
        if nearest[new] > 1 - 1e-6:
            break
        chosen.append(new)
        nearest = np.maximum(nearest, vectors @ vectors[new])
    centres = vectors[chosen].copy()
    of_text = np.zeros(len(vectors), np.int64)
    for _ in range(ROUNDS):
        now = np.argmax(vectors @ centres.T, axis=1)
        if (now == of_text).all() and _:
            break
        of_text = now
        for number in range(len(centres)):
            members = vectors[of_text == number]
            if len(members):
                total = members.sum(axis=0)
                centres[number] = total / max(float(np.linalg.norm(total)), 1e-9)
    return [int(one) for one in of_text]


def _names(terms: Sequence[Counter[str]], of_text: Sequence[int], k: int) -> list[str]:
    together: list[Counter[str]] = [Counter() for _ in range(k)]
    for one, theme in zip(terms, of_text, strict=True):
        together[theme].update(one.keys())  # in how many texts, so that a long one does not name its theme alone
    everywhere = Counter(term for one in together for term in one.elements())
    mean = sum(sum(one.values()) for one in together) / max(1, k)
    names = []
    for one in together:
        ranked = sorted(one, key=lambda term: (-one[term] * log(1 + mean / everywhere[term]), term))
        picked: list[str] = []
        for term in ranked:
            if not any(word in chosen.split() for chosen in picked for word in term.split()):
                picked.append(term)
            if len(picked) == WORDS_OF_A_NAME:
                break
        names.append(", ".join(picked) or "(no words)")
    return names
