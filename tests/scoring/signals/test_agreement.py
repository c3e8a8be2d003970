"""Lift and phi: by hand, at their ends, and whether their intervals hold what is true."""

from __future__ import annotations

import numpy as np

from scoring.signals.agreement import Rated, agree


def rated(both: int, only: int, down: int, neither: int, per_session: int = 1) -> list[Rated]:
    cells = [(True, True)] * both + [(True, False)] * only + [(False, True)] * down + [(False, False)] * neither
    return [
        Rated(str(number), str(number // per_session), is_down, frozenset({"regenerated"} if has else ()))
        for number, (has, is_down) in enumerate(cells)
    ]


def test_by_hand() -> None:
    """30 of 40 with the signal are rated down, 20 of 160 without: lift 0.75 / 0.25 = 3, phi = 0.577."""
    (one,) = agree(rated(30, 10, 20, 140), ["regenerated"])
    assert (one.n, one.both, one.signal_only, one.down_only, one.neither, one.lift, one.phi) == (200, 30, 10, 20, 140, 3.0, 0.5774)
    assert one.lift_low is not None
    assert one.lift_high is not None
    assert 2.0 < one.lift_low < 3.0 < one.lift_high < 4.2
    assert one.warning is None


def test_nothing_to_say() -> None:
    """No ratings, none with the signal, all alike: not defined, and said."""
    for cells in ((0, 0, 0, 0), (0, 0, 5, 5), (0, 5, 0, 5)):
        (one,) = agree(rated(*cells), ["regenerated"])
        assert one.phi is None
        assert one.warning is not None


def test_one_session_that_rates_everything_is_little_evidence() -> None:
    """The same counts from few sessions give wider intervals."""
    (many,) = agree(rated(30, 10, 20, 140), ["regenerated"])
    (few,) = agree(rated(30, 10, 20, 140, per_session=20), ["regenerated"])
    assert few.lift_high is not None
    assert few.lift_low is not None
    assert many.lift_high is not None
    assert many.lift_low is not None
    assert few.lift_high - few.lift_low > 2 * (many.lift_high - many.lift_low)


def test_intervals_hold_what_is_true() -> None:
    """400 made-up samples of 300 ratings: the 95% interval of lift holds the true 2.5 in at least 92% of them."""
    random = np.random.default_rng(7)
    true = np.array([0.10, 0.10, 0.10, 0.70])  # with and down, with, down, neither: lift 0.5 / 0.2
    held = 0
    for _ in range(400):
        cells = random.multinomial(300, true)
        (one,) = agree(rated(*(int(count) for count in cells)), ["regenerated"])
        assert one.lift_low is not None
        assert one.lift_high is not None
        held += one.lift_low <= 2.5 <= one.lift_high
    assert held / 400 >= 0.92
