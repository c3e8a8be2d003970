"""The gate's statistics against independent computations: enumeration, scipy, published examples."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, wilcoxon

from scoring.gate.significance import exceeding_p, holm, rise_p, share, sign_flip_p, smallest_drop


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), max_size=7), st.integers(1, 3))
def test_the_sign_flip_test_is_what_trying_all_signs_gives(steps, unit):
    """Mid-p: the chance of a larger sum, and half the chance of the same."""
    drops = [Fraction(step, unit) for step in steps]
    sums = [
        sum(sign * abs(drop) for sign, drop in zip(signs, drops, strict=True)) for signs in itertools.product((1, -1), repeat=len(drops))
    ]
    by_hand = sum((one > sum(drops)) + (one == sum(drops)) / 2 for one in sums) / len(sums)
    assert sign_flip_p(drops) == pytest.approx(by_hand if any(drops) else 1.0)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_with_one_run_it_is_mcnemars_mid_p(worse, better):
    """The binomial tail of the discordant pairs, less half its first term."""
    n = worse + better
    by_scipy = binom.sf(worse, n, 0.5) + binom.pmf(worse, n, 0.5) / 2 if n else 1.0
    assert sign_flip_p([1] * worse + [-1] * better) == pytest.approx(by_scipy)


def test_very_many_runs_are_tested_by_the_normal_distribution():
    """The approximation meets the exact value where both can be had."""
    drops = [3] * 400 + [-2] * 520
    assert sign_flip_p(drops, cells=100) == pytest.approx(sign_flip_p(drops), abs=0.002)


def test_the_upper_bound_is_clopper_and_pearsons_where_cases_are_independent():
    """At one case less, since the variance was estimated."""
    one = share([(1.0, i) for i in range(170)] + [(0.0, 200 + i) for i in range(30)])
    assert one.rate == 0.85
    assert one.effective == pytest.approx(199)
    assert one.upper(0.95) == pytest.approx(beta.ppf(0.975, 0.85 * 199 + 1, 0.15 * 199))


def test_a_bound_and_its_p_value_agree():
    """The floor fails by the one exactly where it fails by the other."""
    one = share([(1.0, i) for i in range(80)] + [(0.0, 200 + i) for i in range(20)])
    upper = one.upper(0.95)
    assert one.p_below(upper + 0.001) < 0.025 < one.p_below(upper - 0.001)


def test_conversations_are_worth_fewer_cases():
    """Forty conversations of five cases that pass or fail together are worth about forty."""
    rates = [(float(c % 4 != 0), c) for c in range(40) for _ in range(5)]
    one = share(rates)
    assert one.cases == 200
    assert one.effective < 45
    assert one.upper(0.95) > share([(rate, i) for i, (rate, _) in enumerate(rates)]).upper(0.95)


def test_all_passing_has_an_upper_bound_of_one():
    """There is nothing above."""
    assert share([(1.0, 1), (1.0, 2)]).upper(0.95) == 1.0
    assert share([(1.0, 1)]).p_below(0.9) == 1.0


def test_a_share_of_nothing_is_refused():
    """A rate of no cases is no number."""
    with pytest.raises(ValueError, match="no cases"):
        share([])


def test_holm_steps_down_and_stops():
    """Each rejected hypothesis eases the next; after the first that stands none is rejected."""
    thresholds = holm({"a": 0.001, "b": 0.03, "c": 0.04}, 0.05)
    assert thresholds == pytest.approx({"a": 0.05 / 3, "b": 0.025, "c": 0.025})


def test_the_smallest_drop_shrinks_with_more_cases_and_less_noise():
    """200 cases of which ten flicker see six points; it never lies below the margin."""
    noisy = smallest_drop([1] * 5 + [-1] * 5, 200, 0.02, 0.045)
    assert 0.055 < noisy < 0.065
    assert 0.02 < smallest_drop([1] * 50 + [-1] * 50, 2000, 0.02, 0.045) < noisy
    assert smallest_drop([], 5, 0.02, 0.045) > 0.3


@settings(deadline=None)
@given(st.lists(st.floats(0.2, 5), min_size=3, max_size=12, unique=True))
def test_the_signed_rank_test_is_scipys_but_for_the_half_of_ties(ratios):
    """Mid-p lies between the chance of more and the chance of as much."""
    import numpy as np

    logs = np.log([ratio for ratio in ratios if ratio != 1.0])
    if len(set(np.abs(logs))) < len(logs) or not len(logs):
        return
    inclusive = wilcoxon(logs, alternative="greater", method="exact").pvalue
    assert inclusive / 2 - 1e-9 <= rise_p(ratios) <= inclusive + 1e-9


def test_figures_all_doubled_are_a_rise_and_equal_ones_are_none():
    """Ten cases suffice."""
    assert rise_p([2.0] * 10) < 0.001
    assert rise_p([1.0] * 10) == 1.0


def test_too_many_over_a_limit():
    """The binomial tail."""
    assert exceeding_p(20, 200, 0.05) == pytest.approx(binom.sf(19, 200, 0.05))
    assert exceeding_p(0, 200, 0.05) == 1.0
