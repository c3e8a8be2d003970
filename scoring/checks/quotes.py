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

_QUOTED: Final = re.compile(
    r"“([^“”\n]{20,600})”|„([^„“”\n]{20,600})[“”]|«([^«»\n]{20,600})»|(?<![\w=])\"([^\"\n]{20,600})\"(?!\w)|(?:^|\n)> ([^\n]{20,600})"
)
_ELLIPSIS: Final = re.compile(r"\s*(?:\[?\.\.\.\]?|\[?…\]?)\s*")
_FOLDED: Final = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "’": "'", "‘": "'", "–": "-", "—": "-", "\u00a0": " ", "*": None, "_": None}
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
    source = exchange.once(_folded_source)
    missing = [quote for quote in quoted if not _stands_in(quote, source)]
    share = 1 - len(missing) / len(quoted)
    if not missing:
        return Finding(True, "all quotes were found", score=share, validated=MEASURED.validated)
    return Finding(
        False, f"{len(missing)} of {len(quoted)} quotes stand in no source", excerpt(missing[0]), score=share, validated=MEASURED.validated
    )


def _quotes(exchange: LoggedExchange) -> list[str]:
    text = exchange.once(prose)
    return [next(filter(None, match.groups())) for match in _QUOTED.finditer(text)]


def _folded_source(exchange: LoggedExchange) -> str:
    return fold(exchange.request_text)


def _stands_in(quote: str, source: str) -> bool:
    parts = [fold(part).strip(" .,;:!?\"'") for part in _ELLIPSIS.split(quote)]
    return all(part in source for part in parts if part)


def fold(text: str) -> str:
    """A text as it is compared: one form of quotation marks and dashes, single spaces, no case, no emphasis marks."""
    return " ".join(text.translate(_FOLDED).casefold().split())
