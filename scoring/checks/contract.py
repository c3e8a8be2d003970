"""What every check is: one signature, one kind of answer. None = the check does not apply to this exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from scoring.logged import LoggedExchange

MOST_WORDS: Final = 300
"""Characters of a reason or of evidence: a person reads it in a table."""

ENOUGH_HITS: Final = 20
"""Hits below which a precision says little: 20 of 20 still leaves room down to 0.84 (Wilson, 95%)."""
MOST_WRONG: Final = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of one exchange. `passed` is None where it applies and could not tell; `reason` then says why (unscored)."""

    passed: bool | None
    reason: str
    evidence: str | None = None  # quoted from the exchange
    score: float | None = None  # 0 to 1, or in the unit that the check's page names
    validated: bool = True  # False: its precision was not shown, so it informs and never flags
    overrides_judge: bool = False  # a judge that passes such an answer was fooled

    @property
    def flags(self) -> bool:
        """Whether a failure of the exchange is to be flagged for this."""
        return self.passed is False and self.validated


class Measured(NamedTuple):
    """How a check did on the recorded corpus: its distinct findings of a failure, each read by a careful reader.

    The patterns were written with this corpus in view, so that the figure flatters; a test counts the hits again.
    """

    hits: int
    wrong: tuple[str, ...] = ()  # exchanges of the corpus in which the finding says what is not so

    @property
    def precision(self) -> float | None:
        """Share of the hits that were right; None without hits."""
        return None if not self.hits else 1 - len(self.wrong) / self.hits

    @property
    def validated(self) -> bool:
        """Whether findings may flag: enough hits were read, and nearly all were right."""
        return self.hits >= ENOUGH_HITS and len(self.wrong) <= self.hits * MOST_WRONG


class Check(NamedTuple):
    """A line of the shelf."""

    name: str
    check: Callable[[LoggedExchange, Any], Finding | None]
    options: type  # a frozen dataclass with defaults; a user's own check may take a plain mapping: dict


def excerpt(text: str, around: int = 0, most: int = 160) -> str:
    """A quotation of at most `most` characters around a place in a text, on one line; lone surrogates replaced."""
    start = max(0, min(around - most // 4, len(text) - most))
    cut = " ".join(text[start : start + most].split())
    cut = cut.encode("utf-8", "replace").decode()
    return ("…" if start else "") + cut + ("…" if start + most < len(text) else "")
