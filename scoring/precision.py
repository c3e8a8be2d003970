"""What precision a planned sample will give, and how many labels people must give for the one that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from config.settings import Settings
from proxy.service.client import Access
from scoring.estimates.agreement import agreement
from scoring.estimates.estimate import LEVEL, estimate
from scoring.estimates.planning import Expected, half_width, labels_for
from scoring.estimates.posterior import SEED
from scoring.plan import Plan
from scoring.rates import OLD_DAYS, before, judged, sample_of

ENOUGH: int = 50
"""Labels from which the log's own rates are believed more than the common ones."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Half-widths of the 95% interval of the whole day's failure rate."""

    assumed: Expected
    from_labels: int  # labels of the last weeks behind what is assumed; 0: common values
    n: int  # judged items
    labels: int  # that the audit of this day asks people for
    half_width: float
    wanted: float
    wanted_labels: int | None  # None: the sample is too small for it, however many are labelled
    audit_per_day: int | None  # that would be drawn for it
    rate: float | None = None  # [sampling] rate that it takes, where the random part of the day is too small for so many

    def as_json(self) -> dict[str, Any]:
        """For `--plan --json`."""
        return {"precision": asdict(self), "half_width": self.half_width, "labels_for_half_width": self.wanted_labels}

    def lines(self) -> Iterator[str]:
        """For people."""
        grounds = f"{self.from_labels} labels of the last {OLD_DAYS} days" if self.from_labels else "common values"
        yield (
            f"expected precision: ±{self.half_width:.1%} with {self.labels} labels "
            f"(assumed from {grounds}: {self.assumed.rate:.1%} failures, the judge sees {self.assumed.tpr:.0%} of them)"
        )
        if self.wanted_labels is None:
            yield f"for ±{self.wanted:.1%}: more items must be judged than the day's {self.n:,}, whatever is labelled"
        else:
            more = f" and [sampling] rate = {self.rate:g}, for the audit is drawn from the random part" if self.rate else ""
            yield f"for ±{self.wanted:.1%}: {self.wanted_labels:,} labels: set audit_per_day = {self.audit_per_day:,}{more}"


def expected(settings: Settings, plan: Plan, wanted: float) -> Precision:
    """The precision of a plan. Raises LogError, NoLog, ServiceError."""
    with Access(settings) as access:
        history = judged(access, before(plan.day, OLD_DAYS), plan.day)
    labelled = [row for row in history if row.label == row.label]  # nan is not itself
    assumed = Expected()
    if len(labelled) >= ENOUGH:
        sample = sample_of(history)
        rate = estimate(sample, level=LEVEL, seed=SEED).rate
        agreed = agreement(sample, level=LEVEL, seed=SEED)
        if rate is not None and agreed.tpr is not None and agreed.tnr is not None:
            assumed = Expected(rate, agreed.tpr, agreed.tnr)
    n = plan.calls or sum(plan.drawn.values())
    needed = labels_for(assumed, n, wanted) if n else None
    return Precision(
        assumed,
        len(labelled) if len(labelled) >= ENOUGH else 0,
        n,
        plan.audit,
        half_width(assumed, n, plan.audit),
        wanted,
        needed,
        needed,
        min(1.0, ceil(1000 * needed / sum(plan.sizes.values())) / 1000) if needed is not None and needed > plan.random else None,
    )
