"""`kind = "burn"`: the error budget of a declared SLO burns so fast that it will not last; pairs of windows after Google's SRE workbook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from scoring.alerts.kinds import Burn, Pair, Slo, spelled
from scoring.alerts.series import Counted
from scoring.alerts.slis import SLIS
from scoring.alerts.states import Reading


def lengths(rule: Burn) -> tuple[timedelta, ...]:
    """The windows to be measured."""
    return tuple(sorted({length for pair in rule.pairs for length in (pair.long, pair.short)}))


def reading(rule: Burn, slo: Slo, at: datetime, *, windows: Mapping[timedelta, Counted]) -> Reading:
    """Whether both windows of any pair burn too fast; value and threshold are burn rates: 1 = the budget lasts just as long as promised.

    windows: counts by length (`lengths`), all ending at `at`. The slice names the SLO beside its own slice.
    """
    slice_ = {"slo": slo.name, **slo.slice}
    sli = SLIS[slo.sli]
    told = [pair for pair in rule.pairs if windows.get(pair.long, Counted()).n >= rule.min_count]
    if not told:
        n = max((window.n for window in windows.values()), default=0)
        return Reading(rule.name, slice_, at, n=n, message=f"{n} {sli.counted}: fewer than {rule.min_count} say nothing")
    burning = [pair for pair in told if _burns(pair, slo, windows, rule.min_failed)]
    pair = burning[0] if burning else max(told, key=lambda one: _rate(windows[one.long], slo) / one.rate)
    long, short = windows[pair.long], windows.get(pair.short, Counted())
    rate = _rate(long, slo)
    lasts = f"; at this rate {slo.window / timedelta(days=1):g} days of budget last {spelled_days(slo.window, rate)}" if burning else ""
    message = (
        f"{slo.name} ({slo.target:.2%} promised): {sli.bad} {long.failed} of {long.n} in {spelled(pair.long)}, "
        f"{short.failed} of {short.n} in {spelled(pair.short)}: "
        f"the budget burns {rate:.1f} times as fast as it may, the limit is {pair.rate:g}{lasts}"
    )
    return Reading(rule.name, slice_, at, rate, pair.rate, 1.0, long.n, bool(burning), message, by=pair.severity)


def spelled_days(window: timedelta, rate: float) -> str:
    """How long a budget lasts at a burn rate, in hours or days."""
    lasts = window / rate
    return f"{lasts / timedelta(hours=1):.0f} hours" if lasts < timedelta(days=2) else f"{lasts / timedelta(days=1):.1f} days"


def _rate(window: Counted, slo: Slo) -> float:
    return (window.share or 0.0) / slo.budget


def _burns(pair: Pair, slo: Slo, windows: Mapping[timedelta, Counted], fewest: int) -> bool:
    long, short = windows[pair.long], windows.get(pair.short, Counted())
    return long.failed >= fewest and _rate(long, slo) > pair.rate and _rate(short, slo) > pair.rate
