"""The states of an alert: each way through them, with no data, with clocks that step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scoring.alerts.states import Reading, Silence, Standing, State, Transition, advance

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Waits:
    pending: timedelta = timedelta(minutes=5)
    resolve_after: timedelta = timedelta(minutes=10)
    no_data_after: timedelta = timedelta(minutes=30)


def through(*steps: tuple[int, bool | None], waits: Waits | None = None) -> list[tuple[int, State]]:
    """From (minute, breached) to (minute, new state) wherever it changes."""
    standing: Standing | None = None
    moves = []
    for minute, breached in steps:
        reading = Reading("r", {}, START + minute * MINUTE, breached=breached)
        standing, moved = advance(standing, reading, waits or Waits())
        if moved:
            assert moved.after == standing.state
            moves.append((minute, moved.after))
    return moves


def test_it_fires_after_its_wait_and_is_resolved_after_the_other():
    """Pending at the first breach, firing once it lasted five minutes, resolved once it was clear for ten, then inactive."""
    steps = [(0, False), (1, True), (3, True), (6, True), (7, False), (12, False), (17, False), (18, False)]
    assert through(*steps) == [(1, "pending"), (6, "firing"), (17, "resolved"), (18, "inactive")]


def test_a_short_breach_is_forgotten():
    """What does not last never fires, and the next breach waits anew."""
    assert through((0, True), (3, True), (4, False), (5, True), (9, True)) == [(0, "pending"), (4, "inactive"), (5, "pending")]


def test_a_breach_during_the_clear_time_begins_it_anew():
    """An alert that flickers is one alert."""
    steps = [(0, True), (5, True), (6, False), (14, False), (15, True), (16, False), (25, False), (26, False)]
    assert through(*steps) == [(0, "pending"), (5, "firing"), (26, "resolved")]


def test_with_no_wait_it_fires_and_clears_at_once():
    """Zero waits mean none."""
    none = Waits(timedelta(0), timedelta(0))
    assert through((0, True), (1, False), (2, False), waits=none) == [(0, "firing"), (1, "resolved"), (2, "inactive")]


def test_no_data_neither_clears_nor_raises():
    """An alert that fires goes on firing while nothing is heard, until it is lost from sight; a pending one is dropped."""
    assert through((0, True), (5, True), (10, None), (34, None), (35, None)) == [(0, "pending"), (5, "firing"), (35, "no_data")]
    assert through((0, True), (1, None), (2, None), (3, True)) == [(0, "pending"), (1, "no_data"), (3, "pending")]
    assert through((0, True), (5, True), (10, None), (11, True)) == [(0, "pending"), (5, "firing")]


def test_the_first_reading_may_be_no_data():
    """A rule that has never seen anything says so."""
    assert through((0, None), (1, None), (2, False)) == [(0, "no_data"), (2, "inactive")]


def test_a_clock_that_steps_ahead_makes_nothing_fire_at_its_first_breach():
    """A wait needs two readings, however far apart the clock says they are."""
    assert through((0, False), (1000, True), (1001, True)) == [(1000, "pending")]


def test_a_clock_that_steps_back_makes_it_wait_again():
    """No time of the standing lies after the reading, so that a day back does not silence an alert for a day."""
    assert through((1000, True), (0, True), (4, True), (5, True)) == [(1000, "pending"), (5, "firing")]


def test_an_alert_says_when_the_trouble_began():
    """`since` is the first breach of the episode, when it fires and when it is resolved."""
    standing = None
    moved: list[Transition] = []
    for minute, breached in [(0, False), (2, True), (8, True), (9, False), (20, False)]:
        standing, one = advance(standing, Reading("r", {}, START + minute * MINUTE, breached=breached), Waits())
        moved += [one] if one else []
    assert [(one.after, one.since) for one in moved] == [
        ("pending", START + 2 * MINUTE),
        ("firing", START + 2 * MINUTE),
        ("resolved", START + 2 * MINUTE),
    ]


@given(st.lists(st.tuples(st.integers(-500, 500), st.sampled_from([True, False, None])), max_size=30))
def test_whatever_the_clock_does_it_never_fires_without_two_breaches(steps):
    """Firing follows pending, and pending follows a breach; no time lies after its reading."""
    standing: Standing | None = None
    breaches = 0
    for minute, breached in steps:
        reading = Reading("r", {}, START + minute * MINUTE, breached=breached)
        before = standing.state if standing else "inactive"
        standing, _ = advance(standing, reading, Waits())
        breaches += breached is True
        assert standing.since is not None
        assert standing.since <= reading.at
        if standing.state == "firing" and before != "firing":
            assert before == "pending"
            assert breaches >= 2
        if breached is None:
            assert standing.state in {"no_data", "firing"}


def test_a_silence_covers_what_it_names_until_it_ends():
    """Rule and slice must match, from its beginning and not at its end."""
    silence = Silence("s", "ada", "rollout", START, START + 60 * MINUTE, "errors", {"feature": "search"})
    slice_ = {"feature": "search", "route": "openai/chat"}
    assert silence.covers("errors", slice_, START)
    assert not silence.covers("errors", slice_, START + 60 * MINUTE)
    assert not silence.covers("latency", slice_, START)
    assert not silence.covers("errors", {"route": "openai/chat"}, START)
    assert Silence("s", "ada", "all", START, START + MINUTE).covers("latency", {}, START)
