"""The page of checks."""

from __future__ import annotations

from pathlib import Path

from scoring.checks import SHELF
from scoring.checks.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "checks.md"


def test_the_page_of_checks_is_fresh():
    """docs/checks.md is what the checks themselves say now."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m scoring.checks.reference > docs/checks.md"


def test_each_check_has_its_heading_and_its_line():
    """Nothing on the shelf is left out."""
    text = page()
    for line in SHELF:
        assert f"\n## {line.name}\n" in text
        assert f"| [{line.name}](#{line.name}) |" in text
