"""Sampling by hash: the same items always, the right probabilities, the floors kept."""

from __future__ import annotations

from collections import Counter

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.scoring import Sampling
from scoring.sampling import UNIFORM, Candidate, Stratum, audit, design, draw, uniform

QUIET, DOWN = Stratum("search", "none"), Stratum("search", "thumbs_down")


def candidates(**sizes: int) -> list[Candidate]:
    """So many candidates of each feature, every tenth with a long answer."""
    return [
        Candidate(f"{feature}-{number}", Stratum(feature, "long" if number % 10 == 0 else "none"))
        for feature, size in sizes.items()
        for number in range(size)
    ]


def sizes(of: list[Candidate]) -> dict[Stratum, int]:
    return Counter(one.stratum for one in of)


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")),
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")),
)
def test_the_log_and_python_hash_alike(seed, item):
    """UNIFORM in SQL gives the number that `uniform` gives."""
    row = duckdb.execute(f"SELECT {UNIFORM} FROM (SELECT $item AS item)", {"seed": seed, "item": item}).fetchone()
    assert row is not None
    assert row[0] == uniform(seed, item)


def test_the_same_day_gives_the_same_sample_whatever_the_order():
    """Another seed gives another."""
    of = candidates(search=2000, chat=300)
    plan = design(sizes(of), Sampling())
    assert draw(plan, of) == draw(plan, reversed(of))
    other = design(sizes(of), Sampling(seed="another"))
    assert {one.item for one in draw(other, of)} != {one.item for one in draw(plan, of)}


def test_each_feature_gets_its_floor_and_what_is_small_is_taken_whole():
    """25 of a feature with 400 at 1%, all 7 of one with 7, and the rate of one that is large; the probability is what it says."""
    of = candidates(small=400, tiny=7, large=20_000)
    drawn = draw(design(sizes(of), Sampling(rate=0.01, floor=25, long=0.01)), of)
    found = Counter(one.stratum.feature for one in drawn)
    assert 25 <= found["small"] <= 27
    assert found["tiny"] == 7
    assert 150 < found["large"] < 250
    assert {one.probability for one in drawn if one.stratum.feature == "tiny"} == {1.0}
    small = [one for one in drawn if one.stratum == Stratum("small", "none")]
    assert small[0].probability == pytest.approx(len(small) / 360)


def test_the_random_share_is_in_every_sample_whole():
    """Whatever lies below the rate is drawn, and nothing else is called random."""
    of = candidates(search=5000, tiny=30)
    plan = design(sizes(of), Sampling(rate=0.05, long=0.5))
    drawn = {one.item: one for one in draw(plan, of)}
    below = {one.item for one in of if uniform(plan.seed, one.item) < 0.05}
    assert {item for item, one in drawn.items() if one.is_random} == below


def test_risky_strata_are_drawn_more_often_and_weights_undo_it():
    """Horvitz-Thompson: the weights of what was drawn add up to the population, by stratum and in all."""
    total = quiet = 0.0
    seeds = 60
    of = [Candidate(f"i{n}", DOWN if n % 50 == 0 else QUIET) for n in range(3000)]
    for seed in range(seeds):
        drawn = draw(design(sizes(of), Sampling(seed=str(seed), floor=0, thumbs_down=0.5)), of)
        total += sum(1 / one.probability for one in drawn) / seeds
        quiet += sum(1 / one.probability for one in drawn if one.stratum == QUIET) / seeds
        assert sum(one.stratum == DOWN for one in drawn) > 15
    assert total == pytest.approx(3000, rel=0.03)
    assert quiet == pytest.approx(2940, rel=0.03)


def test_thresholds_leave_nothing_out():
    """The items below their stratum's threshold are enough to draw from."""
    of = candidates(search=5000, small=300, tiny=5)
    plan = design(sizes(of), Sampling(rate=0.02, floor=30))
    few = [one for one in of if uniform(plan.seed, one.item) < plan.threshold(one.stratum)]
    assert len(few) < len(of) / 4
    assert draw(plan, few) == draw(plan, of)


def test_a_growing_day_draws_a_part_of_what_the_whole_day_draws():
    """Without floors, and with half of the items: what `--follow` has judged the night need not judge again."""
    of = candidates(search=3000, small=100)
    night = {one.item for one in draw(design(sizes(of), Sampling()), of)}
    half = [one for number, one in enumerate(of) if number % 2]
    assert {one.item for one in draw(design(sizes(half), Sampling(), floors=False), half)} <= night


def test_the_order_of_judging_is_random_within_every_stratum():
    """A budget that ends half way leaves about half of each stratum."""
    of = [Candidate(f"i{n}", DOWN if n % 5 == 0 else QUIET) for n in range(4000)]
    drawn = draw(design(sizes(of), Sampling(rate=0.2, floor=0)), of)
    first = drawn[: len(drawn) // 2]
    for stratum in (QUIET, DOWN):
        whole = sum(one.stratum == stratum for one in drawn)
        assert sum(one.stratum == stratum for one in first) == pytest.approx(whole / 2, rel=0.2)


def test_audits_come_from_the_random_part_with_their_probability():
    """About ten items, whose probability of drawing and labelling together is the same for all of the population."""
    of = [Candidate(f"i{n}", DOWN if n % 5 == 0 else QUIET) for n in range(4000)]
    plan = design(sizes(of), Sampling(rate=0.1, floor=0))
    drawn = draw(plan, of)
    found = audit(drawn, 40, plan)
    by_item = {one.item: one for one in drawn}
    assert all(by_item[item].is_random for item in found.items)
    assert 25 < len(found.items) < 55
    assert len({round(one.probability * found.probability(one), 12) for one in drawn}) == 1


def test_an_empty_day_is_no_error():
    """Nothing in, nothing out."""
    plan = design({}, Sampling())
    assert draw(plan, []) == []
    assert audit([], 10, plan).items == frozenset()


def test_a_day_with_too_many_items_is_sampled_thinner():
    """All shares shrink by one factor: the draw is a part of what would have been drawn, and its probabilities say so."""
    sizes = {Stratum("a", "none"): 40_000, Stratum("a", "thumbs_down"): 1_000, Stratum("b", "none"): 10}
    items = [Candidate(f"{stratum}-{n}", stratum) for stratum, size in sizes.items() for n in range(size)]
    whole = design(sizes, Sampling())
    thin = design(sizes, Sampling(most=300))
    assert whole.expected > 3000
    assert thin.expected == pytest.approx(300)
    assert not thin.fixed
    assert thin.shares[Stratum("a", "thumbs_down")] == pytest.approx(20 * thin.shares[Stratum("a", "none")])
    drawn = draw(thin, items)
    assert {one.item for one in drawn} <= {one.item for one in draw(whole, items)}
    assert sum(1 / one.probability for one in drawn) == pytest.approx(41_010, rel=0.25)
    assert all(one.is_random == (uniform(thin.seed, one.item) < thin.rate) for one in drawn)
