"""Answers that came too late."""

from __future__ import annotations

from scoring.checks import latency
from tests.scoring.checks.made import answered, finding, passed


def test_slow_answers_and_slow_first_parts_fail():
    """The duration is the score."""
    found = finding(latency, answered("x", duration_ms=5_000.0), max_ms=4_000)
    assert found is not None
    assert found.passed is False
    assert found.score == 5_000
    assert passed(latency, answered("x", duration_ms=5_000.0, is_stream=True, time_to_first_chunk_ms=900.0), max_first_ms=500) is False


def test_answers_in_time_pass():
    """Nought means any time; the first part counts in streams alone."""
    assert passed(latency, answered("x", duration_ms=5e9), max_ms=0) is True
    assert passed(latency, answered("x", duration_ms=5_000.0, time_to_first_chunk_ms=4_900.0), max_first_ms=500) is True


def test_an_unknown_duration_is_not_told():
    """NULL is not nought."""
    assert passed(latency, answered("x")) is None
