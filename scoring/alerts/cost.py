"""`kind = "cost"`: a task costs more than the days before, and not because there are more or fewer of them.

A price step is seen in a part of a day: besides the rule's window its half and its quarter are compared, each with the same hours of the
days before, so that a daily pattern is no rise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median, stdev
from typing import Final

from scoring.alerts.kinds import Cost, spelled
from scoring.alerts.series import Spent
from scoring.alerts.states import Reading

BEYOND: Final = 4.0
"""Standard deviations, of what a day's cost per task usually differs by, that a rise must have."""
LEAST_SPREAD: Final = 0.02
"""Days are never thought to differ by less."""
FEWEST_DAYS: Final = 3
"""Days before, of which the spread can be told."""
ROBUST_FROM: Final = 5
WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Window:
    """One length of time that ends now, and the same hours of the days before, oldest first, without a gap."""

    length: timedelta
    now: Spent
    before: Sequence[Spent]


def lengths(rule: Cost) -> tuple[timedelta, ...]:
    """The windows to be measured: all, half and a quarter of the rule's."""
    return rule.window, rule.window / 2, rule.window / 4


def reading(rule: Cost, slice_: Mapping[str, str], at: datetime, *, windows: Sequence[Window]) -> Reading:
    """Whether a task costs more in one of the windows (`lengths`); the one that rose most surely is shown."""
    seen = [one for one in (_look(rule, window) for window in windows) if one is not None]
    if not seen:
        n = windows[0].now.tasks if windows else 0
        few = f"{n} tasks with a price: {rule.min_count} are needed, and {FEWEST_DAYS} days before them"
        return Reading(rule.name, slice_, at, n=n, message=few)
    best = max(seen, key=lambda look: (look.breached, look.surely))
    message = (
        f"a task costs ${best.value:.6f} in the last {spelled(best.length)}, "
        f"${best.usual:.6f} in the same hours of the {best.days} days before "
        f"({best.value / best.usual - 1:+.0%}, the limit is {rule.rise:+.0%}); tasks {best.moved:+.0%}"
    )
    return Reading(rule.name, slice_, at, best.value, best.usual * (1 + rule.rise), best.usual, best.tasks, best.breached, message)


def _spread(logs: Sequence[float], middle: float) -> float:
    """A standard deviation that one or two days of another price do not change, where there are days enough for that."""
    return stdev(logs) if len(logs) < ROBUST_FROM else 1.4826 * median(abs(one - middle) for one in logs)


def _log(day: Spent) -> float:
    """Of the cost of a task; taken apart, since a quotient may be too small for a number."""
    return math.log(day.cost_usd) - math.log(day.tasks)


@dataclass(frozen=True, slots=True)
class _Look:
    length: timedelta
    value: float
    usual: float
    days: int
    tasks: int
    moved: float
    surely: float
    breached: bool


def _look(rule: Cost, window: Window) -> _Look | None:
    days = [day for day in window.before if day.tasks >= rule.min_count and day.cost_usd > 0]
    if window.now.tasks < rule.min_count or window.now.cost_usd <= 0 or len(days) < FEWEST_DAYS:
        return None
    logs = [_log(day) for day in days]
    middle = median(logs)
    usual = math.exp(middle)  # the middle day: a step up does not become its own baseline within the week
    value = window.now.cost_usd / window.now.tasks
    spread = max(_spread(logs, middle), LEAST_SPREAD) * math.sqrt(1 + 1 / len(days))
    rise = _log(window.now) - middle
    same_day = window.before[-WEEK].tasks if len(window.before) >= WEEK else 0
    others = same_day or sum(day.tasks for day in days) / len(days)
    moved = window.now.tasks / others - 1
    noise = 2 * math.sqrt(1 / window.now.tasks + 1 / others)
    breached = rise + spread >= math.log(1 + rule.rise) and rise >= BEYOND * spread and abs(moved) < rule.volume + noise
    return _Look(window.length, value, usual, len(days), window.now.tasks, moved, rise / spread, breached)
