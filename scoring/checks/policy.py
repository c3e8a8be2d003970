"""Whether the answer keeps to the operator's own patterns: what it must not say, and what it must.

Applies where the task gives patterns (RE2 syntax). They flag only where the operator says that their precision was looked at
(`validated = true` in the check's table).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import re2

from scoring.checks.contract import Finding, Measured, excerpt
from scoring.checks.options import option
from scoring.logged import LoggedExchange

MEASURED: Final = Measured(hits=0)
"""Whose patterns they are, is to measure them."""


@dataclass(frozen=True, slots=True)
class Options:
    """Patterns by name; a bad one is an error when the options are read."""

    forbidden: Mapping[str, str] = field(default_factory=dict, metadata={"sentence": "Name → pattern that must not occur in an answer."})
    required: Mapping[str, str] = field(default_factory=dict, metadata={"sentence": "Name → pattern that must occur in an answer."})
    longest: int = option(default=100_000, sentence="Characters of the answer that are searched.")

    def __post_init__(self) -> None:
        for group in (self.forbidden, self.required):
            for name, pattern in group.items():
                try:
                    _compiled(pattern)
                except re2.error as error:
                    said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
                    raise ValueError(f"pattern {name!r} is no RE2 expression: {said}") from error


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if not (options.forbidden or options.required) or not exchange.text or not exchange.is_answer:
        return None
    data = exchange.text_bytes[: options.longest * 4]
    for name, pattern in options.forbidden.items():
        match = _compiled(pattern).search(data)
        if match is not None:
            return Finding(
                False, f"says what it must not ({name})", excerpt(match.group(0).decode("utf-8", "replace")), validated=MEASURED.validated
            )
    for name, pattern in options.required.items():
        if _compiled(pattern).search(data) is None:
            return Finding(False, f"does not say what it must ({name})", excerpt(exchange.text), validated=MEASURED.validated)
    return Finding(True, "keeps to the policy", validated=MEASURED.validated)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern.encode(), options)
