"""The measurement of what checks cost."""

from __future__ import annotations

from scoring.checks import SHELF, prepare, run
from scoring.checks.speed import exchanges, measure


def test_the_made_up_exchanges_are_worth_measuring():
    """Their answers average over 4 KB, and every kind of check that a request can call for applies to some of them."""
    made = exchanges(25)
    assert sum(len(one.text_bytes) for one in made) / len(made) > 4_000
    applied = {result.name for one in made for result in run(one, prepare([line.name for line in SHELF]))}
    assert {"json_schema", "tool_arguments", "citations", "quotes", "numbers", "language", "cost", "latency"} <= applied


def test_each_check_has_a_line():
    """And the two groups a figure."""
    lines, fast, whole = measure(20, 1)
    assert {line.name for line in SHELF} <= {line.name for line in lines}
    assert 0 < fast < whole
