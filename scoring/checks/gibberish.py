"""Whether the answer is no language: broken characters, words without vowels, one character for ever.

Short answers, code, JSON and tables of numbers are left out; no recorded answer fails. A judge that passes gibberish was fooled, so
this finding overrides its verdict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import parsed, prose
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_READ: Final = 1_000  # characters that are looked at
_WORD: Final = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff]{4,}")
"""Words in alphabets that write their vowels: Latin, Greek, Cyrillic."""
_BROKEN: Final = re.compile("[\x00-\x08\x0e-\x1f\ufffd]")
_NO_VOWEL: Final = re.compile(r"(?<![^\W\d_])[b-df-hj-np-tv-xzб-джзк-нп-тф-щβ-δζθκ-νξπ-τφ-ψ]{4,}(?![^\W\d_])", re.IGNORECASE)
_CAPITALS: Final = re.compile(r"\b[A-Z]{4,}\b")
_TWO_ALPHABETS: Final = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][A-Za-z]")
_COMMON: Final = frozenset(
    "the of and to is in that it for with you are this as on be not der die und ist das nicht mit ein zu de la le les et est des que en el "
    "los un una para il che di per non og att och är som van het een na nie się i w и в не на что с по".split()
)
"""Frequent words of some languages: a text that has many of them reads as one, and no more needs to be looked at."""

_PASSED: Final = Finding(True, "reads as language")


@dataclass(frozen=True, slots=True)
class Options:
    """How much is too much."""

    shortest: int = option(default=60, sentence="Characters of prose below which nothing is said.")
    broken: float = option(default=0.02, sentence="Share of replacement and control characters that is too much.")
    unspeakable: float = option(default=0.25, sentence="Share of words without a vowel, or of two alphabets at once, that is too much.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.text or not exchange.is_answer or exchange.answer_format is not None or exchange.text[0] == "<":
        return None
    if exchange.text[0] in "{[" and exchange.once(parsed).error is None:
        return None
    text = exchange.once(prose)[:_READ]
    if len(text) < options.shortest:
        return None
    why = fault(text, options)
    if why is None:
        return _PASSED
    return Finding(False, why, excerpt(text), overrides_judge=True)


def fault(text: str, options: Options) -> str | None:
    """Why a text is no language; None = it reads as one."""
    broken = len(_BROKEN.findall(text))
    if broken / len(text) > options.broken:
        return f"{broken} broken or control characters"
    used = set(text)
    if len(used) <= 4 and any(map(str.isalnum, used)):
        return "made of four characters or fewer"
    tokens = text.lower().split()
    if len(_COMMON.intersection(tokens)) >= 5:
        return None
    spoken = len(_WORD.findall(text))
    if spoken < 8:
        return None  # numbers, or a script that writes its vowels otherwise: Chinese, Arabic, Hindi, Thai …
    if not text.isascii():
        mixed = len(_TWO_ALPHABETS.findall(text))
        if mixed / spoken > options.unspeakable:
            return f"{mixed} of {spoken} words mix alphabets"
    strange = len(_NO_VOWEL.findall(text)) - len(_NO_VOWEL.findall(" ".join(_CAPITALS.findall(text))))
    if strange / spoken > options.unspeakable:
        return f"{strange} of {spoken} words have no vowel"
    return None
