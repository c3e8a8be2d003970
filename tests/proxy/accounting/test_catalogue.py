"""The packaged price data tells which it is, how old it is at least, and whose model a name means."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.types import Usage as PackageUsage

from proxy.accounting.catalogue import BILLED_BY, GATEWAYS, OWN_PRICE, Found, Missing, find, price_data_version
from proxy.accounting.pricing import Pricer
from proxy.exchange import Reading, Usage


def test_the_data_says_its_version_and_age() -> None:
    """The version is the package's, the hash is of the content, and the age grows with the day asked about."""
    told, later = price_data_version(date(2026, 11, 20)), price_data_version(date(2026, 11, 25))
    assert told.version == genai_prices.__version__
    assert len(told.hash) == 12
    assert told.hash == later.hash
    assert told.age_days is not None
    assert later.age_days == told.age_days + 5
    assert price_data_version(date(1999, 1, 1)).age_days is None


def test_every_name_of_ours_leads_somewhere() -> None:
    """The table maps to providers that the data holds, and no name is both priced and not."""
    known = {provider.id for provider in providers}
    assert set(BILLED_BY.values()) <= known
    assert not (known | set(BILLED_BY)) & (OWN_PRICE | GATEWAYS)


@pytest.mark.parametrize("name", ["openai", "anthropic", "google", "mistral", "groq", "x-ai", "deepseek", "openrouter"])
def test_a_known_name_counts_before_the_address(name: str) -> None:
    """An upstream called by its provider's name is that provider, though it is reached through a relay."""
    found = find(name, "https://relay.example/v1", "unheard-of", None)
    assert found == Missing("unknown model", name)


def test_a_gateway_names_maker_and_model() -> None:
    """`maker/model` through a gateway leads to the maker's list; an open model through one could be anybody's."""
    found = find("vercel-gateway", "https://ai-gateway.vercel.sh", "google/gemini-2.5-flash", None)
    assert isinstance(found, Found)
    assert (found.provider.id, found.by_name) == ("google", True)
    assert find("vercel-gateway", "", "meta/llama-4-scout", None) == Missing("unknown provider")


def test_a_kept_price_is_quick() -> None:
    """The same model again costs a small part of what the package takes, which is why prices are kept."""
    pricer, at = Pricer(), datetime(2026, 11, 20, tzinfo=UTC)
    reading = Reading(request_model="gpt-4o", usage=Usage(input_tokens=1000, output_tokens=10, cache_read_tokens=0))
    usage = PackageUsage(input_tokens=1000, output_tokens=10, cache_read_tokens=0)

    def best(times: int = 7) -> tuple[float, float]:
        ours, theirs = [], []
        for _ in range(times):
            begun = time.process_time()
            for _ in range(300):
                pricer.price(reading, "openai", "https://api.openai.com", at)
            between = time.process_time()
            for _ in range(300):
                genai_prices.calc_price(usage, "gpt-4o", provider_id="openai", genai_request_timestamp=at)
            ours.append(between - begun)
            theirs.append(time.process_time() - between)
        return min(ours), min(theirs)

    kept, package = best()
    assert kept * 5 < package
