"""An operator's price file goes over the packaged prices, loses none of them, and is refused with the fix where it is wrong."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.types import Usage as PackageUsage

from config.settings import ConfigError
from proxy.accounting.overrides import Overrides, parse
from proxy.accounting.pricing import Price, Pricer
from proxy.accounting.units import billed
from proxy.exchange import Reading, Usage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000, cache_read_tokens=500_000)


def read(text: str) -> Overrides:
    """A price file."""
    return parse(tomllib.loads(text), "prices.toml")


def cost(file: str, provider: str, model: str, usage: Usage = USAGE, at: datetime = NOW, **fields: object) -> Price:
    """The price of one exchange with that file."""
    return Pricer(read(file)).price(replace(Reading(request_model=model, usage=usage), **fields), provider, "", at)


def package(provider: str, model: str, usage: Usage = USAGE, at: datetime = NOW) -> Decimal:
    """What the package alone says."""
    return genai_prices.calc_price(PackageUsage(**billed(usage)), model, provider_id=provider, genai_request_timestamp=at).total_price


def test_an_own_model_has_an_own_price() -> None:
    """A model nobody lists costs what the file says, and the row says whose price it was."""
    file = 'version = "2026-11"\n[[price]]\nprovider = "my-vllm"\nmodel = "house-7b"\ninput = "0.10"\noutput = "0.40"'
    price = cost(file, "my-vllm", "house-7b")
    assert (price.cost_usd, price.source, price.version) == (Decimal("0.5"), "operator", "2026-11")
    assert cost(file, "other", "house-7b").cost_usd is None


def test_own_hardware_may_cost_nothing() -> None:
    """What is unknown without a word of the operator is 0 with it."""
    file = '[[price]]\nprovider = "ollama"\nmodel = "*"\ninput = 0\noutput = 0'
    assert cost(file, "ollama", "llama3").cost_usd == 0
    assert Pricer().price(Reading(request_model="llama3", usage=USAGE), "ollama", "", NOW).cost_usd is None


def test_a_partial_price_keeps_the_other_keys() -> None:
    """Only the named key changes: output and cache keep the packaged price, and the source says that both had a say."""
    price = cost('[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = "1.00"', "openai", "gpt-4o")
    without = package("openai", "gpt-4o")
    assert price.cost_usd == without - Decimal("0.5") * (Decimal("2.5") - 1)
    assert price.source == "genai-prices+operator"
    assert (price.version or "").startswith(f"{genai_prices.__version__}+")


def test_a_partial_price_keeps_the_steps() -> None:
    """A new base price does not detach the long-context price; `…_tiers` does, where it is asked to."""
    long, short = Usage(input_tokens=300_000, output_tokens=0), Usage(input_tokens=100_000, output_tokens=0)
    head = '[[price]]\nprovider = "google"\nmodel = "gemini-2.5-pro"\n'
    assert cost(head + 'input = "1"', "google", "gemini-2.5-pro", short).cost_usd == Decimal("0.1")
    assert cost(head + 'input = "1"', "google", "gemini-2.5-pro", long).cost_usd == package("google", "gemini-2.5-pro", long)
    assert cost(head + 'input = "1"\ninput_tiers = []', "google", "gemini-2.5-pro", long).cost_usd == Decimal("0.3")
    stepped = head + 'input_tiers = [{above = 250000, price = "9"}]'
    assert cost(stepped, "google", "gemini-2.5-pro", long).cost_usd == Decimal("2.7")
    assert cost(stepped, "google", "gemini-2.5-pro", short).cost_usd == package("google", "gemini-2.5-pro", short)


def test_a_discount_lowers_what_is_packaged() -> None:
    """12.5 % off everything of one upstream, steps included; the file's own prices are final."""
    discount = '[[discount]]\nprovider = "azure"\npercent = "12.5"\n'
    assert cost(discount, "azure", "gpt-4o").cost_usd == package("azure", "gpt-4o") * Decimal("0.875")
    long = Usage(input_tokens=300_000, output_tokens=10)
    everywhere = "[[discount]]\npercent = 50"
    assert cost(everywhere, "google", "gemini-2.5-pro", long).cost_usd == package("google", "gemini-2.5-pro", long) / 2
    both = cost(
        discount + '[[price]]\nprovider = "azure"\nmodel = "gpt-4o"\ninput = "1"\noutput = "1"\ncache_read = "1"', "azure", "gpt-4o"
    )
    assert both.cost_usd == 2
    assert cost(discount, "openai", "gpt-4o").source == "genai-prices"


