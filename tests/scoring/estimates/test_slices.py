"""Slices have their own rates, and one differs only where it still does after all were looked at."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.estimates.sample import Sample
from scoring.estimates.slices import differs, holm, slices
from tests.scoring.estimates.populations import failing, judged


def test_holm_by_hand():
    """The smallest is multiplied by the number of tests, the next by one fewer, and none falls below the one before."""
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None, "e": 0.9})
    assert adjusted == {"a": pytest.approx(0.04), "c": pytest.approx(0.09), "b": pytest.approx(0.09), "d": None, "e": 0.9}
    assert list(adjusted) == ["a", "b", "c", "d", "e"]


def test_a_bad_slice_is_found_among_many():
    """One feature of eight fails at 40%, the others at 5%: it alone is worse than the rest, and has its own rate."""
    random = np.random.default_rng(1)
    names = [f"f{n}" for n in random.integers(8, size=1_600)]
    truth = failing(random, np.array([0.4 if name == "f3" else 0.05 for name in names]))
    found = slices(Sample.of(judged(random, truth, 0.8, 0.95), truth), names, draws=2_000)
    assert [name for name, one in found.items() if one.p_adjusted < 0.05 and one.estimate.rate > truth.mean()] == ["f3"]
    assert found["f3"].estimate.low > 0.25
    assert sum(one.estimate.n for one in found.values()) == 1_600


def test_slices_without_labels_are_not_tested():
    """A slice nobody labelled has no rate and no p-value; it takes no part in Holm's correction."""
    found = slices(Sample.of([1, 0, 1, 0, 0], [1, 0, None, None, 0]), ["a", "a", None, None, "b"], draws=500)
    assert found[None].estimate.rate is None
    assert found[None].p_value is None
    assert found["a"].p_value is not None
    assert list(found) == ["a", None, "b"]


def test_one_slice_has_no_rest():
    """Everything in one slice: a rate, and nothing to differ from."""
    assert slices(Sample.of([1, 0], [1, 0]), ["a", "a"], draws=500)["a"].p_value is None


def test_like_samples_rarely_differ():
    """Two halves of one population are called different in about 5% of cases, and not much more."""
    random = np.random.default_rng(3)
    wrong = 0
    for _ in range(60):
        truth = failing(random, np.full(400, 0.1))
        sample = Sample.of(judged(random, truth, 0.8, 0.9), truth)
        half = np.arange(400) < 200
        p = differs(sample.of_rows(half), sample.of_rows(~half), draws=1_000)
        assert p is not None
        wrong += p < 0.05
    assert wrong <= 8
