"""`kind = "errors"`: a share over its limit in an hour, or in a quarter of one, and in the last minutes; and more than is usual."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from scipy.special import bdtrc  # scipy.stats takes 70 MB and half a second to import

from scoring.alerts.kinds import Errors, spelled
from scoring.alerts.series import Counted
from scoring.alerts.slis import SLIS
from scoring.alerts.states import Reading

CHANCE: Final = 1e-5
"""Chance allowed for so many failures at the usual rate: a rule that is asked every minute is asked often."""
SUPPOSED: Final = Counted(n=100, failed=1)
"""What is supposed of the usual rate before anything is known, worth 100 events."""


def reading(
    rule: Errors, slice_: Mapping[str, str], at: datetime, *, long: Counted, middle: Counted, short: Counted, usual: Counted | None = None
) -> Reading:
    """Whether bad events are over the limit now.

    long, short: counts of the rule's windows that end at `at`; middle: of a quarter of the long one, in which a burst is over the limit
    long before it is in the long one. usual: counts of the days before the long window; None or few = not known yet.
    """
    sli = SLIS[rule.sli]
    counted = [window for window in (long, middle) if window.n >= rule.min_count]
    rate, seen = usual_rate(usual), usual.share if usual else None
    if not counted:
        few = f"{long.n} {sli.counted} in {spelled(rule.long)}: fewer than {rule.min_count} say nothing"
        return Reading(rule.name, slice_, at, long.share, rule.limit, seen, long.n, None, few)
    over = [window for window in counted if _is_over(window, rule, rate)]
    goes_on = short.failed > 0 and short.failed > rule.limit * short.n
    shown = (over or counted)[0]
    length = spelled(rule.long if shown is long else rule.long / 4)
    known = f"what is usual is not known yet, {rate:.1%} is supposed" if seen is None else f"usually {seen:.1%}"
    message = (
        f"{sli.bad}: {shown.failed} of {shown.n} {sli.counted} in {length} ({shown.share or 0:.1%}), "
        f"{short.failed} of {short.n} in the last {spelled(rule.short)}; {known}; the limit is {rule.limit:.1%}"
    )
    return Reading(rule.name, slice_, at, shown.share, rule.limit, seen, shown.n, bool(over) and goes_on, message)


def usual_rate(usual: Counted | None) -> float:
    """The share of bad events to be expected."""
    known = usual or Counted()
    return (known.failed + SUPPOSED.failed) / (known.n + SUPPOSED.n)


def _is_over(window: Counted, rule: Errors, rate: float) -> bool:
    if window.failed < rule.min_failed or window.failed <= rule.limit * window.n:
        return False
    return float(bdtrc(window.failed - 1, window.n, min(rate, 1.0))) < CHANCE
