"""Whether the answer came to its own end, and was not cut off at a limit of tokens or by a stream that broke.

Not told where the provider gave no finish reason and nothing broke, nor where the client hung up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scoring.checks.answers import cut_short
from scoring.checks.contract import Finding, excerpt
from scoring.logged import LoggedExchange

_PASSED: Final = Finding(True, "finished")


@dataclass(frozen=True, slots=True)
class Options:
    """None."""


def check(exchange: LoggedExchange, _options: Options) -> Finding | None:
    """See the file's first lines."""
    if not exchange.is_answer or exchange.ending in ("client_gone", "lost"):
        return None
    if exchange.ending in ("partial", "upstream_error"):
        return Finding(False, "the stream broke off before its end", excerpt(exchange.text, len(exchange.text)))
    limit = cut_short(exchange)
    if limit is not None:
        return Finding(False, f"cut off at a limit ({limit})", excerpt(exchange.text, len(exchange.text)))
    return _PASSED if exchange.finish_reasons else None
