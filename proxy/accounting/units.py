"""Says a usage in the price data's own units, so that what a provider bills is counted once and under its right name."""

from __future__ import annotations

from decimal import Decimal

from genai_prices.data_units import unit_data

from proxy.exchange import Usage

MAX_UNITS = 10**12
"""A count beyond this is no usage any provider could have billed for one exchange, but a broken or hostile answer."""

_SAME_NAME = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
    "web_searches",
)
_OTHER_NAME = (
    ("reasoning_tokens", "output_reasoning_tokens"),
    ("cache_read_audio_tokens", "cache_audio_read_tokens"),
    ("search_units", "rerank_searches"),
    ("audio_seconds", "audio_seconds"),
    ("audio_seconds", "input_audio_seconds"),
    ("pages", "input_document_pages"),
    ("characters", "input_characters"),
)
FIELDS: tuple[tuple[str, str], ...] = (*((name, name) for name in _SAME_NAME), *_OTHER_NAME)
"""(field of Usage, unit of the price data): everything we can count that somebody prices. `images` has no unit there."""


Counts = dict[str, int | Decimal]
"""Counts of billed units, by the price data's unit names."""


def is_part(whole: str, unit: str) -> bool:
    """Whether the price data counts `unit` inside `whole`: it has all its dimensions, and more."""
    one, other = unit_data[whole]["dimensions"], unit_data[unit]["dimensions"]
    return whole != unit and bool(one.items() <= other.items())


PARTS: dict[str, tuple[str, ...]] = {unit: tuple(part for _, part in FIELDS if is_part(unit, part)) for unit in unit_data}
"""unit → the units we can report that are parts of it."""


def billed(usage: Usage) -> Counts:
    """Counts by the price data's unit names; cache writes of which only the parts were reported are their sum.

    Raises ValueError where a count is negative or beyond reason.
    """
    counts: Counts = {}
    for field, unit in FIELDS:
        count = getattr(usage, field)
        if count is not None:
            if not 0 <= count <= MAX_UNITS:
                raise ValueError(f"{field} {count} is beyond reason")
            counts[unit] = Decimal(repr(count)) if isinstance(count, float) else count
    if "cache_write_tokens" not in counts and ("cache_write_5m_tokens" in counts or "cache_write_1h_tokens" in counts):
        counts["cache_write_tokens"] = counts.get("cache_write_5m_tokens", 0) + counts.get("cache_write_1h_tokens", 0)
    return counts
