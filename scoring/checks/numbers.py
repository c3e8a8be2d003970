"""Whether the numbers in the answer stand in what was supplied: documents, tool results, the question.

Applies where documents or tool results were supplied, all as text. Thousands separators, percent signs and currencies do not matter;
single digits, list numbers, citations, converted temperatures and years of the present century are left out. It informs: a sum that the
answer worked out is no invention. The score is the share of numbers that were found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import prose
from scoring.checks.contract import Finding, Measured, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_NUMBER: Final = re.compile(r"(?<![\w.\[^†])\d[\d,.]*\d(?![\w\]])|(?<![\w.\[^†])\d(?=\s?%)")
_LIST_NUMBER: Final = re.compile(r"(?:^|\n)[ \t]{0,6}\d{1,3}[.)]")
_CONVERTED: Final = re.compile(r"\([^()\d]{0,12}\d[\d.,]*\s?°\s?[FC]\)")
"""A temperature in the other scale, which answers add in brackets."""
_GROUPED: Final = re.compile(r"(?<=\d),(?=\d{3}\b)")

MEASURED: Final = Measured(
    hits=11, wrong=("x9b5480dca7ba", "xc55ab6f9e096", "x5729fe19dc5e", "x959297acd65e", "x25895c92dcf6", "x0376795f76e2")
)


@dataclass(frozen=True, slots=True)
class Options:
    """How much may be new."""

    share: float = option(default=1.0, sentence="Share of the numbers that must be found.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.text or not exchange.is_answer or not exchange.sources or exchange.has_attachments:
        return None
    stated = exchange.once(_stated)
    if not stated:
        return None
    source = exchange.once(_source)
    missing = [number for number in stated if not stands_in(number, source)]
    share = 1 - len(missing) / len(stated)
    if share >= options.share:
        return Finding(True, "all numbers were found", score=share, validated=MEASURED.validated)
    place = exchange.text.find(missing[0])
    return Finding(
        False,
        f"{len(missing)} of {len(stated)} numbers stand in no source: {', '.join(missing[:5])}",
        excerpt(exchange.text, max(place, 0)),
        score=share,
        validated=MEASURED.validated,
    )


def _stated(exchange: LoggedExchange) -> list[str]:
    return numbers_in(exchange.once(prose))


def _source(exchange: LoggedExchange) -> str:
    return _GROUPED.sub("", exchange.request_text)


def numbers_in(text: str) -> list[str]:
    """The numbers a text states, each once, without thousands separators; not the numbers of its lists."""
    found: dict[str, None] = {}
    for number in _NUMBER.findall(_CONVERTED.sub("", _LIST_NUMBER.sub("\n", text))):
        plain = _GROUPED.sub("", number).rstrip(".,")
        if len(plain) > 1 and not (len(plain) == 4 and plain.isdigit() and "2000" <= plain <= "2099"):
            found[plain] = None
    return list(found)


def stands_in(number: str, source: str) -> bool:
    """Whether a number stands in a text as a number of its own, and not inside a longer one."""
    start = source.find(number)
    while start >= 0:
        before, after = source[start - 1 : start], source[start + len(number) : start + len(number) + 2]
        longer = after[:1].isdigit() or (after[:1] in (".", ",") and after[1:].isdigit() and "." not in number)
        if not (before.isdigit() or (before in (".", ",") and source[start - 2 : start - 1].isdigit())) and not longer:
            return True
        start = source.find(number, start + 1)
    trimmed = number.rstrip("0").rstrip(".") if "." in number else ""
    return bool(trimmed) and len(trimmed) > 1 and stands_in(trimmed, source)
