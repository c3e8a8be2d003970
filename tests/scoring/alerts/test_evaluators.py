"""Errors, latency, cost, burn rates and divergence: what fires, what does not, and what is too little to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.alerts import burn, cost, divergence, errors, latency
from scoring.alerts.cost import Window
from scoring.alerts.kinds import Burn, Cost, Divergence, Errors, Latency, Slo
from scoring.alerts.latency import Bucket
from scoring.alerts.series import Counted, Spent

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KNOWN = Counted(100_000, 300)
COUNTED = st.integers(0, 10_000).flatmap(lambda n: st.integers(0, n).map(lambda bad: Counted(n, bad)))


def erring(long, middle, short, usual=KNOWN, **keys):
    rule = Errors(name="errors", **keys)
    return errors.reading(rule, {"feature": "a"}, AT, long=long, middle=middle, short=short, usual=usual)


def test_errors_over_the_limit_in_both_windows_fire():
    """4% in the hour and in the last five minutes; not where it is over, not in the hour alone, not where it is usual."""
    over = erring(Counted(1000, 40), Counted(250, 10), Counted(80, 4))
    assert over.breached is True
    assert over.value == 0.04
    assert "40 of 1000 requests in 1h (4.0%), 4 of 80 in the last 5m" in over.message
    assert erring(Counted(1000, 40), Counted(250, 10), Counted(80, 0)).breached is False
    assert erring(Counted(1000, 19), Counted(250, 4), Counted(80, 4)).breached is False
    assert erring(Counted(1000, 24), Counted(250, 6), Counted(80, 4), Counted(100_000, 2_300)).breached is False


def test_a_burst_is_told_in_a_quarter_of_an_hour():
    """5% of errors for 15 minutes are 1.5% of the hour: the quarter tells it, where it holds enough to say so."""
    burst = erring(Counted(1600, 24), Counted(400, 20), Counted(133, 7))
    assert burst.breached is True
    assert "20 of 400 requests in 15m" in burst.message
    assert erring(Counted(400, 6), Counted(100, 5), Counted(33, 2)).breached is False  # 100 are too few: the hour decides


def test_few_requests_say_nothing():
    """Under the minimum count a rule is silent, even if all of them fail; nothing at all is no data."""
    assert erring(Counted(199, 199), Counted(50, 50), Counted(10, 10)).breached is None
    nothing = erring(Counted(), Counted(), Counted(), None)
    assert (nothing.breached, nothing.value) == (None, None)
    assert erring(Counted(300, 4), Counted(80, 1), Counted(20, 1), min_count=100).breached is False  # four failures are few


def test_an_unknown_usual_rate_is_supposed_to_be_low():
    """On the first day a real outage is told, and a rate of 2.4% is not sure enough."""
    assert erring(Counted(1000, 100), Counted(250, 25), Counted(80, 8), None).breached is True
    assert erring(Counted(300, 8), Counted(80, 2), Counted(20, 1), None).breached is False


def test_what_is_usual_is_said_only_where_it_is_known():
    """Once it said "usually 1.0%" on a log's first day, which nobody had measured."""
    young = erring(Counted(1000, 100), Counted(250, 25), Counted(80, 8), Counted())
    assert young.baseline is None
    assert "what is usual is not known yet, 1.0% is supposed; the limit is 2.0%" in young.message
    known = erring(Counted(1000, 100), Counted(250, 25), Counted(80, 8), Counted(1000, 3))
    assert known.baseline == 0.003
    assert "usually 0.3%; the limit is" in known.message


@given(COUNTED, COUNTED, COUNTED, st.none() | COUNTED)
def test_errors_fire_only_over_the_limit(long, middle, short, usual):
    """Whatever the counts: a firing has a share over the limit, enough events, and an ongoing short window."""
    told = erring(long, middle, short, usual)
    if told.breached:
        assert told.value is not None
        assert told.value > 0.02
        assert told.n >= 200
        assert short.failed > 0


