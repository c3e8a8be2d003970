"""PPI++ is the regression estimator it is known to be."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.estimates.ppi import enough, powered
from scoring.estimates.sample import Sample
from tests.scoring.estimates.populations import failing, judged, shown


def drawn(seed: int = 5, n: int = 2_000, labels: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = failing(random, np.full(n, 0.3))
    return judged(random, truth, 0.9, 0.9), shown(random, truth, labels)


def test_it_moves_the_labels_mean_by_what_the_judge_says_of_the_rest():
    """Its rate and interval follow from covariance over variance, by hand."""
    verdict, label = drawn()
    has = ~np.isnan(label)
    y, v = label[has], verdict[has]
    trust = ((y - y.mean()) * (v - v.mean())).mean() / verdict.var()
    found = powered(Sample.of(verdict, label), 0.95)
    assert found.weight == pytest.approx(trust)
    assert found.rate == pytest.approx(y.mean() + trust * (verdict.mean() - v.mean()))
    assert found.high - found.low == pytest.approx(
        2 * 1.96 * np.sqrt((y - trust * v).var() / 200 + trust**2 * verdict.var() / 2_000), rel=0.05
    )


def test_a_useless_judge_is_not_believed():
    """Verdicts that say nothing, or the opposite, leave the labels alone."""
    _, label = drawn()
    assert powered(Sample.of(np.zeros(2_000), label), 0.95).weight == 0.0
    has = ~np.isnan(label)
    against = np.where(has, 1 - label, np.random.default_rng(1).random(2_000) > 0.5).astype(float)
    found = powered(Sample.of(against, label), 0.95)
    assert found.weight == 0.0
    assert found.rate == pytest.approx(label[has].mean())


def test_traces_widen_it():
    """Rows of one trace are one part of its variance."""
    random = np.random.default_rng(6)
    truth = np.repeat(failing(random, np.full(100, 0.3)), 12)
    verdict, cluster = judged(random, truth, 0.8, 0.9), np.repeat(np.arange(100), 12)
    one, many = powered(Sample.of(verdict, truth), 0.95), powered(Sample.of(verdict, truth, cluster=cluster), 0.95)
    assert many.high - many.low > 2 * (one.high - one.low)


def test_ten_of_each_are_enough():
    """Nine failures are not, nor nine passes."""
    assert enough(Sample.of([0] * 20, [1] * 10 + [0] * 10))
    assert not enough(Sample.of([0] * 20, [1] * 9 + [0] * 11))
    assert not enough(Sample.of([0] * 20, [1] * 11 + [0] * 9))
