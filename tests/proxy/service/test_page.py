"""The page escapes what traffic brought, and says what it does not know."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal

from proxy.service.page import CSP, View, money, number, render

LAST = (datetime(2026, 11, 20, 10, tzinfo=UTC), "openai", "<b>m</b>", None, 200, "partial", 10, None, Decimal("0.0000045"), 12.5)


def test_shows_and_escapes() -> None:
    """A model's name is text, never markup."""
    text = render(View("http://127.0.0.1:8080", True, 0.2, None, (2, Decimal("1.5"), 1, 1, 10, 5, 12.0), [LAST]))
    assert "&lt;b&gt;m&lt;/b&gt;" in text
    assert "<b>" not in text
    assert "1.50 + 1 without a price" in text
    assert '<td class="bad">partial</td>' in text


def test_shows_trouble() -> None:
    """A log that cannot be asked leaves dashes, and its error."""
    text = render(View(None, False, 99.0, "No space left on device", None, []))
    assert "No space left on device" in text
    assert "Nothing has passed yet." in text


def test_the_policy_allows_the_one_style() -> None:
    """Its hash is that of the style in the page."""
    style = re.search(r"<style>(.*?)</style>", render(View(None, True, 0, None, None, [])), re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in CSP


def test_numbers() -> None:
    """Unknown is a dash, never 0."""
    assert [number(None), number(0), number(12345)] == ["–", "0", "12,345"]
    assert [money(None), money(Decimal(0)), money(Decimal("0.0000046")), money(Decimal("1234.5"))] == [
        "–",
        "0.000000",
        "0.000005",
        "1,234.50",
    ]
