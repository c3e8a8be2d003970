"""Which special conditions an exchange was billed under (batch, flex, priority, fast), in the words of the price data.

An unknown condition handed to the price data would silently give the standard price; so the words that mean the standard
price are listed here, and everything else must be known for the model or there is no price.
"""

from __future__ import annotations

from proxy.exchange import Reading

Conditions = tuple[tuple[str, str], ...]
"""Pairs of the price data's context, such as (("service_tier", "flex"),); empty = the standard price."""

STANDARD = frozenset(
    {"", "auto", "default", "standard", "standard_only", "on_demand", "unspecified", "traffic_type_unspecified", "service_tier_unspecified"}
)
"""Service tiers that every provider bills at its list price (OpenAI, Anthropic, Groq, Bedrock, Mistral, Gemini and Vertex words)."""

_RENAMED = {"on_demand_flex": "flex", "on_demand_priority": "priority"}  # Vertex AI's trafficType
_LIST_PRICE = frozenset(
    {
        ("groq", "flex"),  # https://console.groq.com/docs/flex-processing: same price as on demand
        ("openrouter", "provisioned"),  # the tier of the host behind the router; its customers pay the list price
    }
)


def conditions(reading: Reading, billed_by: str | None) -> Conditions:
    """The conditions of one exchange; what the provider answered counts before what was asked.

    billed_by: the price data's id of the provider, None where it is unknown.
    """
    tier = (reading.service_tier or reading.service_tier_requested or "").lower().removeprefix("service_tier_")
    tier = _RENAMED.get(tier, tier)
    found: list[tuple[str, str]] = []
    if reading.batch or tier == "batch":
        found.append(("processing", "batch"))
    if reading.speed == "fast":
        found.append(("speed", "fast"))
    if tier != "batch" and tier not in STANDARD and (billed_by, tier) not in _LIST_PRICE:
        found.append(("service_tier", tier))
    return tuple(found)
