"""The states of an alert, and the one function that moves it on; pure: every time is handed in.

    inactive ─ breached ─> pending ─ breached for `pending` ─> firing ─ clear for `resolve_after` ─> resolved ─ clear ─> inactive
                                                                     └ no data for `no_data_after` ─> no_data
    inactive, pending, resolved ─ too little data to say ─> no_data ─ data again ─> inactive or pending

No data is a state of its own, never a zero: it neither clears an alert nor raises one. An alert that fires goes on firing while nothing
is heard, until `no_data_after` has passed, and then it is told as lost from sight, not as mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

State = Literal["inactive", "pending", "firing", "resolved", "no_data"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule saw in one slice at one time."""

    rule: str  # its name in the rules file
    slice: Mapping[str, str]  # such as {"feature": "search"}; {} = everything
    at: datetime  # end of the windows it looked at
    value: float | None = None  # in the unit of the threshold; None = could not be measured
    threshold: float | None = None  # beyond which it is a breach
    baseline: float | None = None  # what the value usually is
    n: int = 0  # exchanges, verdicts or tasks that the value rests on
    breached: bool | None = None  # None = no data, or too few to say
    message: str = ""  # one sentence for a person, figures included
    by: str = ""  # which of a rule's tests tripped, such as "week" or "cusum"
    onset: datetime | None = None  # when the change is thought to have begun, where the test can say


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands between two readings; stored as it is, one a rule and slice."""

    state: State = "inactive"
    since: datetime | None = None  # when this state began
    last: datetime | None = None  # time of the latest reading that could say anything
    clear_since: datetime | None = None  # while firing: since when it no longer breaches


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert changed its state."""

    reading: Reading
    before: State
    after: State
    since: datetime  # when the trouble began: the first breach of this episode, or the beginning of the new state


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of what it matches until it ends; matches are counted and told then. It always has an owner and an end."""

    id: str
    owner: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    rule: str | None = None  # None = every rule
    slice: Mapping[str, str] = field(default_factory=dict)  # keys that must be equal; {} = every slice

    def covers(self, rule: str, slice_: Mapping[str, str], at: datetime) -> bool:
        """Whether it holds for an alert of that rule and slice at that time."""
        if not self.starts_at <= at < self.ends_at or self.rule not in {None, rule}:
            return False
        return all(slice_.get(key) == value for key, value in self.slice.items())


class Timing(Protocol):
    """What `advance` needs of a rule."""

    @property
    def pending(self) -> timedelta: ...
    @property
    def resolve_after(self) -> timedelta: ...
    @property
    def no_data_after(self) -> timedelta: ...


def advance(standing: Standing | None, reading: Reading, rule: Timing) -> tuple[Standing, Transition | None]:
    """Where the alert stands after a reading, and the transition if its state changed.

    standing: None = never evaluated before. A clock that stepped back makes an alert wait again, and never makes it skip a wait: no
    time in the standing lies after the reading. A `pending` that is not zero needs two readings, however far the clock jumped ahead.
    """
    now = standing or Standing()
    at = reading.at
    since, last = _no_later(now.since, at) or at, _no_later(now.last, at)
    clear = _no_later(now.clear_since, at)
    if reading.breached is None:
        return _unseen(now.state, since, last, clear, reading, rule)
    if now.state == "firing":
        if reading.breached:
            return Standing("firing", since, at), None
        clear = clear or at
        if at - clear < rule.resolve_after:
            return Standing("firing", since, at, clear), None
        return Standing("resolved", at, at), Transition(reading, "firing", "resolved", since)
    if not reading.breached:
        after = Standing("inactive", since if now.state == "inactive" else at, at)
        return after, _moved(now.state, after, reading, at)
    begun = since if now.state == "pending" else at
    waited = now.state == "pending" and at - begun >= rule.pending
    if waited or not rule.pending:
        return Standing("firing", begun, at), Transition(reading, now.state, "firing", begun)
    after = Standing("pending", begun, at)
    return after, _moved(now.state, after, reading, begun)


def _unseen(
    state: State, since: datetime, last: datetime | None, clear: datetime | None, reading: Reading, rule: Timing
) -> tuple[Standing, Transition | None]:
    if state == "firing" and reading.at - (last or since) < rule.no_data_after:
        return Standing("firing", since, last, clear), None
    if state == "no_data":
        return Standing("no_data", since, last), None
    return Standing("no_data", reading.at, last), Transition(reading, state, "no_data", since if state == "firing" else reading.at)


def _moved(before: State, after: Standing, reading: Reading, since: datetime) -> Transition | None:
    return None if before == after.state else Transition(reading, before, after.state, since)


def _no_later(time: datetime | None, at: datetime) -> datetime | None:
    return None if time is None else min(time, at)
