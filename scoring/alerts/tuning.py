"""Which threshold gives alerts that one would act on: how often a rule would have fired at each, on what has been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scoring.alerts.history import Judged
from scoring.alerts.kinds import Burn, Rule
from scoring.alerts.replay import transitions
from scoring.alerts.states import Reading

KEYS: Final = {"quality": "drop", "errors": "limit", "latency": "ratio", "cost": "rise", "burn": "pairs.rate"}
"""By kind, the key that is tried."""
MULTIPLES: Final = (0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Of the threshold in force; those that the key does not allow are left out."""
MONTH: Final = 30.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One threshold, and what it would have given."""

    threshold: float
    incidents: int  # times that anything of the rule fired: slices that fire at once are one
    firings: int  # slices that began to fire
    in_force: bool = False


@dataclass(frozen=True, slots=True)
class Tuned:
    """A rule and its thresholds."""

    rule: str
    kind: str
    key: str
    slices: int  # that it looked at
    trials: tuple[Trial, ...]
    advised: float | None  # the lowest threshold that gives no more than is wanted (or one); None = each gives more, or nothing was seen
    days: float

    def a_month(self, trial: Trial) -> float:
        """Incidents in 30 days."""
        return MONTH * trial.incidents / self.days


def tune(rule: Rule, judged: Judged, days: float, wanted: float) -> Tuned:
    """Tries the thresholds of a rule. wanted: most incidents a month that somebody would act on."""
    trials = []
    slices = 0
    for multiple in MULTIPLES:
        changed = _changed(rule, multiple)
        if changed is None:
            continue
        told = judged(changed)
        slices = sum(any(one.breached is not None for one in stream) for stream in told)
        spans = [span for stream in told for span in _firing(changed, stream)]
        trials.append(Trial(_threshold(changed), _apart(spans), len(spans), multiple == 1.0))
    allowed = wanted and max(wanted * days / MONTH, 1.0)  # one in a week is no reason to call it four a month too many
    few = [trial for trial in trials if trial.incidents <= allowed]
    advised = few[0].threshold if few and slices else None
    return Tuned(rule.name, rule.kind, KEYS[rule.kind], slices, tuple(trials), advised, days)


def _threshold(rule: Rule) -> float:
    return rule.pairs[0].rate if isinstance(rule, Burn) else float(getattr(rule, KEYS[rule.kind]))


def _changed(rule: Rule, multiple: float) -> Rule | None:
    """The rule with its threshold multiplied; None where the key does not allow that."""
    held = rule.model_dump()
    if isinstance(rule, Burn):
        held["pairs"] = [{**pair, "rate": round(pair["rate"] * multiple, 6)} for pair in held["pairs"]]
    else:
        key = KEYS[rule.kind]
        held[key] = round(held[key] * multiple, 6)
    try:
        return type(rule).model_validate(held)
    except ValueError:
        return None


def _firing(rule: Rule, stream: Sequence[Reading]) -> list[tuple[datetime, datetime]]:
    """From when to when a slice fired; to the last reading where it still does."""
    spans: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    for moved in transitions(rule, stream):
        if moved.after == "firing":
            since = moved.reading.at
        elif moved.before == "firing" and since is not None:
            spans.append((since, moved.reading.at))
            since = None
    if since is not None:
        spans.append((since, stream[-1].at))
    return spans


def _apart(spans: Sequence[tuple[datetime, datetime]]) -> int:
    """Groups of spans that do not touch each other."""
    count = 0
    end: datetime | None = None
    for start, until in sorted(spans):
        if end is None or start > end:
            count += 1
            end = until
        end = max(end, until)
    return count
