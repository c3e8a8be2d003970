"""Whether the answer is no language: broken characters, words without vowels, one character for ever, runs without a space.

Short answers, code, JSON, tables of numbers and encoded data are left out. A judge that passes gibberish was fooled, so this finding
overrides its verdict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import prose
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_READ: Final = 2_000  # characters that are looked at
_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_VOWELS: Final = frozenset("aeiouyäöüáéíóúàèìòùâêîôûãõåæøœëïýãąęıőűůěāēīōūăâ" + "аеёиоуыэюяєії" + "αεηιουωάέήίόύώ")
_ALPHABETS: Final = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff]")
_LATIN: Final = re.compile(r"[A-Za-z]")
_OTHER_ALPHABET: Final = re.compile(r"[\u0370-\u03ff\u0400-\u04ff]")


@dataclass(frozen=True, slots=True)
class Options:
    """How much is too much."""

    shortest: int = option(default=60, sentence="Characters of prose below which nothing is said.")
    broken: float = option(default=0.02, sentence="Share of replacement and control characters that is too much.")
    unspeakable: float = option(default=0.25, sentence="Share of words without a vowel, or of two alphabets at once, that is too much.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.text or not exchange.is_answer or exchange.answer_format is not None or exchange.text[0] in "{[<":
        return None
    text = exchange.once(prose)[:_READ]
    if len(text) < options.shortest:
        return None
    why = fault(text, options)
    if why is None:
        return Finding(True, "reads as language")
    return Finding(False, why, excerpt(text), overrides_judge=True)


def fault(text: str, options: Options) -> str | None:
    """Why a text is no language; None = it reads as one."""
    if not text.isprintable():
        broken = sum(1 for character in text if character == "\ufffd" or (character < " " and character not in "\t\n\r\f\x0b"))
        if broken / len(text) > options.broken:
            return f"{broken} broken or control characters"
    elif "\ufffd" in text and text.count("\ufffd") / len(text) > options.broken:
        return f"{text.count(chr(0xFFFD))} broken characters"
    if len(set(text)) <= 4 and any(map(str.isalnum, set(text))):
        return "made of four characters or fewer"
    words = _WORD.findall(text)
    if len(words) < 8:
        return None
    spoken = [word for word in words if _ALPHABETS.match(word)]
    if len(spoken) < 8:
        return None  # a script that writes its vowels otherwise: Chinese, Arabic, Hindi, Thai …
    if not text.isascii():
        mixed = sum(1 for word in spoken if _LATIN.search(word) and _OTHER_ALPHABET.search(word))
        if mixed / len(spoken) > options.unspeakable:
            return f"{mixed} of {len(spoken)} words mix alphabets"
    strange = sum(1 for word in spoken if not word.isupper() and _VOWELS.isdisjoint(word.lower()))
    if strange / len(spoken) > options.unspeakable:
        return f"{strange} of {len(spoken)} words have no vowel"
    return None