def test_dates_and_names_decide_not_lines() -> None:
    """The newer price counts from its day on, the exact name before the glob, wherever they stand in the file."""
    file = """
    [[price]]
    model = "house-7b"
    from = 2026-06-01
    input = "2"
    [[price]]
    model = "house-7b"
    from = "2026-01-01T00:00:00+00:00"
    input = "1"
    output = "1"
    [[price]]
    model = "house-*"
    input = "7"
    output = "7"
    """
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    assert cost(file, "x", "house-7b", usage, datetime(2025, 12, 31, 23, 59, tzinfo=UTC)).cost_usd == 7
    assert cost(file, "x", "house-7b", usage, datetime(2026, 1, 1, tzinfo=UTC)).cost_usd == 1
    assert cost(file, "x", "house-7b", usage, datetime(2026, 6, 1)).cost_usd == 2  # noqa: DTZ001 - without a zone it is UTC
    assert cost(file, "x", "house-7b", Usage(input_tokens=0, output_tokens=1_000_000)).cost_usd == 1
    assert cost(file, "x", "house-70b", usage).cost_usd == 7


def test_one_pricer_keeps_the_dates_apart() -> None:
    """The price kept for one side of a date is not given to the other."""
    pricer = Pricer(read('[[price]]\nmodel = "m"\ninput = 1\noutput = 1\n[[price]]\nmodel = "m"\nfrom = 2026-06-01\ninput = 2\noutput = 2'))
    reading = Reading(request_model="m", usage=Usage(input_tokens=1_000_000, output_tokens=0))
    found = [pricer.price(reading, "x", "", datetime(2026, month, 1, tzinfo=UTC)).cost_usd for month in (5, 6, 5, 7, 5)]
    assert found == [1, 2, 1, 2, 1]


def test_a_price_for_a_tier_is_for_that_tier() -> None:
    """Azure's priority tier has no packaged price; the operator's contract has, and the standard price stays."""
    file = '[[price]]\nprovider = "azure"\nmodel = "gpt-4o"\nservice_tier = "priority"\ninput = 4\noutput = 16\ncache_read = 2'
    assert cost(file, "azure", "gpt-4o", service_tier="priority").cost_usd == Decimal(2) + 1 + 16
    assert cost(file, "azure", "gpt-4o").cost_usd == package("azure", "gpt-4o")
    assert cost(file, "azure", "gpt-4o", service_tier="flex").unknown == "no price for service_tier=flex"


def test_half_a_price_is_not_taken_for_a_whole_one() -> None:
    """An own model priced for input alone gives no price once it has answered: output is not free because it was forgotten."""
    file = '[[price]]\nmodel = "house-7b"\ninput = 1'
    assert cost(file, "x", "house-7b").unknown == "the operator's prices name none for output_tokens"
    assert cost(file, "x", "house-7b", Usage(input_tokens=1_000_000)).cost_usd == 1


def test_prices_that_cannot_stand_together_are_said() -> None:
    """Audio without a price for cached audio cannot be counted apart; the row says so instead of a wrong sum."""
    file = '[[price]]\nmodel = "m"\ninput = 1\noutput = 1\ncache_read = "0.1"\ninput_audio = 10'
    assert "cache_audio_read_tokens" in (cost(file, "x", "m").unknown or "")


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ('[[prices]]\nmodel = "m"', "prices.toml: prices is no key of a price file: did you mean price?"),
        ('[price]\nmodel = "m"', "write [[price]] above each"),
        ('[[price]]\nmodel = "m"\ninptu = "1"', "number 1: inptu is no key of a price: did you mean input?"),
        ('[[price]]\ninput = "1"', "model = None must be a name or a glob"),
        ('[[price]]\nmodel = "m"', "names no price"),
        ('[[price]]\nmodel = "m"\ninput = "cheap"', "input = 'cheap' must be a number"),
        ('[[price]]\nmodel = "m"\ninput = true', "input = True must be a number"),
        ('[[price]]\nmodel = "m"\ninput = nan', "must be a number"),
        ('[[price]]\nmodel = "m"\ninput = -1', "must lie between 0 and"),
        ('[[price]]\nmodel = "m"\ninput = 1\nfrom = "soon"', "from must be a date, such as from = 2026-01-01"),
        ('[[price]]\nmodel = "m"\ninput_tiers = 3', "must be a list of steps"),
        ('[[price]]\nmodel = "m"\ninput_tiers = [{above = "x", price = 1}]', "above = 'x' must be a number of input tokens"),
        ('[[price]]\nmodel = "m"\ninput = 1\nservice_tier = 3', "service_tier = 3 must be a word"),
        ("[[discount]]\npercent = 120", "percent = 120 must lie between 0 and 100"),
        ("[[discount]]\n", "percent = None must be a number"),
        ("[[discount]]\npercent = 10\ninput = 3", "input is no key of a discount"),
        ("version = 3", 'version = 3 must be text, such as "2026-11"'),
    ],
)
def test_a_wrong_file_is_refused_with_the_fix(file: str, told: str) -> None:
    """File, table, key, value and what to write instead."""
    with pytest.raises(ConfigError) as refusal:
        read(file)
    assert told in str(refusal.value)
    assert str(refusal.value).startswith("prices.toml: ")


def test_a_file_without_a_version_is_told_by_its_content() -> None:
    """Two files differ in their hash as soon as a price does."""
    one, same, other = (read(f'[[price]]\nmodel = "m"\ninput = {price}') for price in ("1", "1", "2"))
    assert one.version == one.hash == same.hash
    assert one.hash != other.hash
