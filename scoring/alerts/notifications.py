"""What is said of an incident, in words for people and in values for machines, and the nouns that it speaks of; pure.

Texts come from rules and readings, and names of slices from traffic: they are plain text here, and each channel escapes them its own way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from scoring.alerts.states import Silence

Kind = Literal["opened", "updated", "reminded", "silenced", "resolved", "silence_ended"]
"""`silenced`: somebody silenced an incident that was told, and so has taken it on."""
Condition = Literal["firing", "lost", "resolved"]
"""Of one slice: `lost` fired and is not heard of any more, which is not the same as mended."""


@dataclass(frozen=True, slots=True)
class Member:
    """One slice of one rule in an incident."""

    rule: str
    slice: Mapping[str, str]
    condition: Condition
    since: datetime  # when the trouble began
    at: datetime  # of the latest transition
    value: float | None = None
    threshold: float | None = None
    baseline: float | None = None
    n: int = 0
    message: str = ""
    told: bool = False  # somebody was told that it fires
    silence_id: str | None = None  # that covers it now, or did and has not been accounted for
    matches: int = 0  # times that it began to fire, or was firing, inside that silence


@dataclass(frozen=True, slots=True)
class Incident:
    """What people are told of as one thing. A value; `take` makes new ones."""

    id: str  # the same for the same beginning, so that a repeated one is no second
    group: str  # what its alerts have in common: "rule=errors", or "rule=errors, feature=search"
    severity: str
    opened_at: datetime
    members: Mapping[str, Member]  # by member_key
    told: bool = False  # "opened" was said, and not yet "resolved"
    told_at: datetime | None = None  # when something was said last
    updates: int = 0
    openings: int = 0
    silenced: bool = False  # "silenced" was said, and it still is
    resolved_at: datetime | None = None

    @property
    def rule(self) -> str:
        """The rules it is of, by name: mostly one."""
        return ", ".join(sorted({one.rule for one in self.members.values()}))


@dataclass(frozen=True, slots=True)
class Notification:
    """Something to say. `slice`, `value`, `threshold` and `since` are of the worst slice; `slice` is what all have in common."""

    incident_id: str
    kind: Kind
    severity: str
    title: str
    text: str
    rule: str
    slice: Mapping[str, str]
    value: float | None
    threshold: float | None
    since: datetime
    sql: str | None
    samples: tuple[str, ...]  # exchange ids
    at: datetime
    slices: tuple[Mapping[str, str], ...] = ()  # firing, worst first, no more than MOST_SLICES
    firing: int = 0  # slices that fire; 0 of a silence that ended and of what is resolved

    @property
    def id(self) -> str:
        """Tells this message from all others, and is the same when it is made again from the same things."""
        return f"{self.incident_id}-{self.kind}-{int(self.at.timestamp())}"


MOST_SLICES: Final = 50
"""Slices that a notification names to machines: Alertmanager's alerts of one incident."""
MOST_LINES: Final = 10
"""Slices that a text names to people."""


@dataclass(slots=True)
class Tally:
    """What one silence held back."""

    matches: int = 0
    slices: int = 0
    firing: list[str] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    since: datetime | None = None


def member_key(rule: str, slice_: Mapping[str, str]) -> str:
    """A rule's slice in one line: `errors: feature=search`."""
    return f"{rule}: {slice_key(slice_)}"


def slice_key(slice_: Mapping[str, str]) -> str:
    """A slice in one line, the same for the same: `feature=search, model=m1`; `everything` where nothing is named."""
    return ", ".join(f"{key}={value}" for key, value in sorted(slice_.items())) or "everything"


def notification(incident: Incident, kind: Kind, members: Sequence[Member], now: datetime, how: str = "") -> Notification:
    """Words for people, and the facts for machines. how: what is added to the title's verb."""
    shown = sorted(members, key=_badness)
    worst = shown[0]
    common = dict(worst.slice)
    for one in shown:
        common = {key: value for key, value in common.items() if one.slice.get(key) == value}
    count = len(shown)
    several = len({one.rule for one in shown}) > 1
    place = member_key(worst.rule, worst.slice) if several else slice_key(worst.slice)
    where = place if count == 1 else f"{count:,} slices at once, worst {place}"
    word = {
        "opened": "firing",
        "updated": "firing, update",
        "reminded": "still firing",
        "silenced": "silenced",
        "resolved": "resolved",
    }.get(kind, kind)
    title = f"{incident.rule}: {word}{how} – {where}"
    lines = (
        [f"{member_key(one.rule, one.slice) if several else slice_key(one.slice)}: {_line(one)}" for one in shown[:MOST_LINES]]
        if count > 1
        else [_line(worst)]
    )
    if count > MOST_LINES:
        lines.append(f"… and {count - MOST_LINES:,} more")
    if (held := sum(one.silence_id is not None for one in incident.members.values())) and kind not in {"resolved", "silenced"}:
        lines.append(f"{held:,} more under a silence")
    if kind in {"updated", "reminded"} and (mended := sum(one.condition == "resolved" for one in incident.members.values())):
        lines.append(f"{mended:,} of {len(incident.members):,} have recovered")
    return Notification(
        incident.id,
        kind,
        incident.severity,
        title,
        "\n".join(lines),
        incident.rule,
        common,
        worst.value,
        worst.threshold,
        min(one.since for one in shown),
        None,
        (),
        now,
        tuple(one.slice for one in shown[:MOST_SLICES]),
        0 if kind == "resolved" else count,
    )


def silence_ended(id_: str, silence: Silence | None, tally: Tally, now: datetime) -> Notification:
    """What a silence held back, told at its end."""
    who = f"the silence of {silence.owner} ({silence.reason})" if silence is not None else f"silence {id_}"
    rules = ", ".join(f"{rule} ({count:,})" for rule, count in tally.rules.most_common(MOST_LINES))
    still = f"{len(tally.firing):,} still firing: {'; '.join(tally.firing[:MOST_LINES])}" if tally.firing else "none fires now"
    return Notification(
        f"silence-{id_}",
        "silence_ended",
        "info",
        f"{who} has ended: it held back {tally.matches:,} alert{'s' if tally.matches != 1 else ''}",
        f"rules: {rules}\n{tally.slices:,} slices; {still}",
        (silence.rule if silence is not None else None) or "every rule",
        dict(silence.slice) if silence is not None else {},
        None,
        None,
        tally.since or now,
        None,
        (),
        now,
    )


def _badness(member: Member) -> tuple[int, float, int, str]:
    """Sorts firing ones first, by how far they are beyond their threshold, relative to it; of equals the more exact one."""
    order = {"firing": 0, "lost": 1, "resolved": 2}[member.condition]
    far = 0.0
    if member.value is not None and member.threshold is not None:
        far = abs(member.value - member.threshold) / (abs(member.threshold) or 1.0)
    return order, -far, -len(member.slice), slice_key(member.slice)


def _line(member: Member) -> str:
    said = member.message
    if not said and member.value is not None:
        said = f"{member.value:.4g}" + (f" (threshold {member.threshold:.4g})" if member.threshold is not None else "")
    said = said or "no figures"
    return f"{said} [no data now, last seen firing]" if member.condition == "lost" else said


def nth(number: int) -> str:
    """The number in words: second, third, 4th."""
    return {2: "second", 3: "third"}.get(number, f"{number}th")
