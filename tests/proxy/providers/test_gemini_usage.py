"""Google's usage metadata."""

from __future__ import annotations

import pytest

from proxy.providers.gemini_usage import gemini_usage, service_tier


def test_live_counts_under_another_name() -> None:
    """responseTokenCount is the Live API's word for the candidates' tokens."""
    usage = gemini_usage({"promptTokenCount": 10, "responseTokenCount": 4, "thoughtsTokenCount": 1})
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (10, 5, 1)


def test_what_is_absent_is_unknown() -> None:
    """A blocked answer counts its prompt; an empty object nothing."""
    usage = gemini_usage({"promptTokenCount": 14, "totalTokenCount": 14})
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.input_audio_tokens) == (14, None, None, None)
    assert gemini_usage({}) is None
    assert gemini_usage({"trafficType": "ON_DEMAND"}) is None


@pytest.mark.parametrize(
    ("meta", "tier"),
    [
        ({"serviceTier": "standard"}, "standard"),
        ({"serviceTier": "SERVICE_TIER_PRIORITY"}, "priority"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"trafficType": "ON_DEMAND"}, None),
        ({"trafficType": 1}, None),
        ({"serviceTier": []}, None),
    ],
)
def test_the_tier_that_was_billed(meta: dict[str, object], tier: str | None) -> None:
    """Gemini names it; Vertex tells it by the kind of traffic."""
    assert service_tier(meta) == tier
