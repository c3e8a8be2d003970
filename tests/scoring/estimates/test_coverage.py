"""A short measurement of what docs/estimates.md promises: the interval holds the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.estimates.agreement import agreement
from scoring.estimates.following import follow
from tests.scoring.estimates.coverage import cell, table
from tests.scoring.estimates.populations import EVALDATA, failing, judged, plain, real, shown, simulated, stratified, traces, weighted

RESAMPLES = 80
LEAST = 0.86
"""What 0.95 falls below once in a thousand at 80 resamples; the measurement proper is scripts/coverage."""


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.2])
@pytest.mark.parametrize("judge", [(0.7, 0.9), (0.0, 1.0)])
def test_few_failures_are_covered(rate, judge):
    """At half a percent of failures as at a fifth, with a judge and with one that passes everything, at fifty labels."""
    assert cell("quick", simulated(rate, *judge), 50, RESAMPLES).coverage >= LEAST


@pytest.mark.parametrize(
    "known",
    [
        weighted(0.02, "all"),
        weighted(0.05, "fail"),
        weighted(0.05, "risk"),
        simulated(0.02, 0.7, 0.9, unscored=0.05),
        stratified(0.02, 40),
        stratified(0.05, 5, evenly=True),
        traces(0.1, 1.0, whole=True),
        traces(0.1, 0.3, whole=False),
    ],
    ids=["weights", "fails labelled more", "risk labelled more", "unscored", "40 strata", "even strata", "whole traces", "steps"],
)
def test_awkward_designs_are_covered(known):
    """Weights, labels by verdict, missing verdicts, strata and traces."""
    assert cell("quick", known, 100, RESAMPLES).coverage >= LEAST


@pytest.mark.skipif(not EVALDATA.exists(), reason="the evaluation data is not here (../shared/evaldata)")
def test_real_verdicts_are_covered_where_the_judge_alone_is_not():
    """On real verdicts the estimate covers; the judge's own interval hardly ever does."""
    cells = [cell(name, known, 100, 40) for name, known in real().items()]
    assert min(one.coverage for one in cells) >= 0.8
    assert np.mean([one.coverage for one in cells]) >= 0.92
    assert np.mean([one.judge for one in cells]) < 0.3


def test_kappa_is_covered():
    """The interval of kappa holds the population's."""
    tpr, tnr, rate = 0.7, 0.9, 0.2
    share = rate * tpr + (1 - rate) * (1 - tnr)
    chance = share * rate + (1 - share) * (1 - rate)
    kappa = (rate * tpr + (1 - rate) * tnr - chance) / (1 - chance)
    random = np.random.default_rng(8)
    covered = 0
    for _ in range(RESAMPLES):
        truth = failing(random, np.full(500, rate))
        found = agreement(plain(judged(random, truth, tpr, tnr), shown(random, truth, 100)), level=0.95, seed=1)
        assert found.kappa_low is not None
        assert found.kappa_high is not None
        covered += found.kappa_low <= kappa <= found.kappa_high
    assert covered / RESAMPLES >= LEAST


def test_daily_looks_stay_covered():
    """In thirty days of looking, the truth leaves the bounds in hardly any month, although the days differ."""
    from datetime import date, timedelta

    random = np.random.default_rng(9)
    left = 0
    for _ in range(15):
        daily = np.clip(random.normal(0.08, 0.02, 30), 0.0, 1.0)
        truth = failing(random, np.repeat(daily, 60))
        label = np.concatenate([shown(random, truth[day * 60 : day * 60 + 60], 10) for day in range(30)])
        sample = plain(judged(random, truth, 0.7, 0.9), label)
        days = np.repeat(np.arange(30), 60)
        found = [
            follow(sample.of_rows(days <= last), [date(2025, 1, 1) + timedelta(int(day)) for day in days[days <= last]], draws=1_000)
            for last in range(2, 30, 3)
        ]
        left += any(one is None or not one.low <= 0.08 <= one.high for one in found)
    assert left <= 2


def test_the_table_prints(capsys):
    """scripts/coverage prints Markdown with the mean and the least."""
    table({"two": simulated(0.1, 0.7, 0.9)}, (50,), 3)
    said = capsys.readouterr().out
    assert "| two | " in said
    assert "**least**" in said
