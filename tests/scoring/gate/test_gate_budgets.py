"""Cost and latency: ratios beyond chance, limits, and figures that are not known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.gate.results import Header, Result, Results
from scoring.gate.rules import Budget, Rules
from scoring.gate.wording import as_text
from scoring.gate.words import State
from tests.helpers.gate import results, verdict


def _side(costs=None, times=None, header=None, n=60):
    return Results(
        tuple(
            Result(
                f"c{i}", 1, True, cost_usd=None if costs is None else float(costs[i]), latency_ms=None if times is None else float(times[i])
            )
            for i in range(n)
        ),
        header or Header(),
    )


def _figures(seed, factor=1.0):
    return factor * np.random.default_rng(seed).lognormal(7, 0.5, 60)


@pytest.mark.parametrize(("rule", "key"), [("cost", "costs"), ("latency", "times")])
@pytest.mark.parametrize(("factor", "state"), [(1.0, State.PASSED), (1.1, State.PASSED), (2.0, State.FAILED)])
def test_a_ratio_over_the_budget_fails(rule, key, factor, state):
    """Twice as much fails, a tenth more does not."""
    found = verdict(_side(**{key: _figures(1)}), _side(**{key: _figures(1, factor)}))
    assert found.ruling(rule).state is state
    assert found.exit_code == (state is State.FAILED)


@pytest.mark.parametrize("key", ["costs", "times"])
def test_figures_that_vary_by_themselves_do_not_fail(key):
    """Of two hundred comparisons without change, hardly one."""
    failed = sum(verdict(_side(**{key: _figures(i)}), _side(**{key: _figures(1000 + i)})).exit_code for i in range(200))
    assert failed <= 4


def test_a_rise_too_small_to_notice_is_none():
    """Three milliseconds instead of one are another machine, and no slower release."""
    found = verdict(_side(times=[1.0] * 60), _side(times=[3.0] * 60)).ruling("latency")
    assert found.state is State.PASSED
    assert "2 ms; a rise counts from 50 ms" in found.sentence
    assert verdict(_side(times=[100.0] * 60), _side(times=[160.0] * 60)).ruling("latency").state is State.FAILED


def test_few_figures_leave_a_rise_unclear():
    """Four cases at twice the cost."""
    assert verdict(_side([1] * 4, n=4), _side([2] * 4, n=4)).ruling("cost").state is State.INCONCLUSIVE


def test_costs_that_are_not_known_are_not_zero():
    """A candidate without costs is not cheap; a baseline without them is nothing to compare with."""
    assert verdict(_side([1] * 60), _side()).ruling("cost").state is State.INCONCLUSIVE
    assert verdict(_side(), _side([1] * 60)).ruling("cost").state is State.SKIPPED
    assert verdict(results("1"), results("1")).ruling("latency").state is State.SKIPPED


def test_what_reached_nobody_has_no_cost_to_doubt():
    """An outage is told by one rule; that it cost nothing is no second reason."""
    lost = Results(tuple(replace(row, passed=None, error="down") for row in _side().rows))
    found = verdict(_side([1] * 60), lost)
    assert (found.ruling("cost").state, found.is_inconclusive) == (State.SKIPPED, False)
    assert as_text(found).startswith("COULD NOT TELL\n")


def test_the_headline_names_what_is_in_doubt():
    """Not only that something is."""
    text = as_text(verdict(_side([1] * 4, n=4), _side([2] * 4, n=4)))
    assert text.startswith("PASSED, with a warning: something got worse (cost), and chance could have done it\n")


def test_free_and_instant_runs_divide_nothing_by_zero():
    """From nothing to something is a rise beyond any budget."""
    assert verdict(_side([0] * 60), _side([1] * 60)).ruling("cost").state is State.FAILED
    assert verdict(_side([0] * 60), _side([0] * 60)).ruling("cost").state is State.PASSED
    assert verdict(_side(times=[0] * 60), _side(times=[5] * 60)).ruling("latency").state is State.SKIPPED


def test_costs_by_different_prices_are_not_compared():
    """One side has to be priced again."""
    found = verdict(_side([1] * 60, header=Header(prices="p1")), _side([9] * 60, header=Header(prices="p2")))
    assert found.ruling("cost").state is State.INCONCLUSIVE
    assert found.exit_code == 0


def test_limits_hold_whatever_the_baseline():
    """A cost a run, and a time that 95% of runs must keep."""
    rules = Rules(budget=Budget(cost_usd_per_run=0.5, latency_p95_ms=100))
    assert verdict(_side([1] * 60), _side([1] * 60), rules).ruling("cost").state is State.FAILED
    slow = [200] * 10 + [50] * 50
    assert verdict(_side(times=slow), _side(times=slow), rules).ruling("latency").state is State.FAILED
    some = [200] * 4 + [50] * 56
    assert verdict(_side(times=some), _side(times=some), rules).ruling("latency").state is State.PASSED


def test_no_budget_is_no_rule():
    """None switches a ratio off."""
    rules = Rules(budget=Budget(cost_ratio=None, latency_ratio=None))
    found = verdict(_side([1] * 60, [1] * 60), _side([9] * 60, [9] * 60), rules)
    assert {found.ruling(rule).state for rule in ("cost", "latency")} == {State.SKIPPED}
