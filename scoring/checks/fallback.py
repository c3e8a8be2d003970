"""Whether the answer only stands in for one: no access, no information, something went wrong, or the application's own stock phrase.

Not told for answers with tool calls, or longer than `longest`: those go on to help.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import opening
from scoring.checks.contract import Finding, Measured, excerpt
from scoring.checks.options import option
from scoring.checks.patterns import FALLBACK
from scoring.logged import LoggedExchange

MEASURED: Final = Measured(hits=24, wrong=("xa92ba668b7be", "xa2184e221b1a"))

_PASSED: Final = Finding(True, "no fallback")


@dataclass(frozen=True, slots=True)
class Options:
    """The application's own words."""

    phrases: tuple[str, ...] = option(default=(), sentence="The application's own fallback texts; an answer that holds one fails for sure.")
    longest: int = option(default=1_200, sentence="Characters of an answer that may be a fallback.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    text = exchange.text
    if not text or not exchange.is_answer or exchange.tool_calls:
        return None
    if options.phrases:
        folded = " ".join(text.casefold().split())
        for phrase in options.phrases:
            if " ".join(phrase.casefold().split()) in folded:
                return Finding(False, "the application's own fallback text", excerpt(text))
    if len(text) > options.longest:
        return None
    found = [pattern for pattern in exchange.once(opening) if pattern in FALLBACK]
    if found:
        return Finding(False, f"stands in for an answer ({found[0].name})", excerpt(text), validated=MEASURED.validated)
    return _PASSED
