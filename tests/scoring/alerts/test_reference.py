"""The page of keys is what the code says, and every key says what it is for."""

from __future__ import annotations

from pathlib import Path

from scoring.alerts.kinds import KINDS
from scoring.alerts.reference import page
from scoring.alerts.rules import load

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_keys_is_fresh():
    """docs/alert-rules.md is what scripts/docs would write now."""
    assert (DOCS / "alert-rules.md").read_text(encoding="utf-8") == page(), "run scripts/docs"


def test_every_key_says_what_it_is_for():
    """No row of the page is without its sentence."""
    assert not [line for line in page().splitlines() if line.endswith("|  |")]
    for kind in KINDS:
        assert f'## kind = "{kind}"' in page()


def test_every_shipped_rule_is_on_the_page_of_alerts():
    """docs/alerts.md names each rule."""
    text = (DOCS / "alerts.md").read_text(encoding="utf-8")
    assert not [rule.name for rule in load().rules if rule.name not in text]
