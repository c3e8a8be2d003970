"""The estimate: never silly, honest where nobody looked, and right where it can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.estimates.estimate import estimate
from scoring.estimates.sample import BadSample, Sample
from tests.scoring.estimates.populations import failing, judged, shown

binary = st.sampled_from([0.0, 1.0])
maybe = st.one_of(st.none(), binary)


def half_labelled(n: int = 1_000, rate: float = 0.2, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = failing(random, np.full(n, rate))
    return judged(random, truth, 0.8, 0.9), shown(random, truth, n // 2)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(maybe, maybe, st.floats(0.001, 1), st.floats(0.001, 1), st.sampled_from("ab"), st.integers(0, 4)), min_size=1, max_size=30
    ),
    columns=st.sets(st.sampled_from(["p", "p_label", "stratum", "cluster"])),
    method=st.sampled_from(["jeffreys", "ppi++", "rogan-gladen"]),
    level=st.sampled_from([0.5, 0.95, 0.9999]),
)
def test_no_sample_gives_a_silly_interval(rows, columns, method, level):
    """Whatever the rows: 0 <= low <= rate <= high <= 1, and no warning of the arithmetic."""
    verdict, label, p, p_label, stratum, cluster = zip(*rows, strict=True)
    given_columns = {"p": p, "p_label": p_label, "stratum": stratum, "cluster": cluster}
    sample = Sample.of(verdict, label, **{name: given_columns[name] for name in columns})
    found = estimate(sample, method=method, level=level, draws=200)
    assert 0 <= found.low <= found.high <= 1
    if found.rate is not None:
        assert found.low <= found.rate <= found.high
    assert found.n == len(rows)
    assert np.isfinite([found.n_effective, found.design_effect]).all()


def test_a_rate_is_post_stratified():
    """The rate is the sum over verdicts of their share times the failures among their labels."""
    sample = Sample.of([1] * 10 + [0] * 30, [1, 1, 1, 0] + [None] * 6 + [1] + [0] * 9 + [None] * 20)
    found = estimate(sample)
    assert found.rate == pytest.approx(0.25 * 0.75 + 0.75 * 0.1)
    assert found.judge_rate == 0.25
    assert (found.n, found.n_labels, found.n_unscored, found.method) == (40, 14, 0, "jeffreys")


def test_sampling_and_labelling_probabilities_are_two_things():
    """Rows drawn rarely count for more; rows labelled rarely count for more among the labels, and no more among the rows."""
    verdict = np.array([1.0] * 40 + [0.0] * 60)
    label = np.array([1.0] * 20 + [np.nan] * 20 + [0.0] * 30 + [np.nan] * 30)
    drawn = estimate(Sample.of(verdict, label, p=np.where(verdict == 1, 0.8, 0.2)))
    assert drawn.rate == pytest.approx((40 / 0.8) / (40 / 0.8 + 60 / 0.2))
    labelled = estimate(Sample.of(verdict, label, p_label=np.where(verdict == 1, 0.8, 0.2)))
    assert labelled.rate == pytest.approx(0.4)


def test_the_same_file_gives_the_same_interval():
    """The seed is fixed; another one moves the limits a little, and the rate not at all."""
    sample = Sample.of(*half_labelled())
    first, again, other = estimate(sample), estimate(sample), estimate(sample, seed=7)
    assert first == again
    assert other.rate == first.rate
    assert other.low != first.low
    assert abs(other.low - first.low) < 0.2 * first.half_width


def test_the_order_of_rows_does_not_matter():
    """Shuffled rows give the same numbers."""
    verdict, label = half_labelled()
    order = np.random.default_rng(3).permutation(len(verdict))
    one, other = estimate(Sample.of(verdict, label)), estimate(Sample.of(verdict[order], label[order]))
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


@pytest.mark.parametrize(("value", "edge"), [(0.0, "low"), (1.0, "high")])
def test_labels_that_all_agree_do_not_make_certainty(value, edge):
    """Fifty passes do not prove that there are no failures: the interval starts at the edge and is some percent wide."""
    verdict, _ = half_labelled(400)
    found = estimate(Sample.of(verdict, [value] * 50 + [None] * 350))
    assert getattr(found, edge) == value == found.rate
    assert 0.02 < found.high - found.low < 0.2


def test_no_labels_are_no_rate():
    """Without a label the rate is unknown, whatever the judge says."""
    found = estimate(Sample.of([1, 0, 0, 1], [None] * 4))
    assert (found.rate, found.low, found.high, found.method) == (None, 0.0, 1.0, "none")
    assert found.judge_rate == 0.5
    assert "no row has a label" in found.warnings[0]


def test_a_verdict_that_nobody_labelled_is_wide_and_named():
    """Labels on fails alone say nothing of the passes: the interval holds both ends of what may be there."""
    found = estimate(Sample.of([1.0] * 100 + [0.0] * 300, [1.0] * 80 + [0.0] * 20 + [None] * 300))
    assert found.low < 0.25
    assert found.high > 0.9
    assert any("no labels in pass (75.0% of the population)" in warning for warning in found.warnings)


def test_a_stratum_that_nobody_labelled_is_wide_and_named():
    """A feature left out of the audit stays unknown; those of the others do not stand in for it."""
    verdict, label = half_labelled(400)
    strata = ["asked"] * 400 + ["left out"] * 200
    found = estimate(Sample.of([*verdict, *verdict[:200]], [*label, *[None] * 200], stratum=strata))
    assert found.high - found.low > 0.3
    assert any("left out/pass" in warning for warning in found.warnings)
    assert not any("asked" in warning for warning in found.warnings)


def test_rows_that_were_never_to_be_labelled_are_unknown():
    """p_label = 0 is a design that leaves them out, however few they are."""
    verdict, label = half_labelled(400)
    p_label = np.where(np.arange(400) < 360, 0.5, 0.0)
    label[360:] = np.nan
    found = estimate(Sample.of(verdict, label, p_label=p_label))
    assert any("(10.0% of the population)" in warning for warning in found.warnings)


def test_small_cells_without_labels_are_named_and_do_not_tip_the_estimate():
    """Forty little strata bring no forty guesses with them."""
    random = np.random.default_rng(2)
    truth = failing(random, np.full(2_000, 0.01))
    label = shown(random, truth, 60)
    strata = [f"s{n:02}" for n in random.integers(40, size=2_000)]
    found = estimate(Sample.of(judged(random, truth, 0.7, 0.95), label, stratum=strata))
    assert found.rate is not None
    assert found.rate < 0.06
    assert any("and " in warning and "more: so few rows" in warning for warning in found.warnings)


def test_unscored_rows_belong_to_the_population():
    """Where the judge is silent on what fails, the rate still counts it, and the judge's own does not."""
    verdict = [0.0] * 300 + [None] * 100
    label = [0.0] * 60 + [None] * 240 + [1.0] * 20 + [None] * 80
    found = estimate(Sample.of(verdict, label))
    assert found.rate == pytest.approx(0.25)
    assert found.judge_rate == 0.0
    assert found.n_unscored == 100


