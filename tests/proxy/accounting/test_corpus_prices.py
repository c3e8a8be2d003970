"""Prices of recorded exchanges against what a careful reader worked out for each."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.accounting.pricing import Pricer
from proxy.exchange import Reading, Usage

CORPUS = Path(__file__).resolve().parents[3].parent / "shared" / "corpus" / "exchanges.jsonl.gz"
DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIELDS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "reasoning_tokens", "input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens", "web_searches", "search_units",
)  # fmt: skip


def records() -> Iterator[dict[str, Any]]:
    """The recorded exchanges."""
    if not CORPUS.is_file():
        pytest.skip("the recorded provider traffic is not here")
    with gzip.open(CORPUS, "rt") as lines:
        yield from map(json.loads, lines)


def reading(record: dict[str, Any]) -> Reading:
    """What a perfect reader would hand on."""
    oracle = record["oracle"]
    usage = None
    if oracle.get("usage_reported"):
        told = oracle["usage"]
        usage = Usage(
            **{field: told.get(field) for field in FIELDS}, pages=told.get("pages_processed"), audio_seconds=told.get("audio_seconds")
        )
    return Reading(
        operation="embeddings" if "embed" in record["api_kind"].lower() else "chat",
        request_model=oracle.get("model_request"),
        response_model=oracle.get("model_response"),
        service_tier=oracle.get("service_tier"),
        usage=usage,
    )


def test_recorded_exchanges_cost_what_they_should() -> None:
    """99 of 100 agree where two price lists agree; where nothing was reported there is no cost."""
    pricer = Pricer()
    right = wrong = 0
    for record in records():
        oracle = record["oracle"]
        price = pricer.price(reading(record), record["provider"], record["url"], DAY)
        if not oracle.get("usage_reported"):
            assert price.cost_usd is None
        expected = (oracle.get("genai_prices") or {}).get("usd")
        compared = (
            oracle.get("price_agree") and record["provider"] != "deepseek" and not {"price", "usage"} & set(oracle.get("ambiguous") or ())
        )
        if expected is None or not compared:
            continue
        agrees = price.cost_usd is not None and abs(float(price.cost_usd) - expected) <= 1e-9 + 1e-6 * abs(expected)
        right, wrong = right + agrees, wrong + (not agrees)
    assert right + wrong > 1_000
    assert right / (right + wrong) >= 0.99
