"""Rules on pass rates: floor, regression, anchor, slices."""

from __future__ import annotations

import pytest

from scoring.gate.results import BadInput, Result, Results
from scoring.gate.rules import Floor, Rules
from scoring.gate.words import State
from tests.helpers.gate import results, verdict


def test_a_plain_regression_fails_and_names_what_broke():
    """Twelve of 200 lost, none gained."""
    found = verdict(results("1" * 200), results("0" * 12 + "1" * 188))
    ruling = found.ruling("regression")
    assert (found.exit_code, ruling.state) == (1, State.FAILED)
    assert set(ruling.cases) == {f"c{i}" for i in range(12)}
    assert ruling.figures["drop"] == pytest.approx(0.06)
    assert ruling.figures["p"] == pytest.approx(2**-13)


def test_exactly_the_margin_is_not_over_it():
    """Four of 200 are two points, though chance would seldom do it; five are more."""
    assert verdict(results("1" * 200), results("0" * 4 + "1" * 196)).ruling("regression").state is State.PASSED
    assert verdict(results("1" * 200), results("0" * 5 + "1" * 195)).ruling("regression").state is State.FAILED


def test_a_drop_that_chance_could_make_is_unclear():
    """Six points down by 16 worse and 10 better: a warning that says what could be seen, and with --strict exit code 4."""
    base, candidate = results("1" * 16 + "0" * 10 + "1" * 74), results("0" * 16 + "1" * 10 + "1" * 74)
    found = verdict(base, candidate)
    assert (found.exit_code, found.is_inconclusive) == (0, True)
    assert found.smallest_drop is not None
    assert found.smallest_drop > 0.06
    assert verdict(base, candidate, strict=True).exit_code == 4


def test_several_runs_are_compared_by_the_rates_of_cases():
    """Every case that fails once in three on one side only: none fails most of its runs, and it is a drop all the same."""
    found = verdict(results(["1" * 60] * 3), results(["0" * 12 + "1" * 48, "1" * 60, "1" * 60]))
    assert found.ruling("regression").state is State.FAILED
    assert {change.change for change in found.changes} == {"worse"}


def test_steps_of_one_conversation_count_once():
    """Twelve steps of one conversation that break together are one accident; of twelve conversations they are a regression."""

    def side(broken: int, cluster: str | None) -> Results:
        return Results(tuple(Result(f"c{i}", 1, i >= broken, cluster=cluster if i < 12 else None) for i in range(200)))

    assert verdict(side(0, None), side(12, None)).exit_code == 1
    together = verdict(side(0, "talk"), side(12, "talk"))
    assert together.ruling("regression").state is State.INCONCLUSIVE
    assert together.exit_code == 0


def test_unequal_numbers_of_runs_are_refused():
    """With what to run."""
    with pytest.raises(BadInput, match=r"has 3 runs a case and .* has 1: .*--repeat 3"):
        verdict(results(["1"] * 3, "old"), results("1", "new"))


def test_the_floor_fails_by_its_upper_bound():
    """At 81% of 200 the truth may still be 85%; at 75% it may not."""
    rules = Rules(floor=Floor(counts="all"))
    low, lower = results("1" * 162 + "0" * 38), results("1" * 150 + "0" * 50)
    assert verdict(low, low, rules).ruling("floor").state is State.PASSED
    found = verdict(lower, lower, rules)
    assert (found.exit_code, found.ruling("floor").state) == (1, State.FAILED)


def test_what_the_baseline_fails_does_not_block_a_release():
    """A quarter fails on both sides: it is said, and no reason to keep the old release."""
    side = results("1" * 150 + "0" * 50)
    found = verdict(side, side)
    assert found.exit_code == 0
    assert "50 cases that the baseline fails stand outside, and with them the rate is 75.0%" in found.ruling("floor").sentence


def test_a_baseline_that_fails_too_much_excuses_nothing():
    """Where it fails more than a third, all cases count."""
    side = results("1" * 120 + "0" * 80)
    found = verdict(side, side)
    assert (found.exit_code, found.ruling("floor").figures["cases"]) == (1, 200)
    assert "the baseline passes 60.0% of all" in found.ruling("floor").sentence


def test_the_floor_sees_what_the_baseline_held():
    """A third of what passed fails now."""
    found = verdict(results("1" * 90), results("1" * 60 + "0" * 30))
    assert found.ruling("floor").state is State.FAILED


def test_a_slice_has_a_floor_of_its_own():
    """Billing passes 30 of 40 while the whole passes 190 of 200."""

    def side(billing: int) -> Results:
        return Results(
            tuple(Result(f"c{i}", 1, not 0 <= i < billing, slice="billing" if i < 40 else "rest") for i in range(200)),
        )

    rules = Rules(floor=Floor(counts="all", slices={"billing": 0.95}))
    found = verdict(side(10), side(10), rules)
    assert "slice billing 75.0% of 40 pass" in found.ruling("floor").sentence
    assert found.exit_code == 1
    assert verdict(side(1), side(1), rules).exit_code == 0


def test_a_slice_that_falls_while_another_rises_fails():
    """The whole stays where it was."""

    def side(lost: int, won: int) -> Results:
        return Results(
            tuple(
                Result(f"c{i}", 1, i >= lost if i < 100 else i >= 100 + won, slice="refunds" if i < 100 else "search") for i in range(200)
            )
        )

    found = verdict(side(0, 14), side(14, 0))
    assert found.ruling("regression").state is State.PASSED
    assert found.ruling("slices").state is State.FAILED
    assert found.ruling("slices").sentence.startswith("refunds 100.0% before, 86.0% now")
    assert found.exit_code == 1


def test_small_drops_do_not_add_up_past_the_anchor():
    """Four cases lost to the baseline pass; twenty lost to the anchor do not."""
    anchor, base, candidate = (results("0" * lost + "1" * (200 - lost)) for lost in (0, 16, 20))
    assert verdict(base, candidate).exit_code == 0
    found = verdict(base, candidate, anchor=anchor)
    assert (found.exit_code, found.ruling("anchor").state) == (1, State.FAILED)


def test_the_anchor_may_have_run_more_often_and_hold_retired_cases():
    """As many runs are compared as both have, of the cases that both have."""
    found = verdict(results("1" * 40), results("1" * 40), anchor=results(["1" * 50] * 5))
    assert (found.exit_code, found.ruling("anchor").figures["cases"]) == (0, 40)


def test_the_comparisons_share_the_error_that_is_allowed():
    """What is not compared takes none of it."""
    sliced = [Results(tuple(Result(f"c{i}", 1, True, slice=str(i % 2)) for i in range(20))) for _ in range(3)]
    alone = verdict(results("1" * 20), results("1" * 20))
    full = verdict(sliced[0], sliced[1], anchor=sliced[2])
    assert alone.ruling("regression").figures["alpha"] == pytest.approx(0.045)
    shares = [full.ruling(rule).figures["alpha"] for rule in ("regression", "anchor", "slices")]
    assert sum(shares) == pytest.approx(0.045)  # type: ignore[arg-type]
