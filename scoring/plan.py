"""What a night would do, before it does it: the sample by stratum, what is left out and why, the judge calls and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from proxy.service.client import Access
from scoring import anchors, checking, costs
from scoring.ledger import Ledger
from scoring.nightly import is_judged, rubrics_of, sample
from scoring.pages import windows
from scoring.population import left_out
from scoring.run import Night
from scoring.sampling import Stratum

SECOND_SHARE: Final = 0.25
"""Share of the items that the second judge is expected to see."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    day: date
    exchanges: int
    unchecked: int
    left_out: Mapping[str, int]  # exchanges that cannot be sampled: why -> how many
    sizes: Mapping[Stratum, int]
    drawn: Mapping[Stratum, int]
    rate: float  # of the random part, below the one that is set where the day has too many items
    calls: int  # of the first judge
    second_calls: int  # expected
    anchor_calls: int  # of the first judge about frozen anchors that are due, beside those above
    second_anchor_calls: int  # the same of the second
    cost_usd: Decimal | None  # of all calls; None: a price is not known
    has_judge: bool
    audit: int
    random: int  # items of the pure random part, from which the audit is drawn

    def as_json(self) -> dict[str, Any]:
        """For `--plan --json`."""
        return {
            "day": self.day.isoformat(),
            "exchanges": self.exchanges,
            "unchecked": self.unchecked,
            "left_out": dict(self.left_out),
            "sample": sum(self.drawn.values()),
            "rate": self.rate,
            "strata": [
                {"feature": stratum.feature, "risk": stratum.risk, "items": size, "drawn": self.drawn.get(stratum, 0)}
                for stratum, size in sorted(self.sizes.items())
            ],
            "audit": self.audit,
            "judge_calls": self.calls,
            "second_judge_calls": self.second_calls,
            "anchor_calls": self.anchor_calls,
            "second_anchor_calls": self.second_anchor_calls,
            "cost_usd": None if self.cost_usd is None else float(self.cost_usd),
        }


def plan(with_: Night) -> Plan:
    """The sample and what judging it would cost; nothing is written. Raises as `night`."""
    with Access(with_.settings) as access:
        exchanges = sum(n for _, n in windows(access, with_.span, checking.CHECKED, {}))
        unchecked = sum(n for _, n in checking.pending(access, with_.span, with_.tasks))
        ledger = Ledger(access, with_.day)
        without = left_out(access, with_.span, with_.options.sampling)
        first, second = with_.options.judge, with_.options.second_judge
        judges = () if with_.growing else (first, second)  # anchors are the night's
        due = [anchors.due(access, with_.options, of, rubrics_of(with_), with_.day)[0] for of in judges]
    sampled = sample(with_, checked_only=False)
    drawn: dict[Stratum, int] = {}
    for task in sampled.tasks:
        drawn[task.drawn.stratum] = drawn.get(task.drawn.stratum, 0) + 1
    asked = [task for task in sampled.tasks if (task.rubric is not None or task.item.task is None)]
    asked = [task for task in asked if task.item.item not in ledger.entries or not is_judged(with_, ledger, task)]
    calls = len(asked) if first else 0
    second_calls = round(len(asked) * SECOND_SHARE) if second else 0
    again, second_again = due or ([], [])
    parts = ((first, asked, calls), (second, asked, second_calls), (first, again, len(again)), (second, second_again, len(second_again)))
    cost: Decimal | None = Decimal(0)
    for of, tasks, n in parts:
        mean = costs.expected(with_.settings, with_.options, of, tasks) if n else Decimal(0)
        cost = None if cost is None or mean is None else cost + mean * n
    return Plan(
        with_.day,
        exchanges,
        unchecked,
        without,
        sampled.plan.sizes,
        drawn,
        sampled.plan.rate,
        calls,
        second_calls,
        len(again),
        len(second_again),
        cost,
        first is not None,
        len(sampled.audit.items),
        sum(task.drawn.is_random for task in sampled.tasks),
    )
