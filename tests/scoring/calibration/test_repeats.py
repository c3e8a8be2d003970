"""Whether a judge says the same again."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.calibration.repeats import drift, repeats


def flipped(n: int, flips: int) -> tuple[list[bool | None], list[bool | None]]:
    return [True] * n, [False] * flips + [True] * (n - flips)


def test_flips_are_counted_where_both_can_be_read():
    """Unscored verdicts are no flips, and are counted apart."""
    found = repeats([True, True, False, None, True], [True, False, False, True, None])
    assert (found.n, found.flips, found.unreadable) == (3, 1, 2)
    assert found.share == pytest.approx(1 / 3)
    assert found.consistency == pytest.approx(2 / 3)
    assert found.low < 1 / 3 < found.high
    assert repeats([], []).share is None


def test_drift_needs_more_than_the_floor():
    """Of 100 anchors three flips may be a judge that flips 1%; four are not; with a floor of 3% it takes more."""
    assert drift(*flipped(100, 3)).drifted is False
    assert drift(*flipped(100, 4)).drifted is True
    assert drift(*flipped(100, 4), floor=0.03).drifted is False
    assert drift(*flipped(100, 0)).p_value == 1.0


def test_the_floor_is_never_below_one_percent():
    """A judge that never flipped before is not accused for one flip in two hundred."""
    found = drift(*flipped(200, 1), floor=0.0)
    assert found.floor == 0.01
    assert found.drifted is False


def test_few_anchors_say_nothing():
    """Below twenty no verdict."""
    assert drift(*flipped(19, 10)).drifted is None


def test_directions_are_told_apart():
    """Flips to fail are counted."""
    before, after = [True] * 30 + [False] * 10, [False] * 5 + [True] * 25 + [True] * 2 + [False] * 8
    found = drift(before, after)
    assert (found.repeats.flips, found.to_fail) == (7, 5)


def test_an_unchanged_judge_is_hardly_ever_accused_and_a_changed_one_is():
    """At half a percent of flips under 5% false alarms; at ten percent 100 anchors find it nearly always."""
    random = np.random.default_rng(1)
    for share, least, most in ((0.005, 0.0, 0.05), (0.1, 0.95, 1.0)):
        flips = random.binomial(100, share, 400)
        found = np.mean([drift(*flipped(100, int(one))).drifted for one in flips])
        assert least <= found <= most