SLOW = Latency(name="latency")
USUAL = [Bucket(100, 900.0), Bucket(80, 1000.0), Bucket(60, 1100.0), Bucket(3, 90_000.0)]


def timed(*recent: Bucket, before=USUAL, known_for=DAY):
    return latency.reading(SLOW, {}, AT, recent=recent, before=before, known_for=known_for)


def test_latency_must_be_slow_in_every_bucket():
    """Three buckets over three times the median fire; one quick bucket among them is enough not to."""
    slow, quick = Bucket(80, 4000.0), Bucket(80, 1200.0)
    told = timed(slow, slow, slow)
    assert told.breached is True
    assert (told.baseline, told.threshold) == (1000.0, 3000.0)
    assert "usually 1,000 ms (4.0 times, the limit is 3)" in told.message
    assert timed(slow, quick, slow).breached is False
    assert timed(Bucket(80, 3000.0), slow, slow).breached is False  # exactly three times is not over


def test_latency_says_nothing_without_a_day_of_baseline_or_enough_requests():
    """Day one is quiet; so is a night with few requests, unless a busy bucket is quick."""
    slow = Bucket(80, 4000.0)
    young = timed(slow, slow, slow, known_for=timedelta(hours=23))
    assert young.breached is None
    assert "1d of baseline" in young.message
    assert timed(slow, slow, slow, before=[Bucket(3, 10.0)]).breached is None
    assert timed(slow, Bucket(10, 9000.0), slow).breached is None
    assert timed(Bucket(0, None), Bucket(0, None), Bucket(0, None)).breached is None
    assert timed(Bucket(80, 1200.0), Bucket(0, None), Bucket(0, None)).breached is False


def dear(now: float, days=(1.0, 1.02, 0.98, 1.0, 1.01, 0.99, 1.0), tasks=1000, before=1000, length=DAY):
    window = Window(length, Spent(now * tasks, tasks), [Spent(day * before, before) for day in days])
    return cost.reading(Cost(name="cost"), {"feature": "a"}, AT, windows=[window])


def test_a_dearer_task_fires_unless_there_are_more_of_them():
    """31% up fires; 20% does not; 31% with a quarter more tasks does not: the volume moved."""
    told = dear(1.31)
    assert told.breached is True
    assert told.value == pytest.approx(1.31)
    assert "+31%, the limit is +30%" in told.message
    assert dear(1.20).breached is False
    assert dear(1.31, tasks=1250).breached is False
    assert dear(0.5).breached is False


def test_a_price_step_stays_a_step_for_days():
    """Two days at the new price do not make it usual."""
    assert dear(1.31, days=(1.0, 1.02, 0.98, 1.0, 1.01, 1.3, 1.31)).breached is True


def test_a_cost_that_varies_from_day_to_day_is_no_step():
    """30% up on days that differ by 20% is no news, and days before are needed to know."""
    assert dear(1.35, days=(1.0, 1.3, 0.8, 1.1, 0.75, 1.25, 0.9)).breached is False
    assert dear(1.5, days=(1.0, 1.0)).breached is None
    assert dear(1.5, tasks=10).breached is None
    assert cost.reading(Cost(name="cost"), {}, AT, windows=[]).breached is None
    assert cost.lengths(Cost(name="cost")) == (DAY, DAY / 2, DAY / 4)


