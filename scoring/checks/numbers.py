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

_NUMBER: Final = re.compile(r"\d[\d,.]*")
_NOT_BEFORE: Final = frozenset("_.[^†-–/:#@=&?")  # parts of names, versions, dates, citations, addresses
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
MEASURED: Final = Measured(hits=10, wrong=("x9b5480dca7ba", "xc55ab6f9e096", "x959297acd65e", "x25895c92dcf6", "x0376795f76e2"))


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
    supplied = exchange.once(_supplied)
    missing = [number for number in stated if number not in supplied and number.rstrip("0").rstrip(".") not in supplied]
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


def numbers_in(text: str) -> list[str]:
    """The numbers a text states, each once, without thousands separators; not the numbers of its lists."""
    found: dict[str, None] = {}
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        before, after = text[start - 1 : start], text[end : end + 1]
        if before in _NOT_BEFORE or before.isalpha() or after.isalpha() or after in ("_", "]", "-", "/", ":", "–"):
            continue
        plain = _plain(match[0].rstrip(".,"))
        if len(plain) < 2 and after != "%":
            continue
        if _is_year(plain) or (match[0][-1:] in (".", ")") and _begins_line(text, start)) or _is_converted(text, start, end):
            continue
        found[plain] = None
    return list(found)


def all_numbers(text: str) -> frozenset[str]:
    """Every number that stands anywhere in a text, as `numbers_in` writes it; decimals also without the noughts at their end."""
    found = {_plain(number.rstrip(".,")) for number in _NUMBER.findall(text)}
    return frozenset(found | {number.rstrip("0").rstrip(".") for number in found if "." in number})


def _supplied(exchange: LoggedExchange) -> frozenset[str]:
    return all_numbers(exchange.request_text)


def _plain(number: str) -> str:
    return number.replace(",", "") if "," in number and _GROUPED.fullmatch(number) else number


def _is_year(number: str) -> bool:
    return len(number) == 4 and number.isdigit() and "2000" <= number <= "2099"


def _begins_line(text: str, start: int) -> bool:
    return not text[text.rfind("\n", 0, start) + 1 : start].strip()


def _is_converted(text: str, start: int, end: int) -> bool:
    """A temperature in the other scale, which answers add in brackets."""
    return text[end : end + 3].lstrip()[:2] in ("°F", "°C") and "(" in text[max(0, start - 12) : start]
