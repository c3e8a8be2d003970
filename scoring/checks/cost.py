"""Whether the answer cost no more than the task allows.

The score is the cost in dollars. Not told where the price is not known: an unknown price is neither cheap nor dear.
"""

from __future__ import annotations

from dataclasses import dataclass

from scoring.checks.contract import Finding
from scoring.checks.options import option
from scoring.logged import LoggedExchange


@dataclass(frozen=True, slots=True)
class Options:
    """What is too dear."""

    max_usd: float = option(default=1.0, sentence="Dollars for one answer.")


def check(exchange: LoggedExchange, options: Options) -> Finding | None:
    """See the file's first lines."""
    if exchange.cost_usd is None or not exchange.is_answer:
        return None
    cost = float(exchange.cost_usd)
    if cost > options.max_usd:
        return Finding(False, f"cost ${cost:.4f}, more than ${options.max_usd:g}", score=cost)
    return Finding(True, "within budget", score=cost)
