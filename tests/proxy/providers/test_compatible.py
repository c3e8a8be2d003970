"""Usage and cost as OpenAI and the hosts that speak its dialects report them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Usage
from proxy.providers.compatible import metrics_of, reported_cost, usage_of


def counts(usage: Usage | None) -> tuple[int | None, ...]:
    """Input, output, cache read, cache write, reasoning."""
    assert usage is not None
    return (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens)


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        pytest.param({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}, (10, 2, None, None, None), id="OpenAI chat"),
        pytest.param(
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            (10, 5, 4, 3, 2),
            id="OpenAI responses",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13, "cached_tokens": 8}, (10, 3, 8, None, None), id="Moonshot"
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 3, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4},
            (10, 3, 6, None, None),
            id="DeepSeek",
        ),
        pytest.param(
            {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303, "completion_tokens_details": {"reasoning_tokens": 290}},
            (12, 291, None, None, 290),
            id="xAI: reasoning outside",
        ),
        pytest.param(
            {"prompt_tokens": 12, "completion_tokens": 291, "total_tokens": 303, "completion_tokens_details": {"reasoning_tokens": 290}},
            (12, 291, None, None, 290),
            id="reasoning inside",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": 9, "reasoning_tokens": 7}, (10, 9, None, None, 7), id="Perplexity deep research"
        ),
        pytest.param(
            {"prompt_tokens": 458, "completion_tokens": 60, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 50},
            (458, 60, 400, 50, None),
            id="Databricks: cached inside",
        ),
        pytest.param(
            {"prompt_tokens": 8, "completion_tokens": 60, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 50},
            (458, 60, 400, 50, None),
            id="Anthropic's fields with the cached outside",
        ),
        pytest.param(
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_token_details": {"cached_tokens": 1},
                "completion_token_details": {"reasoning_tokens": 1},
            },
            (5, 2, 1, None, 1),
            id="Writer",
        ),
        pytest.param({"total_tokens": 17}, (17, None, None, None, None), id="Voyage"),
        pytest.param(
            {"prompt_tokens": 5, "completion_tokens": 0, "num_cached_tokens": 4},
            (5, 0, None, None, None),
            id="Mistral's engine count is not read",
        ),
        pytest.param({"prompt_tokens": "12", "completion_tokens": 3.0}, (12, 3, None, None, None), id="numbers in other clothes"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": 2}, (None, 2, None, None, None), id="nonsense is unknown"),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, None, None, None), id="zero is zero"),
    ],
)
def test_usage(raw: dict[str, Any], want: tuple[int | None, ...]) -> None:
    """All prompt tokens are input, all generated ones output; what is not reported is None."""
    assert counts(usage_of(raw)) == want


def test_gemini_behind_openais_dialect() -> None:
    """Its thoughts stand in the total alone; for other models a larger total means nothing."""
    raw = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}
    assert counts(usage_of(raw, thoughts_apart=True)) == (10, 30, None, None, 25)
    assert counts(usage_of(raw)) == (10, 5, None, None, None)


def test_units_that_are_no_tokens() -> None:
    """Seconds, pages and searches are units of their own."""
    assert usage_of({"type": "duration", "seconds": 37}) == Usage(audio_seconds=37.0, raw='{"type":"duration","seconds":37}')
    pages = usage_of({"pages_processed": 3, "doc_size_bytes": 9})
    assert pages is not None
    assert (pages.pages, pages.input_tokens) == (3, None)
    voxtral = usage_of({"prompt_audio_seconds": 36, "prompt_tokens": 13, "completion_tokens": 151})
    assert voxtral is not None
    assert (voxtral.audio_seconds, voxtral.input_tokens) == (36.0, 13)
    searched = usage_of({"prompt_tokens": 1, "completion_tokens": 1, "server_side_tool_usage_details": {"web_search_calls": 2}})
    assert searched is not None
    assert searched.web_searches == 2


def test_audio_and_image_tokens() -> None:
    """Modalities are parts of input and output; cached audio is a part of the cached."""
    details = {"text_tokens": 14, "audio_tokens": 26, "image_tokens": 2, "cached_tokens": 9, "cached_tokens_details": {"audio_tokens": 5}}
    usage = usage_of(
        {
            "input_tokens": 42,
            "output_tokens": 7,
            "input_token_details": details,
            "output_token_details": {"audio_tokens": 6, "image_tokens": 1},
        }
    )
    assert usage is not None
    assert (usage.input_audio_tokens, usage.input_image_tokens, usage.cache_read_audio_tokens) == (26, 2, 5)
    assert (usage.output_audio_tokens, usage.output_image_tokens, usage.cache_read_tokens) == (6, 1, 9)


@pytest.mark.parametrize(
    "raw", [{}, {"queue_time": 1.5}, {"prompt_tokens": None}, {"prompt_tokens": [1]}, {"total_tokens": 5, "output_tokens": None}]
)
def test_an_object_without_counts_is_no_usage(raw: dict[str, Any]) -> None:
    """Usage that says nothing is not reported."""
    assert usage_of(raw) is None


@pytest.mark.parametrize(
    ("raw", "cost"),
    [
        ({"cost": 0.00333825}, "0.00333825"),
        ({"cost": {"total_cost": 0.00507, "currency": "USD"}}, "0.00507"),
        ({"cost_in_usd_ticks": 1466250}, "0.000146625"),
        ({"estimated_cost": 1e-7}, "1E-7"),
        ({"pydantic_ai_gateway": {"cost_estimate": 3.11e-05}}, "0.0000311"),
        ({"cost": 0}, "0"),
        ({"cost": None}, None),
        ({"cost": -1}, None),
        ({"cost": "NaN"}, None),
        ({}, None),
    ],
)
def test_reported_cost(raw: dict[str, Any], cost: str | None) -> None:
    """The host's own figure in US dollars, wherever it stands."""
    assert reported_cost(raw) == (None if cost is None else Decimal(cost))


def test_cost_in_a_header() -> None:
    """LiteLLM tells the cost in a header."""
    assert reported_cost({}, (("x-litellm-response-cost", "0.25"),)) == Decimal("0.25")


def test_metrics() -> None:
    """Only an object with something in it is kept."""
    assert metrics_of({"metrics": {"a": 1}}) == '{"a":1}'
    assert metrics_of({"metrics": None, "timings": {}}) is None


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
NAMES = st.sampled_from(
    "prompt_tokens completion_tokens total_tokens input_tokens output_tokens cached_tokens cost seconds prompt_tokens_details reasoning_tokens "
    "completion_tokens_details cache_read_input_tokens cache_creation_input_tokens pages_processed cost_in_usd_ticks".split()
)
OBJECTS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=4), max_size=8)


@given(OBJECTS, st.booleans())
def test_anything_may_stand_in_a_usage_object(raw: dict[str, Any], thoughts_apart: bool) -> None:
    """No object raises, no count is negative, and reasoning the arithmetic adds is inside the output."""
    usage = usage_of(raw, thoughts_apart)
    reported_cost(raw)
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
        value = getattr(usage, name, None)
        assert value is None or value >= 0
