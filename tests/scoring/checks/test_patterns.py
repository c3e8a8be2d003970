"""The automata over many patterns."""

from __future__ import annotations

import time

from scoring.checks.patterns import GROUPS, Pattern, Scanner, scanner


def test_all_patterns_compile():
    """As RE2 expressions, each group as one automaton."""
    for group in GROUPS:
        assert scanner(group).occurring(b"nothing in it") == []


def test_names_in_a_group_are_unique():
    """A finding names its pattern."""
    for patterns in GROUPS.values():
        names = [pattern.name for pattern in patterns]
        assert len(set(names)) == len(names)


def test_hits_give_place_group_and_test():
    """A pattern's group is what was found, and its test may refuse it."""
    one, two = Pattern("one", r"key=(\w+)"), Pattern("two", r"\d+", lambda text: len(text) > 2)
    both = Scanner([one, two])
    data = "é key=abc 12 345".encode()
    assert both.occurring(data) == [one, two]
    assert [(hit.pattern.name, hit.start, hit.found) for hit in both.hits(data, [one, two])] == [("one", 7, "abc"), ("two", 14, "345")]


def test_a_hostile_text_takes_no_longer_than_another():
    """Linear in the text, whatever stands in it."""
    for text in (b"I cannot " * 30_000, b"a@" * 100_000, b"0 1" * 80_000, b"ignore all the " * 15_000):
        start = time.process_time()
        for group in GROUPS:
            scanner(group).occurring(text)
        assert time.process_time() - start < 2
