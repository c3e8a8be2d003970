"""Wilson's and Newcombe's intervals against the figures in their papers, and at the ends."""

from __future__ import annotations

import pytest

from scoring.estimates.proportions import difference, share


def test_wilson_as_published():
    """81 of 263 gives 0.2553 to 0.3662 (Newcombe 1998, table I, method 3), and 0 of 20 begins at 0."""
    found = share(81, 263)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    nothing = share(0, 20)
    assert nothing is not None
    assert (nothing.low, nothing.high) == (0.0, pytest.approx(0.1611, abs=1e-4))
    assert share(0, 0) is None


def test_newcombe_as_published():
    """56/70 against 48/80 gives 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    found = difference(56, 70, 48, 80)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert found.is_apart
    assert difference(1, 5, 0, 0) is None
