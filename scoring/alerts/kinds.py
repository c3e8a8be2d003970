"""The typed form of alerts.toml: a class a kind of rule, a field a key; the shipped file is config/alerts.toml.

The defaults of the fields here are those of the shipped file. `scoring/alerts/rules.py` reads files into these types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from scoring.alerts.slis import DIMENSIONS, SLIS

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(value: Any) -> timedelta:
    """A length of time from text such as "90s", "15m", "1h" or "7d". Raises ValueError with the fix."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([smhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('it must be a length of time with its unit, such as "15m", "1h" or "7d"')
    return timedelta(**{_UNITS[found.group(2)]: float(found.group(1))})


def spelled(length: timedelta) -> str:
    """The shortest text that `duration` reads back: "7d", "15m"."""
    seconds = length.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def _of(known: tuple[str, ...], value: str, what: str) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is no {what}: known are {', '.join(known)}")
    return value


def _longer_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("it must be longer than nothing")
    return value


Wait = Annotated[timedelta, BeforeValidator(duration), PlainSerializer(spelled)]
"""May be zero: "0s"."""
Length = Annotated[timedelta, BeforeValidator(lambda value: _longer_than_nothing(duration(value))), PlainSerializer(spelled)]
Dimension = Annotated[str, BeforeValidator(lambda value: _of(DIMENSIONS, value, "dimension"))]
SliName = Annotated[str, BeforeValidator(lambda value: _of(tuple(SLIS), value, "indicator"))]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Severity = Literal["critical", "warning", "info"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Common(_Part):
    """What every rule has."""

    name: str = Field(description="The NAME of [rule.NAME]; not written as a key.")
    enabled: bool = Field(default=True, description="false = not evaluated.")
    severity: Severity = Field(default="warning", description="How loudly it is told.")
    summary: str = Field(default="", description="What it is for, in a sentence; told with the alert.")
    slices: tuple[Dimension, ...] = Field(default=("all", "feature"), description="What it looks at one by one.")
    most_slices: Count = Field(default=200, description="Slices of a dimension that are looked at, those with most events first.")
    min_count: Count = Field(default=20, description="Events below which it says nothing.")
    pending: Wait = Field(default=timedelta(0), description="How long it must be breached before it fires.")
    resolve_after: Wait = Field(default=timedelta(minutes=10), description="How long it must be clear before it is resolved.")
    no_data_after: Wait = Field(default=timedelta(days=1), description="How long a firing alert goes on firing while nothing is heard.")
    renotify: Length = Field(default=timedelta(days=1), description="After how long a firing alert is told again.")
    group_by: tuple[str, ...] = Field(default=("rule",), description='Alerts equal in these are one incident: "rule", or a dimension.')
    channels: tuple[str, ...] = Field(default=(), description="Names of [channel.NAME]; none = every channel.")

    @model_validator(mode="after")
    def _groups(self) -> Common:
        for key in self.group_by:
            _of(("rule", *DIMENSIONS[1:]), key, "grouping key")
        return self


class Quality(Common):
    """`kind = "quality"`: an indicator's week against its baseline, and a CUSUM on its days beside it."""

    kind: Literal["quality"] = "quality"
    sli: SliName = Field(default="judged_pass", description="The indicator; see below.")
    drop: Share = Field(default=0.05, description="How far the mean must lie under its baseline.")
    window_days: Annotated[int, Field(ge=2, le=28)] = Field(default=7, description="Days of the mean.")
    baseline_days: Annotated[int, Field(ge=7, le=180)] = Field(
        default=56, description="Days before them that a drop is measured from: more days, a surer baseline."
    )
    cusum: bool = Field(default=True, description="false = the mean alone.")
    false_alarms: Annotated[float, Field(ge=0.001, le=0.5)] = Field(
        default=0.05, description="Chance that a stream which does not change fires within 90 days, both tests together."
    )
    over: Literal["slice", "rule"] = Field(
        default="slice", description='What false_alarms is for: each slice, or all slices of the rule together ("rule").'
    )
    min_count: Count = Field(default=100, description="Events of the baseline below which it says nothing.")
    resolve_after: Wait = Field(default=timedelta(0), description="How long it must be clear: its recovery is tested already.")
    no_data_after: Wait = Field(default=timedelta(days=7), description="How long a firing alert goes on firing while nothing is heard.")


class Errors(Common):
    """`kind = "errors"`: an indicator's share over a limit in a long window and in a short one."""

    kind: Literal["errors"] = "errors"
    sli: SliName = Field(default="errors", description="The indicator; see below.")
    limit: Share = Field(default=0.02, description="Share of bad events.")
    long: Length = Field(default=timedelta(hours=1), description="Window that shows it matters.")
    short: Length = Field(default=timedelta(minutes=5), description="Window that shows it goes on.")
    min_count: Count = Field(default=200, description="Events of the long window below which it says nothing.")
    min_failed: Count = Field(default=5, description="Bad events of the long window below which it says nothing.")


class Latency(Common):
    """`kind = "latency"`: the slow end against its own baseline, bucket after bucket."""

    kind: Literal["latency"] = "latency"
    quantile: Annotated[float, Field(ge=0.5, le=0.999)] = Field(default=0.95, description="The slow end.")
    ratio: Annotated[float, Field(gt=1)] = Field(default=3.0, description="How many times its baseline.")
    bucket: Length = Field(default=timedelta(minutes=5), description="One window.")
    window: Length = Field(default=timedelta(minutes=15), description="All buckets of so long must be slow.")
    baseline: Length = Field(default=timedelta(days=7), description="What it is compared with: the median of the buckets before.")
    min_baseline: Length = Field(default=timedelta(days=1), description="How much baseline there must be.")
    min_count: Count = Field(default=50, description="Requests of a bucket below which it says nothing.")


class Cost(Common):
    """`kind = "cost"`: cost per task up while volume moved little."""

    kind: Literal["cost"] = "cost"
    rise: Annotated[float, Field(gt=0)] = Field(default=0.30, description="How much dearer: 0.3 = 30%.")
    volume: Annotated[float, Field(gt=0)] = Field(default=0.10, description="How much volume may have moved.")
    window: Length = Field(default=timedelta(days=1), description="What is compared.")
    baseline: Length = Field(default=timedelta(days=7), description="With what came before, the same hours of the days.")
    min_count: Count = Field(default=50, description="Tasks of the window below which it says nothing.")


class Pair(_Part):
    """Two windows of a burn rate."""

    rate: Annotated[float, Field(ge=1)] = Field(description="How many times faster than the budget allows.")
    long: Length = Field(description="Window that shows it matters.")
    short: Length = Field(description="Window that shows it goes on.")
    severity: Severity = Field(default="critical", description="How loudly this pair is told.")


class Burn(Common):
    """`kind = "burn"`: the error budget of each declared [slo.NAME] burns too fast."""

    kind: Literal["burn"] = "burn"
    pairs: tuple[Pair, ...] = Field(
        default=(
            Pair(rate=14.4, long=timedelta(hours=1), short=timedelta(minutes=5)),
            Pair(rate=6, long=timedelta(hours=6), short=timedelta(minutes=30)),
            Pair(rate=1, long=timedelta(days=3), short=timedelta(hours=2), severity="warning"),
        ),
        min_length=1,
        description="Any pair of which both windows burn so fast.",
    )
    min_failed: Count = Field(default=5, description="Bad events of the long window below which it says nothing.")


class Divergence(Common):
    """`kind = "divergence"`: golden cases pass at a rate that production does not."""

    kind: Literal["divergence"] = "divergence"
    gap: Share = Field(default=0.10, description="How far the two rates may lie apart.")
    window: Length = Field(default=timedelta(days=7), description="Days of production; the latest gate run stands for the golden cases.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(default=0.99, description="The gap must be beyond chance so surely.")


Watched = Literal["traffic", "scoring", "judge", "prices", "review", "log_lag", "lost", "channel"]


class Watchdog(Common):
    """`kind = "watchdog"`: something that should have been heard of was not."""

    kind: Literal["watchdog"] = "watchdog"
    watch: Watched = Field(description="What is listened for.")
    after: Length = Field(default=timedelta(hours=1), description="Silence, age or lag beyond which it fires.")
    limit: Annotated[float, Field(ge=0)] = Field(default=0, description="Rows lost, items waiting, share unpriced: more than this fires.")
    slices: tuple[Dimension, ...] = Field(default=("all",), description="What it looks at one by one.")


Rule = Annotated[Quality | Errors | Latency | Cost | Burn | Divergence | Watchdog, Field(discriminator="kind")]
KINDS: Mapping[str, type[Common]] = {
    "quality": Quality,
    "errors": Errors,
    "latency": Latency,
    "cost": Cost,
    "burn": Burn,
    "divergence": Divergence,
    "watchdog": Watchdog,
}


class Slo(_Part):
    """`[slo.NAME]`: what share of good events is promised over how many days."""

    name: str = Field(description="The NAME of [slo.NAME]; not written as a key.")
    sli: SliName = Field(description="What is promised: an indicator, such as errors.")
    target: Share = Field(description="Share of good events: 0.995.")
    window: Length = Field(default=timedelta(days=30), description="Over which it is promised.")
    slice: Mapping[Dimension, str] = Field(default_factory=dict, description='Which part of the traffic: { feature = "search" }.')

    @property
    def budget(self) -> float:
        """Share of bad events that the promise leaves."""
        return 1 - self.target
