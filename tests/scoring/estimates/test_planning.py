"""What a plan promises is what an estimate then gives."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.estimates.estimate import estimate
from scoring.estimates.planning import Expected, half_width, labels_for
from scoring.estimates.sample import Sample
from tests.scoring.estimates.populations import failing, judged, shown


@pytest.mark.parametrize(
    ("rate", "tpr", "tnr", "labels"), [(0.3, 0.8, 0.8, 100), (0.1, 0.7, 0.9, 400), (0.02, 0.7, 0.95, 200), (0.3, 0.5, 0.5, 50)]
)
def test_the_promise_is_kept(rate, tpr, tnr, labels):
    """Within a quarter, on average."""
    random = np.random.default_rng(1)
    widths = []
    for _ in range(25):
        truth = failing(random, np.full(2_000, rate))
        widths.append(estimate(Sample.of(judged(random, truth, tpr, tnr), shown(random, truth, labels)), draws=1_000).half_width)
    assert half_width(Expected(rate, tpr, tnr), 2_000, labels) == pytest.approx(np.mean(widths), rel=0.25)


def test_the_fewest_labels_that_do():
    """One label fewer would not; and where no number does, that is said."""
    expected = Expected(0.1, 0.7, 0.9)
    needed = labels_for(expected, 2_000, 0.03)
    assert needed is not None
    assert half_width(expected, 2_000, needed) <= 0.03 < half_width(expected, 2_000, needed - 1)
    assert labels_for(expected, 100, 0.01) is None


def test_traces_need_more():
    """A design effect of 4 takes about four times the labels."""
    alone, together = (labels_for(Expected(0.1, 0.7, 0.9, effect), 100_000, 0.03) for effect in (1.0, 4.0))
    assert alone is not None
    assert together is not None
    assert together == pytest.approx(4 * alone, rel=0.05)


def test_nothing_promises_nothing():
    """No labels or no rows: half of everything."""
    assert half_width(Expected(), 100, 0) == half_width(Expected(), 0, 10) == 0.5
