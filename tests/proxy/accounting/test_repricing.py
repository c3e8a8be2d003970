"""Past rows get today's price at their own time, and keep the one they had."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from proxy.accounting.overrides import parse
from proxy.accounting.pricing import Pricer
from proxy.accounting.repricing import reprice

ROW = {
    "exchange_id": "0197",
    "accepted_at": datetime(2026, 11, 20, tzinfo=UTC),
    "provider": "openai",
    "upstream_url": "https://api.openai.com",
    "response_model": "gpt-4o",
    "input_tokens": 1_000_000,
    "output_tokens": 0,
    "cost_usd": Decimal("2.500000000000"),
    "output_text": "not asked for",
}


def test_the_same_prices_change_nothing() -> None:
    """A row that was priced right stays, in whatever precision its column holds the cost."""
    (again,) = reprice([ROW], Pricer())
    assert (again.exchange_id, again.before_usd, again.after.cost_usd, again.changed) == ("0197", Decimal("2.5"), Decimal("2.5"), False)


def test_other_prices_give_both_values() -> None:
    """A new price file: the old cost, the new one, and whose prices the new one is from."""
    pricer = Pricer(parse({"price": [{"model": "gpt-4o", "input": "1", "output": "1"}]}, "prices.toml"))
    (again,) = reprice([ROW], pricer)
    assert (again.before_usd, again.after.cost_usd, again.changed) == (Decimal("2.5"), Decimal(1), True)
    assert again.after.source == "genai-prices+operator"


def test_unknown_becomes_known_and_known_unknown() -> None:
    """Both are changes; neither is taken for 0."""
    unknown, lost = reprice([{**ROW, "cost_usd": None}, {**ROW, "response_model": "unheard-of"}], Pricer())
    assert (unknown.before_usd, unknown.after.cost_usd, unknown.changed) == (None, Decimal("2.5"), True)
    assert (lost.after.cost_usd, lost.after.unknown, lost.changed) == (None, "unknown model", True)
    (still,) = reprice([{**ROW, "cost_usd": None, "input_tokens": None, "output_tokens": None}], Pricer())
    assert (still.after.unknown, still.changed) == ("no usage", False)


def test_conditions_and_time_are_the_row_s_own() -> None:
    """Batch at its own date, not at today's."""
    (batch,) = reprice([{**ROW, "is_batch": True}], Pricer())
    (past,) = reprice([{**ROW, "response_model": "o3", "accepted_at": datetime(2025, 5, 1, tzinfo=UTC)}], Pricer())
    assert (batch.after.cost_usd, past.after.cost_usd) == (Decimal("1.25"), Decimal(10))


def test_a_session_is_priced_by_its_turns() -> None:
    """The turns come along with the row; one without usage leaves the whole unknown."""
    turn = {"response_model": "gpt-4o", "input_tokens": 500_000, "output_tokens": 0}
    whole, part = reprice([{**ROW, "turn_rows": [turn, turn]}, {**ROW, "turn_rows": [turn, {"response_model": "gpt-4o"}]}], Pricer())
    assert (whole.after.cost_usd, part.after.cost_usd) == (Decimal("2.5"), None)


def test_a_row_without_its_key_is_refused() -> None:
    """What a query forgot is said by name."""
    with pytest.raises(KeyError, match="accepted_at, provider"):
        next(reprice([{"exchange_id": 1}], Pricer()))
