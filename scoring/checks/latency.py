"""Whether the answer came in time: all of it, and its first part.

The score is the duration in milliseconds. Not told where nobody saw the answer's end.
"""

from __future__ import annotations

from dataclasses import dataclass

from scoring.checks.contract import Finding
from scoring.checks.options import option
from scoring.logged import LoggedExchange


@dataclass(frozen=True, slots=True)
class Options:
    """What is too slow; 0 = not looked at."""

    max_ms: float = option(default=120_000.0, sentence="Milliseconds for the whole answer; 0: any.")
    max_first_ms: float = option(default=30_000.0, sentence="Milliseconds to the first part of a stream; 0: any.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    took, first = exchange.duration_ms, exchange.time_to_first_chunk_ms
    if took is None or not exchange.is_answer:
        return None
    if options.max_ms and took > options.max_ms:
        return Finding(False, f"took {took / 1000:.1f} s, more than {options.max_ms / 1000:g} s", score=took)
    if exchange.is_stream and first is not None and options.max_first_ms and first > options.max_first_ms:
        return Finding(False, f"first part after {first / 1000:.1f} s, more than {options.max_first_ms / 1000:g} s", score=took)
    return Finding(True, "in time", score=took)
