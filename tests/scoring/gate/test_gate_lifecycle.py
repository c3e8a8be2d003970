"""Statuses move only when it is proven."""

from __future__ import annotations

from scoring.gate.lifecycle import Owed, after_baseline, after_release, owed_to_baseline, owed_to_release
from scoring.gate.rules import Rules
from tests.helpers.gate import results

RULES = Rules()


def test_a_confirmed_case_that_fails_every_run_is_known_failing():
    """One failure only asks for more runs; four in five is a flicker."""
    statuses = dict.fromkeys(("c0", "c1", "c2"), "confirmed")
    assert owed_to_baseline(statuses, results("001"), RULES) == {"c0": 4, "c1": 4}
    baseline = results(["001", "001", "001", "001", "011"])
    assert after_baseline(statuses, baseline, RULES) == {"c0": "known_failing", "c1": "confirmed", "c2": "confirmed"}
    assert owed_to_baseline(statuses, baseline, RULES) == {}


def test_a_known_failure_that_passes_every_run_guards():
    """Once it is proven on both sides."""
    statuses = {"c0": "known_failing"}
    assert owed_to_release(statuses, results("0"), results("1"), RULES) == {"c0": Owed(4, 4)}
    assert after_release(statuses, results("0"), results("1"), RULES) == statuses
    assert after_release(statuses, results(["0"] * 5), results(["1"] * 5), RULES) == {"c0": "guarding"}
    assert after_release(statuses, results(["1"] * 5), results(["1"] * 5), RULES) == {"c0": "guarding"}


def test_a_case_that_flickers_never_guards():
    """Five passes do not prove it where the baseline passes and fails."""
    statuses = {"c0": "known_failing"}
    flickering = results(["0", "1", "0", "0", "0"])
    assert after_release(statuses, flickering, results(["1"] * 5), RULES) == statuses
    assert owed_to_release(statuses, flickering, results("1"), RULES) == {}


def test_guarding_is_for_good():
    """Neither a failure nor an absence ends it."""
    statuses = {"c0": "guarding", "c1": "retired"}
    assert after_baseline(statuses, results(["0"] * 5), RULES) == statuses
    assert after_release(statuses, results("1"), results("0"), RULES) == statuses
