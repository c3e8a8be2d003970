"""Whether a classifier's answer is one of its labels.

Applies where the task lists `labels`. The answer is the label itself, or JSON with it in `field`. Case, white space, quotation marks
and a full stop do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scoring.checks.answers import parsed
from scoring.checks.contract import Finding, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange


@dataclass(frozen=True, slots=True)
class Options:
    """The labels."""

    labels: tuple[str, ...] = option(default=(), sentence="All labels there are.")
    field: str = option(default="", sentence="Field of a JSON answer that holds the label; empty: the answer is the label.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not options.labels or not exchange.text or not exchange.is_answer or not exchange.is_whole:
        return None
    given = answered(exchange, options.field)
    if given is not None and _plain(given) in {_plain(label) for label in options.labels}:
        return Finding(True, f"label {given.strip()[:80]}")
    return Finding(False, "the answer is none of the labels", excerpt(exchange.text))


def answered(exchange: LoggedExchange, field: str) -> str | None:
    """The label an answer gives; None where its field is not there."""
    if not field:
        return exchange.text
    value: Any = exchange.once(parsed).value
    for step in field.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _plain(label: str) -> str:
    return label.strip(" \t\n\"'`*.").casefold()
