"""Agreement as the textbooks have it, and None where they have nothing."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.estimates.agreement import Confusion, agreement
from scoring.estimates.sample import Sample


def of(tp: int, fp: int, fn: int, tn: int, **columns: object):
    verdict = [1.0] * (tp + fp) + [0.0] * (fn + tn)
    label = [1.0] * tp + [0.0] * fp + [1.0] * fn + [0.0] * tn
    return agreement(Sample.of(verdict, label, **columns), level=0.95, seed=1)


def test_a_textbook_table():
    """Cohen's own kind of table: kappa 0.4, MCC 0.408, by hand."""
    found = of(20, 5, 10, 15)
    assert found.confusion == Confusion(20, 5, 10, 15)
    assert found.kappa == pytest.approx(0.4)
    assert found.mcc == pytest.approx((20 * 15 - 5 * 10) / np.sqrt(25 * 30 * 20 * 25))
    assert (found.tpr, found.tnr, found.accuracy) == pytest.approx((20 / 30, 15 / 20, 35 / 50))
    assert found.majority_baseline == pytest.approx(0.6)
    assert found.n == 50


def test_the_interval_is_as_wide_as_the_delta_method_says():
    """At 400 rows the Monte Carlo interval is that of Fleiss, Cohen and Everitt, within 5%."""
    found = of(60, 30, 20, 290)
    p = np.array([[60, 30], [20, 290]]) / 400
    rows, columns = p.sum(1), p.sum(0)
    agreed, chance = np.trace(p), rows @ columns
    kappa = (agreed - chance) / (1 - chance)
    diagonal = sum(p[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    off = (1 - kappa) ** 2 * sum(p[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j)
    error = np.sqrt((diagonal + off - (kappa - chance * (1 - kappa)) ** 2) / (400 * (1 - chance) ** 2))
    assert found.kappa == pytest.approx(kappa)
    assert found.kappa_high - found.kappa_low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_what_is_not_defined_is_none():
    """No failures: no TPR, no MCC; judge and people of one word: no kappa; nothing labelled: nothing."""
    passes = of(0, 5, 0, 15)
    assert (passes.tpr, passes.tpr_low, passes.mcc) == (None, None, None)
    assert passes.kappa == pytest.approx(0.0)
    assert (of(0, 0, 0, 9).kappa, of(0, 0, 0, 9).kappa_low, of(0, 0, 0, 9).majority_baseline) == (None, None, 1.0)
    nothing = agreement(Sample.of([1, 0, None], [None, None, 1]), level=0.95, seed=1)
    assert (nothing.n, nothing.kappa, nothing.accuracy, nothing.majority_baseline) == (0, None, None, None)


def test_labels_by_verdict_are_weighed_back():
    """Ten times as many fails as passes were labelled: with p_label the TPR is the population's, without it far too high."""
    verdict = [1.0] * 200 + [0.0] * 100
    label = [1.0] * 150 + [0.0] * 50 + [1.0] * 10 + [0.0] * 90
    plain = agreement(Sample.of(verdict, label), level=0.95, seed=1)
    weighed = agreement(Sample.of(verdict, label, p_label=[1.0] * 200 + [0.1] * 100), level=0.95, seed=1)
    assert plain.tpr == pytest.approx(150 / 160)
    assert weighed.tpr == pytest.approx(150 / 250)
    assert weighed.tpr_high - weighed.tpr_low > plain.tpr_high - plain.tpr_low


def test_a_perfect_judge_is_not_known_to_be_perfect():
    """Forty right of forty: kappa is 1, and its interval reaches below."""
    found = of(10, 0, 0, 30)
    assert found.kappa == found.kappa_high == 1.0
    assert 0.7 < found.kappa_low < 0.98


def test_weights_whose_sum_rounds_above_one_break_nothing():
    """A judge that always says the same, under weights of many sizes: the share of its verdicts is 1, and not a hair more."""
    random = np.random.default_rng(3)
    for n in range(2, 120):
        p = random.uniform(0.01, 1.0, n)
        label = (np.arange(n) % 3 == 0).astype(float)
        for verdict in (np.ones(n), np.zeros(n)):
            found = agreement(Sample.of(verdict, label, p=p), level=0.95, seed=1)
            assert found.kappa == pytest.approx(0.0, abs=1e-9)
            assert 0.0 <= found.accuracy <= 1.0
