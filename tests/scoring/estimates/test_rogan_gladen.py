"""Old labels tell of the judge, and the judge of today's rows."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.estimates.estimate import estimate
from scoring.estimates.rogan_gladen import corrected
from scoring.estimates.sample import Sample
from tests.scoring.estimates.populations import failing, judged


def moved(random: np.random.Generator, then: float, now: float, labels: int = 200, rows: int = 1_000) -> Sample:
    old, new = failing(random, np.full(labels, then)), failing(random, np.full(rows, now))
    return Sample.of(judged(random, np.concatenate([old, new]), 0.8, 0.9), [*old, *[None] * rows])


def test_the_point_is_rogan_and_gladens():
    """(judged - false alarms) / (hits - false alarms), with the judged share of the rows without a label."""
    verdict = [1.0] * 8 + [0.0] * 2 + [1.0] * 3 + [0.0] * 27 + [1.0] * 30 + [0.0] * 70
    label = [1.0] * 10 + [0.0] * 30 + [None] * 100
    found = corrected(Sample.of(verdict, label), 0.95, 1, 2_000)
    assert found.rate == pytest.approx((0.3 - 0.1) / (0.8 - 0.1))
    assert found.low < found.rate < found.high


def test_a_rate_that_moved_is_followed():
    """Labels of a time with 20% failures, rows of one with 40%: the default misses the move, this covers it and says what it assumes."""
    random = np.random.default_rng(1)
    covered = fooled = 0
    for _ in range(40):
        sample = moved(random, 0.2, 0.4)
        found, default = estimate(sample, method="rogan-gladen", draws=1_000), estimate(sample, draws=1_000)
        covered += found.low <= 0.4 <= found.high
        fooled += not default.low <= 0.4 <= default.high
    assert covered >= 36
    assert fooled >= 20
    assert found.method == "rogan-gladen"
    assert "labels are taken for old" in found.warnings[0]


def test_a_judge_that_knows_nothing_gives_no_rate():
    """Verdicts at random: the rate is unknown and the interval everything, or nearly."""
    random = np.random.default_rng(2)
    verdict = failing(random, np.full(600, 0.3))
    verdict[:100] = np.tile([1.0, 0.0, 0.0, 0.0], 25)
    found = estimate(Sample.of(verdict, [1.0] * 48 + [0.0] * 52 + [None] * 500), method="rogan-gladen")
    assert found.high - found.low > 0.8
    assert found.rate is None
    assert "no better than chance" in found.warnings[-1]


def test_no_new_rows_are_no_evidence():
    """All rows labelled: nothing is left to estimate."""
    found = corrected(Sample.of([1, 0, 1, 0], [1, 0, 1, 0]), 0.95, 1, 500)
    assert found.rate is None
    assert found.high - found.low > 0.8


def test_what_no_rate_explains_lies_at_an_end():
    """Fewer verdicts than the judge's false alarms alone would bring: the rate is 0, not below."""
    verdict = [1.0] * 90 + [0.0] * 10 + [1.0] * 50 + [0.0] * 50 + [0.0] * 500
    found = corrected(Sample.of(verdict, [1.0] * 100 + [0.0] * 100 + [None] * 500), 0.95, 1, 2_000)
    assert found.rate == found.low == 0.0
    assert found.high < 0.01
