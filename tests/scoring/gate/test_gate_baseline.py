"""A baseline in figures, before anything is held against it."""

from __future__ import annotations

import pytest

from scoring.gate.baseline import worth
from scoring.gate.results import BadInput, Result, Results
from scoring.gate.rules import Rules
from scoring.gate.simulation import Setting, simulate
from tests.helpers.gate import results


def test_what_flickers_and_what_fails_is_told_apart():
    """Two runs show it; known failures and cases set aside are not counted."""
    base = results(["1" * 7 + "010", "1" * 7 + "100"])
    more = [Result(case, run, False, status=status) for run in (1, 2) for case, status in (("k", "known_failing"), ("r", "retired"))]
    found = worth(base.with_more([*more, Result("u", 1, None, error="refused"), Result("u", 2, True)]), Rules())
    assert (found.flickering, found.failing, found.known_failing, found.unmeasured) == (("c7", "c8"), ("c9",), ("k",), ("u",))
    assert found.cases == 11
    assert found.low < found.rate < found.high


def test_one_run_does_not_show_its_own_noise():
    """What it would let be seen is not known."""
    assert worth(results("1" * 20), Rules()).detectable_drop is None


def test_the_detectable_drop_is_found_about_four_times_in_five():
    """20% flaky cases, three runs: the figure, tried out by simulation."""
    flaky = results([("10"[run % 2] * 20 + "01"[run // 2] * 20) + "1" * 160 for run in range(3)])
    drop = worth(flaky, Rules()).detectable_drop
    assert drop is not None
    assert 0.7 < simulate(Setting(0.2, 3, drop), 60, seed=2).failed / 60 < 0.95


def test_nothing_that_counts_is_refused():
    """With what a baseline needs."""
    with pytest.raises(BadInput, match="no case in it counts"):
        worth(Results((Result("a", 1, True, status="candidate"),)), Rules())
