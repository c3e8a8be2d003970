"""Findings, and what makes a check's words count."""

from __future__ import annotations

from scoring.checks.contract import Finding, Measured, excerpt


def test_only_validated_failures_flag():
    """A pass, an unscored item and an unvalidated failure do not."""
    assert Finding(False, "x").flags
    assert not Finding(False, "x", validated=False).flags
    assert not Finding(True, "x").flags
    assert not Finding(None, "x").flags


def test_a_check_is_validated_by_enough_hits_that_were_nearly_all_right():
    """Twenty hits, nine in ten."""
    assert Measured(20, ("a", "b")).validated
    assert not Measured(19).validated
    assert not Measured(20, ("a", "b", "c")).validated
    assert Measured(0).precision is None
    assert Measured(4, ("a",)).precision == 0.75


def test_an_excerpt_is_short_and_on_one_line():
    """Around a place in the text, lone surrogates replaced."""
    text = "a" * 300 + "\n\nHERE\ud800" + "b" * 300
    cut = excerpt(text, 302)
    assert "HERE?" in cut
    assert "\n" not in cut
    assert cut.startswith("…")
    assert cut.endswith("…")
    assert excerpt("short") == "short"
