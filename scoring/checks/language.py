"""Whether the answer is in the question's language, or in the one the task names.

Told by script first (Cyrillic, Han, Arabic …), by py3langid on the first 200 characters of prose where the scripts agree. Not told for
short texts, code and JSON, where either guess is unsure, and where the request itself speaks of a language or of translating. No
recorded answer fails.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import re2

from scoring.checks.answers import prose, without_code
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_READ: Final = 200  # characters: longer ones change the guess little and cost more
_KNOWN: Final = (
    "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sl sr sv sw ta te th tr uk ur vi zh"
).split()
_ALIKE: Final = tuple(
    map(frozenset, (("hr", "sr", "sl", "bs"), ("ms", "id"), ("no", "da", "sv"), ("cs", "sk"), ("es", "ca", "pt"), ("ru", "uk", "bg")))
)
"""Languages that 200 characters do not tell apart for sure."""
_ENGLISH: Final = frozenset("the of and to is in that it for with you are this as on be can or from at your by have not what how".split())
_SPEAKS_OF_IT: Final = re2.compile(
    (
        r"(?i)translat|übersetz|tradu|перев|翻译|翻訳|번역|(?:respond|reply|answer|write|speak|output|auf|en|in) (?:in )?(?:only )?"
        r"(?:english|german|french|spanish|italian|portuguese|dutch|russian|chinese|japanese|korean|arabic|hindi|turkish|polish|deutsch|"
        r"englisch|französisch|español|inglés|français|anglais|italiano|mandarin|latin|swedish|danish|greek|hebrew|vietnamese|thai|czech)"
        r"|\b(?:language|languages|locale|multilingual|bilingual|sprache|langue|idioma|lingua)\b|用(?:中文|英文|日文)|で答えて|请用"
    ).encode()
)
_ASKED: Final = 40_000  # characters of the request that are searched for it
_SCRIPTS: Final = (
    ("Latin", re.compile(r"[A-Za-z\u00c0-\u024f]")),
    ("Cyrillic", re.compile(r"[\u0400-\u04ff]")),
    ("Greek", re.compile(r"[\u0370-\u03ff]")),
    ("Arabic", re.compile(r"[\u0600-\u06ff]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("Devanagari", re.compile(r"[\u0900-\u097f]")),
    ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
    ("Hangul", re.compile(r"[\uac00-\ud7a3]")),
    ("Kana and Han", re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")),
)
_SCRIPT_OF: Final = {
    "ru": "Cyrillic", "uk": "Cyrillic", "bg": "Cyrillic", "el": "Greek", "ar": "Arabic", "fa": "Arabic", "ur": "Arabic", "he": "Hebrew",
    "hi": "Devanagari", "th": "Thai", "ko": "Hangul", "ja": "Kana and Han", "zh": "Kana and Han",
}  # fmt: skip

_PASSED: Final = Finding(True, "English as the question")


@dataclass(frozen=True, slots=True)
class Options:
    """What is expected and how sure a guess must be."""

    expected: str = option(default="", sentence="ISO 639-1 code that answers must have; empty: the question's language.")
    letters: int = option(default=60, sentence="Letters that question and answer must have.")
    sure: float = option(default=0.9, sentence="Probability from which a guess counts, for question and answer each.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    text = exchange.text
    if len(text) < options.letters or not exchange.is_answer or exchange.answer_format is not None or text[0] in "{[<":
        return None
    answer = _beginning(exchange.once(prose), options.letters)
    if answer is None:
        return None
    if options.expected:
        return _against(answer, options.expected, options, text)
    question = _beginning(without_code(exchange.question[:1_000]), options.letters)
    if question is None:
        return None
    if _is_english(question) and _is_english(answer):
        return _PASSED
    if exchange.once(_language_is_spoken_of):
        return None
    asked, given = _script(question), _script(answer)
    if asked is None or given is None:
        return None
    if asked != given:
        return Finding(False, f"asked in {asked} letters, answered in {given}", excerpt(text))
    language, sure = _classifier().classify(question)
    if sure < options.sure:
        return None
    return _against(answer, language, options, text)


def guess(text: str, letters: int = 40) -> tuple[str, float] | None:
    """(ISO 639-1 code, probability) of the language that a text begins in; None where it has too few letters to tell."""
    beginning = _beginning(without_code(text[:1_000]), letters)
    if beginning is None:
        return None
    if _is_english(beginning):
        return "en", 1.0
    found, sure = _classifier().classify(beginning)
    return str(found), float(sure)


def _against(answer: str, language: str, options: Options, text: str) -> Finding | None:
    script = _script(answer)
    if script is not None and script != _SCRIPT_OF.get(language, "Latin") and not (language == "sr" and script == "Cyrillic"):
        return Finding(False, f"{language} was asked for, and the answer is in {script} letters", excerpt(text))
    found, sure = _classifier().classify(answer)
    if sure < options.sure:
        return None
    if found == language:
        return Finding(True, f"in {language}")
    if any({found, language} <= group for group in _ALIKE):
        return None
    return Finding(False, f"{language} was asked for, and the answer is in {found}", excerpt(text))


def _beginning(text: str, letters: int) -> str | None:
    """The part of a text that is looked at; None where it has too few letters."""
    cut = text[: _READ * 2].strip()[:_READ] if len(text) > _READ else text.strip()
    return cut if sum(map(str.isalpha, cut)) >= min(letters, _READ // 2) else None


def _is_english(text: str) -> bool:
    """A cheap sight test: three of English's commonest words among the first."""
    return len(_ENGLISH.intersection(text.lower().split())) >= 3


def _script(text: str) -> str | None:
    """The script of four fifths of the letters; None where none has so many."""
    if text.isascii():
        return "Latin"
    counts = Counter({name: len(letters.findall(text)) for name, letters in _SCRIPTS})
    name, often = counts.most_common(1)[0]
    return name if often >= 0.8 * counts.total() > 0 else None


def _language_is_spoken_of(exchange: LoggedExchange) -> bool:
    """Whether the request itself says something of languages: then a change may be what was wanted."""
    said = "\n".join(message.text[:4_000] for message in exchange.messages if message.role in ("system", "user"))
    return _SPEAKS_OF_IT.search(said[:_ASKED].encode("utf-8", "replace")) is not None


@cache
def _classifier() -> Any:
    """py3langid's model, which lies in its package, over the languages that answers come in."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_KNOWN)
    return identifier
