"""What judge calls cost at today's prices, before they are made: for plans, and so that a budget can be kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from config.scoring import Judge, Scoring
from config.settings import Settings
from proxy.accounting.pricing import Pricer
from proxy.exchange import Reading, Usage
from proxy.service.assembly import price_overrides

if TYPE_CHECKING:
    from scoring.judging import Task

ANSWER_TOKENS: Final = 60
QUESTION_TOKENS: Final = 45
PROMPT_TOKENS: Final = 420
"""What a call costs beside the judged text: tokens an answered question, a question, and the instructions. For plans only."""
QUESTIONS: Final = 5
"""Of a rubric that is not known yet."""


def expected(settings: Settings, options: Scoring, of: Judge | None, asked: Sequence[Task]) -> Decimal | None:
    """Dollars of one call on average; None where the price of the model is not known, or there is no call."""
    if of is None or not asked:
        return None
    items = sum(len(task.rubric.item) if task.rubric else QUESTIONS for task in asked) / len(asked)
    shown = sum(min(task.item.tokens, options.most_characters // 4) for task in asked) / len(asked)
    usage = Usage(input_tokens=round(shown + PROMPT_TOKENS + items * QUESTION_TOKENS), output_tokens=round(items * ANSWER_TOKENS))
    return price(settings, of, usage)


def price(settings: Settings, of: Judge, usage: Usage, by: Pricer | None = None) -> Decimal | None:
    """Dollars of one call; None = not known. by: prices that are read already."""
    upstream = settings.upstreams.get(of.upstream)
    reading = Reading(operation="chat", request_model=of.model, response_model=of.model, usage=usage)
    return (by or pricer(settings)).price(reading, of.upstream, (upstream.base_url() or "") if upstream else "", datetime.now(UTC)).cost_usd


def pricer(settings: Settings) -> Pricer:
    """Prices as the log uses them."""
    return Pricer(price_overrides(settings))
