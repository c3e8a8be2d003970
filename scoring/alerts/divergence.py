"""`kind = "divergence"`: golden cases pass at a rate that production does not, so that the gate no longer speaks for the traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from scipy.special import ndtri  # scipy.stats takes 70 MB and half a second to import

from scoring.alerts.kinds import Divergence
from scoring.alerts.series import Counted
from scoring.alerts.states import Reading


def reading(rule: Divergence, slice_: Mapping[str, str], at: datetime, *, golden: Counted, production: Counted) -> Reading:
    """Whether the two pass rates lie apart by more than the gap, and surely. value: golden pass rate less production's.

    golden: cases of the latest gate run that count (not known_failing) and how many failed; production: judged exchanges of the window.
    The interval is that of Agresti and Caffo (2000): a success and a failure are added to each side.
    """
    n = min(golden.n, production.n)
    if n < rule.min_count:
        few = f"{golden.n} golden cases, {production.n} judged exchanges: {rule.min_count} of each are needed"
        return Reading(rule.name, slice_, at, n=n, threshold=rule.gap, message=few)
    sides = [(1 + counted.n - counted.failed) / (counted.n + 2) for counted in (golden, production)]
    error = math.sqrt(sum(p * (1 - p) / (counted.n + 2) for p, counted in zip(sides, (golden, production), strict=True)))
    offline, online = (1 - (counted.share or 0.0) for counted in (golden, production))
    gap = offline - online
    apart = abs(gap) > rule.gap and abs(sides[0] - sides[1]) > float(ndtri((1 + rule.confidence) / 2)) * error
    message = (
        f"{offline:.1%} of {golden.n} golden cases pass, {online:.1%} of {production.n} judged exchanges: "
        f"{abs(gap) * 100:.1f} points apart, the limit is {rule.gap * 100:g}"
    )
    return Reading(rule.name, slice_, at, gap, rule.gap if gap >= 0 else -rule.gap, online, n, apart, message)