def test_the_weekday_before_is_what_volume_is_held_to():
    """A Monday has more tasks than the weekend before it, as many as the Monday before."""
    days = [Spent(1000.0, 1000), *[Spent(1000.0, 1000)] * 4, Spent(500.0, 500), Spent(500.0, 500)]
    window = Window(DAY, Spent(1310.0, 1000), days)
    assert cost.reading(Cost(name="cost"), {}, AT, windows=[window]).breached is True


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 5000)), min_size=1, max_size=9))
@example([(5e-324, 50), (1.0, 50), (1.0, 50), (1.0, 50)])
@example([(1.0, 50), (1.0, 50), (1.0, 50), (5e-324, 50)])
def test_cost_never_breaks(days):
    """Free days, empty days, any order: a reading, and none that fires on a fall."""
    made = [Spent(value, tasks) for value, tasks in days]
    told = cost.reading(Cost(name="cost"), {}, AT, windows=[Window(DAY, made[0], made[1:])])
    if told.breached:
        assert told.value is not None
        assert told.baseline is not None
        assert told.value > told.baseline


SLO = Slo(name="search", sli="errors", target=0.995, slice={"feature": "search"})


def burning(**shares: float):
    """hour, minutes …: how many times faster than the budget, by window."""
    lengths = dict(zip(("m5", "m30", "h1", "h2", "h6", "d3"), burn.lengths(Burn(name="burn")), strict=True))
    windows = {lengths[name]: Counted(100_000, round(100_000 * 0.005 * rate)) for name, rate in shares.items()}
    return burn.reading(Burn(name="burn"), SLO, AT, windows=windows)


def test_a_budget_that_burns_in_both_windows_of_a_pair_fires():
    """Fast, slower and slow pairs, each by both of its windows; which pair says how grave it is."""
    assert burn.lengths(Burn(name="burn"))[0] == timedelta(minutes=5)
    fast = burning(m5=20, h1=15, h6=3, m30=15, d3=0.5, h2=8)
    assert (fast.breached, fast.by, fast.slice) == (True, "critical", {"slo": "search", "feature": "search"})
    assert "48 hours" in fast.message or "2.0 days" in fast.message
    assert burning(m5=1, h1=15, m30=7, h6=7, d3=0.9, h2=1).breached is True
    assert burning(m5=1, h1=15, m30=1, h6=7, d3=1.2, h2=1.2).by == "warning"
    assert burning(m5=1, h1=15, m30=1, h6=7, d3=1.2, h2=0.5).breached is False
    assert burn.reading(Burn(name="burn"), SLO, AT, windows={}).breached is None


def test_golden_cases_and_production_that_lie_apart_fire():
    """15 points apart with enough of both; not within the gap, not by chance, not with few."""

    def apart(golden, production):
        return divergence.reading(Divergence(name="d"), {}, AT, golden=golden, production=production)

    told = apart(Counted(200, 6), Counted(1000, 180))
    assert told.breached is True
    assert told.value == pytest.approx(0.15)
    assert "97.0% of 200 golden cases pass, 82.0% of 1000 judged exchanges: 15.0 points apart" in told.message
    assert apart(Counted(200, 60), Counted(1000, 100)).breached is True  # the other way round speaks as little for the set
    assert apart(Counted(200, 10), Counted(1000, 120)).breached is False
    assert apart(Counted(50, 5), Counted(60, 13)).breached is False
    assert apart(Counted(10, 0), Counted(1000, 500)).breached is None


def test_thirty_quiet_days_of_errors_are_quiet():
    """A feature with daily and weekly waves and 0.8% of errors, looked at every five minutes: never a firing."""
    random = np.random.default_rng(4)
    steps = np.arange(30 * 288)
    wave = 30 * (1 + 0.7 * np.sin(2 * np.pi * steps / 288)) * np.where(steps // 288 % 7 >= 5, 0.5, 1)
    n = random.poisson(wave)
    bad = random.binomial(n, 0.008)
    run_n, run_bad = np.r_[0, np.cumsum(n)], np.r_[0, np.cumsum(bad)]

    def back(end, width):
        return Counted(int(run_n[end] - run_n[end - width]), int(run_bad[end] - run_bad[end - width]))

    for end in range(12, len(steps)):
        usual = Counted(int(run_n[end - 12]), int(run_bad[end - 12]))
        assert not erring(back(end, 12), back(end, 3), back(end, 1), usual).breached
