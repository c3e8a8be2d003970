"""Quality followed day by day: drops are told soon, quiet streams are left alone, recovery clears, nothing absurd fires."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.alerts.drift import ARMED, CALIBRATED, Limits
from scoring.alerts.kinds import Quality
from scoring.alerts.normal import unskewed, unstudied
from scoring.alerts.quality import readings
from scoring.alerts.series import Calendar, Days
from tests.scoring.alerts.simulation import EVALDATA, FIRST, Setting, fired, fired_plainly, made, rates

RULE = Quality(name="quality")


def stream(*levels: tuple[int, float], n: int = 200, seed: int = 1) -> Days:
    """Days at one failure rate after another, each with the usual spread."""
    random = np.random.default_rng(seed)
    rate = np.concatenate([np.full(days, level) for days, level in levels])
    bad = random.binomial(n, np.clip(rate + random.normal(0, 0.02, len(rate)), 0, 1))
    return Days(FIRST, np.full(len(rate), float(n)), bad.astype(float))


def firing(days: Days, rule: Quality = RULE) -> list[int]:
    """The days on which it fires."""
    return [index for index, one in enumerate(readings(rule, [({}, days)])[0]) if one.breached]


def test_a_drop_is_told_within_days_and_quiet_streams_are_left_alone():
    """On 150 streams at 200 a day with spread 0.02: 0.05 within 6 days for half, 0.10 within 2; false alarms as calibrated."""
    setting = Setting(0.08, streams=150)
    assert fired(made(setting, 3))[:, 28:].any(1).mean() <= 0.08  # 5%, and the luck of 150 streams
    for drop, within in ((0.05, 6), (0.10, 2)):
        dropped = fired(made(Setting(0.08, drop=drop, days=70, streams=150), 4))[:, 42:]
        delay = np.where(dropped.any(1), dropped.argmax(1) + 1, 99)
        assert np.median(delay) <= within, (drop, np.median(delay))


def test_the_plain_rule_is_what_it_is_compared_with():
    """The 7-day rule without a test fires on quiet streams of 50 a day at a common rate; ours does not."""
    streams = made(Setting(0.24, 50, streams=60), 5)
    assert fired_plainly(streams)[:, 28:].any(1).mean() > 0.5
    assert fired(streams)[:, 28:].any(1).mean() <= 0.12


@pytest.mark.skipif(not EVALDATA.exists(), reason="the recorded verdicts are not here")
def test_the_streams_are_made_of_real_verdicts():
    """Every pool has hundreds of real verdicts, at failure rates from 3% to a third."""
    found = rates()
    assert all(count > 200 for _, count in found.values())
    assert 0.02 < min(rate for rate, _ in found.values()) < max(rate for rate, _ in found.values()) < 0.4


def test_it_says_what_it_saw():
    """The reading carries rates, the day the change began, and a sentence with figures."""
    told = readings(RULE, [({"feature": "search"}, stream((42, 0.08), (10, 0.20)))])[0]
    first = next(one for one in told if one.breached)
    assert first.slice == {"feature": "search"}
    assert first.at.date() == FIRST + timedelta(days=told.index(first) + 1)
    assert first.value is not None
    assert first.baseline is not None
    assert first.baseline == pytest.approx(0.92, abs=0.02)
    assert first.threshold == pytest.approx(first.baseline - 0.05)
    assert first.by in {"cusum", "week"}
    assert first.onset is not None
    assert abs((first.onset.date() - (FIRST + timedelta(days=42))).days) <= 1
    assert "judged failures" in first.message


def test_recovery_clears_it_and_the_next_drop_is_told_against_the_old_baseline():
    """Two incidents with good weeks between them are two, and the bad days are part of no baseline."""
    told = firing(stream((42, 0.08), (10, 0.22), (21, 0.08), (8, 0.22)))
    assert {43, 51} <= set(told) <= set(range(42, 56)) | set(range(73, 81))
    assert set(told) & set(range(73, 81))


def test_a_level_that_lasts_is_the_new_baseline():
    """After four weeks of firing it is clear, and stays so."""
    told = firing(stream((42, 0.08), (80, 0.20)))
    assert told[0] <= 44
    assert 68 <= told[-1] <= 76


def test_what_got_better_and_then_worse_again_is_told():
    """An improvement is the new baseline: falling back from it is a drop."""
    told = firing(stream((42, 0.20), (40, 0.08), (12, 0.20)))
    assert told
    assert 82 <= told[0] <= 85


def test_a_stream_that_is_young_says_so_and_does_not_fire():
    """Before 14 days with data a reading is no data, whatever happens."""
    told = readings(RULE, [({}, stream((7, 0.02), (6, 0.9)))])[0]
    assert {one.breached for one in told} == {None}
    assert "14 days" in told[0].message
    assert ARMED == 14


def test_days_without_data_are_no_data_and_not_zero():
    """A day with n = 0 neither fires nor clears."""
    days = stream((42, 0.08), (10, 0.30))
    days.n[47:50] = days.failed[47:50] = 0
    told = readings(RULE, [({}, days)])[0]
    assert told[46].breached is True
    assert [one.breached for one in told[47:50]] == [None] * 3
    assert told[50].breached is True


def test_weekends_that_are_worse_are_no_drop():
    """A weekly pattern of 5 points either way is learned."""
    assert fired(made(Setting(0.10, weekend=0.05, streams=60), 8))[:, 28:].any(1).mean() <= 0.12


def test_streams_do_not_touch_each_other():
    """What one stream is said to be does not depend on those beside it, or on when they began."""
    first, second = stream((42, 0.08), (10, 0.25), seed=2), stream((60, 0.3), seed=3)
    later = Days(FIRST + timedelta(days=30), second.n, second.failed)
    together = readings(RULE, [({"feature": "a"}, first), ({"feature": "b"}, later), ({"feature": "c"}, Days.of([]))])
    alone = [readings(RULE, [({"feature": name}, days)])[0] for name, days in (("a", first), ("b", later))]
    assert together[2] == []
    for beside, by_itself in zip(together, alone, strict=False):
        assert [(one.at, one.breached, one.by, one.onset, one.n) for one in beside] == [
            (one.at, one.breached, one.by, one.onset, one.n) for one in by_itself
        ]


def test_few_alarms_for_all_slices_together_ask_more_of_each():
    """over = "rule" shares the false alarms among the slices; thresholds rise as they do for a rarer error."""
    assert Limits.of(CALIBRATED[0]) == Limits(*CALIBRATED[1:])
    assert Limits.of(0.005).cusum == pytest.approx(CALIBRATED[1] + np.log(10))
    streams = [({"feature": str(row)}, days) for row, days in enumerate(made(Setting(0.08, streams=100), 9))]
    each = sum(any(one.breached for one in told) for told in readings(RULE, streams))
    shared = sum(any(one.breached for one in told) for told in readings(RULE.model_copy(update={"over": "rule"}), streams))
    assert shared <= 1
    assert shared <= each


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40),
    st.sampled_from([1, 1000, 10**9]),
)
def test_nothing_absurd_fires_or_breaks(counts, size):
    """Few days, no events, all failing from the first day, figures of any size: a reading a day, and never a firing of a steady stream."""
    days = [(FIRST + timedelta(days=index), float(n * size), float(min(bad, n) * size)) for index, (n, bad) in enumerate(counts)]
    told = readings(RULE, [({}, Days.of(days))])[0]
    assert len(told) == len(days)
    for level in (0.0, 1.0):
        steady = [(day, n, n * level) for day, n, _ in days]
        assert not any(one.breached for one in readings(RULE, [({}, Days.of(steady))])[0])


def test_a_long_quiet_stream_with_huge_counts_is_quiet():
    """A million a day, all alike: nothing divides by zero and nothing fires."""
    for rate in (0.0, 0.5, 1.0):
        n = np.full(100, 1e6)
        assert firing(Days(FIRST, n, np.rint(n * rate))) == []


def test_days_add_up_in_any_order():
    """Rows of the same day are one; gaps are days without events; a calendar lays streams side by side."""
    rows = [(date(2026, 3, 3), 5.0, 1.0), (date(2026, 3, 1), 2.0, 0.0), (date(2026, 3, 3), 5.0, 2.0)]
    days = Days.of(rows, last=date(2026, 3, 4))
    assert (days.first, list(days.n), list(days.failed)) == (date(2026, 3, 1), [2, 0, 10, 0], [0, 0, 3, 0])
    assert Calendar.of([days, Days.of([])]).n.shape == (2, 4)
    assert len(Days.of([])) == 0


def test_scores_of_skewed_counts_are_normal():
    """The score of a gamma variable and of a Student variable is standard normal to within a few percent in its tail."""
    random = np.random.default_rng(1)
    skew = 1.0
    shape = 4 / skew**2
    gamma = (random.gamma(shape, size=200_000) - shape) / np.sqrt(shape)
    student = random.standard_t(20, size=200_000)
    for score in (unskewed(gamma, np.full(gamma.shape, skew)), unstudied(student, np.full(student.shape, 20.0))):
        assert (score > 3).mean() == pytest.approx(0.00135, abs=0.0004)
        assert (score > 2).mean() == pytest.approx(0.0228, abs=0.002)
