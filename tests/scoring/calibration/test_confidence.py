"""Stated confidence against being right."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.calibration.confidence import confidence, ece, isotonic


def test_the_error_by_hand():
    """Two classes: ten at 0.95 of which seven are right, ten at 0.55 of which six are."""
    stated = np.array([0.95] * 10 + [0.55] * 10)
    right = np.array([1] * 7 + [0] * 3 + [1] * 6 + [0] * 4, bool)
    assert ece(stated, right) == pytest.approx(0.5 * 0.25 + 0.5 * 0.05)
    assert ece(np.array([1.0, 1.0]), np.array([True, True])) == 0.0


def test_violators_are_pooled():
    """The correction never falls, and equals the share right where confidence already orders it."""
    curve = isotonic(np.array([0.1, 0.2, 0.2, 0.3, 0.9]), np.array([0, 1, 1, 0, 1], bool))
    assert curve.right.tolist() == pytest.approx([0.0, 2 / 3, 2 / 3, 1.0])
    assert curve(np.array([0.0, 0.6, 1.0])).tolist() == pytest.approx([0.0, 2 / 3 + 0.5 / 3, 1.0])


def test_an_overconfident_judge_is_corrected():
    """Says 0.9 to 1.0 and is right in 70%: isotonic regression takes nearly all of the error away, on rows it has not seen."""
    random = np.random.default_rng(1)
    stated = random.uniform(0.9, 1.0, 600)
    found = confidence(stated, random.random(600) < 0.7, seed=1)
    assert found is not None
    assert found.ece > 0.2
    assert found.ece_corrected is not None
    assert found.ece_corrected < 0.05
    assert found.brier_corrected is not None
    assert found.brier_corrected < found.brier


def test_few_verdicts_fit_no_curve():
    """Under thirty there is an error and no correction; none at all is None."""
    found = confidence(np.full(10, 0.9), np.ones(10, bool), seed=1)
    assert found is not None
    assert (found.n, found.ece_corrected) == (10, None)
    assert confidence(np.array([]), np.array([], bool), seed=1) is None
