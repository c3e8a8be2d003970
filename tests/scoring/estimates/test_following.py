"""Bounds for daily looks: nothing before there are days, wide while there are few."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from scoring.estimates.estimate import estimate
from scoring.estimates.following import follow
from scoring.estimates.sample import Sample
from tests.scoring.estimates.populations import failing, judged, shown

START = date(2025, 3, 1)


def month(days: int, seed: int = 1) -> tuple[Sample, list[date]]:
    random = np.random.default_rng(seed)
    truth = failing(random, np.full(days * 100, 0.1))
    return Sample.of(judged(random, truth, 0.8, 0.9), shown(random, truth, days * 20)), [
        START + timedelta(n // 100) for n in range(days * 100)
    ]


def test_no_verdict_before_three_days():
    """Two days say nothing of how much days differ."""
    assert follow(*month(2)) is None
    assert follow(*month(3)) is not None


def test_days_without_labels_do_not_count():
    """Three days, of which one has labels, are one day."""
    sample, days = month(3)
    label = np.where(np.arange(300) < 100, np.nan_to_num(sample.label), np.nan)
    assert follow(Sample.of(sample.verdict, label), days) is None


def test_bounds_are_wider_than_one_look_and_narrow_with_days():
    """What is paid for looking every day is less than the gain of more days."""
    short, long = month(5), month(30)
    early, late = follow(*short), follow(*long)
    assert early is not None
    assert late is not None
    once = estimate(long[0])
    assert early.high - early.low > late.high - late.low > once.high - once.low
    assert late.high - late.low < 4 * (once.high - once.low)
    assert late.low <= late.rate <= late.high
    assert (late.days, late.n_labels, late.level) == (30, 600, 0.95)


def test_days_that_differ_widen_the_bounds():
    """The same rate on average, from good days and bad ones, is known less well."""
    sample, days = month(20)
    random = np.random.default_rng(2)
    daily = np.repeat(np.where(np.arange(20) % 2 == 0, 0.0, 0.2), 100)
    truth = failing(random, daily)
    uneven = Sample.of(judged(random, truth, 0.8, 0.9), shown(random, truth, 400))
    even_bounds, uneven_bounds = follow(sample, days), follow(uneven, days)
    assert even_bounds is not None
    assert uneven_bounds is not None
    assert uneven_bounds.high - uneven_bounds.low > 1.3 * (even_bounds.high - even_bounds.low)
