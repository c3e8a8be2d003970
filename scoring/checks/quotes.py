"""Whether what the answer puts in quotation marks stands in what was supplied: documents, tool results, the user's own words.

Applies where documents or tool results were supplied, all as text, and the answer quotes at least `words` words. White space, case and
the form of quotation marks do not matter; an ellipsis stands for anything. The score is the share of quotes that were found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import prose
from scoring.checks.contract import Finding, Measured, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

_MARKS: Final = (("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"))
_LENGTH: Final = range(20, 601)  # characters of a quote
_ELLIPSIS: Final = re.compile(r"\s*(?:\[?\.\.\.\]?|\[?…\]?)\s*")
_ONE_FORM: Final = (
    ("“", '"'),
    ("”", '"'),
    ("„", '"'),
    ("«", '"'),
    ("»", '"'),
    ("’", "'"),
    ("‘", "'"),
    ("–", "-"),
    ("—", "-"),
    ("*", ""),
    ("_", ""),
)
MEASURED: Final = Measured(hits=2, wrong=("x77df73bc1c7d", "x868152819300"))


@dataclass(frozen=True, slots=True)
class Options:
    """What counts as a quote."""

    words: int = option(default=5, sentence="Words from which a passage in quotation marks is taken for a quote.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.text or not exchange.is_answer:
        return None
    quoted = [quote for quote in exchange.once(_quotes) if quote.count(" ") + 1 >= options.words]
    if not quoted or not exchange.sources or exchange.has_attachments:
        return None
    missing = [quote for quote in quoted if quote not in exchange.request_text and not _stands_in(quote, exchange.once(_folded_source))]
    share = 1 - len(missing) / len(quoted)
    if not missing:
        return Finding(True, "all quotes were found", score=share, validated=MEASURED.validated)
    return Finding(
        False, f"{len(missing)} of {len(quoted)} quotes stand in no source", excerpt(missing[0]), score=share, validated=MEASURED.validated
    )


def _quotes(exchange: LoggedExchange) -> list[str]:
    return quotes_in(exchange.once(prose))


def quotes_in(text: str) -> list[str]:
    """What stands between quotation marks in one line, or in a quoted line (`> …`), and is long enough to be a quote."""
    found: list[str] = []
    for opening, closing in _MARKS:
        if opening in text:
            for part in text.split(opening)[1:]:
                quote, closed, _ = part.partition(closing)
                if closed and "\n" not in quote:
                    found.append(quote)
    if '"' in text:
        for line in text.split("\n"):
            marks = line.count('"')
            if marks and marks % 2 == 0:
                found += line.split('"')[1::2]
    if "\n> " in text or text.startswith("> "):
        found += [line[2:] for line in text.split("\n") if line.startswith("> ")]
    return [quote for quote in found if len(quote) in _LENGTH]


def _folded_source(exchange: LoggedExchange) -> str:
    return fold(exchange.request_text)


def _stands_in(quote: str, source: str) -> bool:
    parts = [fold(part).strip(" .,;:!?\"'") for part in _ELLIPSIS.split(quote)]
    return all(part in source for part in parts if part)


def fold(text: str) -> str:
    """A text as it is compared: one form of quotation marks and dashes, single spaces, no case, no emphasis marks."""
    for mark, form in _ONE_FORM:
        text = text.replace(mark, form)
    return " ".join(text.lower().split())