def test_a_judge_is_not_needed():
    """All rows unscored: the labels alone make the rate."""
    found = estimate(Sample.of([None] * 100, [1.0] * 5 + [0.0] * 45 + [None] * 50))
    assert found.rate == pytest.approx(0.1)
    assert found.judge_rate is None
    assert 0.02 < found.low < 0.1 < found.high < 0.25


def test_steps_of_a_trace_are_no_independent_opinions():
    """Whole traces that fail together widen the interval, and few of them bring a warning."""
    random = np.random.default_rng(4)
    truth = np.repeat(failing(random, np.full(20, 0.3)), 12)
    verdict, cluster = judged(random, truth, 0.8, 0.9), np.repeat(np.arange(20), 12)
    alone, together = estimate(Sample.of(verdict, truth)), estimate(Sample.of(verdict, truth, cluster=cluster))
    assert together.half_width > 2.5 * alone.half_width
    assert together.n_clusters == 20
    assert together.n_effective < 30
    assert any("20 traces, worth 20 of equal weight, fewer than 30" in warning for warning in together.warnings)
    assert alone.n_clusters is None


def test_traces_of_one_step_are_rows():
    """A cluster column in which no two rows meet changes nothing."""
    verdict, label = half_labelled(300)
    one = estimate(Sample.of(verdict, label, cluster=[f"t{n}" for n in range(300)]))
    assert one == estimate(Sample.of(verdict, label))


def test_ppi_gives_way_below_ten_failures():
    """Asked for with nine labelled failures, the default stands in and says so."""
    verdict = [1.0] * 50 + [0.0] * 150
    few = Sample.of(verdict, [1.0] * 9 + [0.0] * 91 + [None] * 100)
    found = estimate(few, method="ppi++")
    assert found.method == "jeffreys"
    assert "ppi++ needs 10" in found.warnings[-1]
    assert found.low == estimate(few).low
    assert estimate(Sample.of(verdict, [1.0] * 10 + [0.0] * 90 + [None] * 100), method="ppi++").method == "ppi++"


def test_a_level_must_be_one():
    """The level is a share."""
    with pytest.raises(BadSample, match=r"level 95: give a share"):
        estimate(Sample.of([1], [1]), level=95)


def test_a_higher_level_is_wider_even_beyond_what_draws_can_show():
    """0.9999 of 4,000 draws lies beyond them; its limits are still outside those of 0.99."""
    sample = Sample.of(*half_labelled())
    widths = [estimate(sample, level=level).half_width for level in (0.8, 0.95, 0.99, 0.9999, 0.9999999)]
    assert widths == sorted(widths)
    assert widths[-1] > 1.15 * widths[2]


def test_no_labelled_failure_reaches_as_far_as_it_may():
    """0 failures in 100 labels: up to 3.6% as Clopper and Pearson say, since a true 2.7% shows none in 6.5% of all samples; passes alike."""
    for kind in (0.0, 1.0):
        found = estimate(Sample.of([kind] * 2000, [kind] * 100 + [None] * 1900))
        far = found.high if kind == 0 else 1 - found.low
        assert far == pytest.approx(1 - 0.025 ** (1 / 100), abs=0.002)
        assert (found.low if kind == 0 else 1 - found.high) < 0.0005
