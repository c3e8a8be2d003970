"""Groups alerts into incidents and decides who must hear what when: one notification an incident, then updates, reminders and the end.

Pure: what changed comes in with what was known and the time; what is known now and what must be said come out. Ten thousand features that
fire at once under one rule are one incident; what joins later is an update, each update waits longer than the last, and an alert that
flaps stays open until it has been calm. What a silence covers is counted, and told when the silence ends.
Grouping and pacing follow the ideas of Alertmanager's group_wait, group_interval and repeat_interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Protocol

from scoring.alerts.notifications import (
    Condition,
    Incident,
    Kind,
    Member,
    Notification,
    Tally,
    member_key,
    notification,
    nth,
    silence_ended,
    slice_key,
)
from scoring.alerts.states import Silence, Transition

__all__ = ["PACE", "Incident", "Kind", "Member", "Notification", "Pace", "Rated", "slice_key", "take"]


class Rated(Protocol):
    """What must be known of a rule here."""

    @property
    def severity(self) -> str: ...
    @property
    def renotify(self) -> timedelta: ...
    @property
    def group_by(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often one incident may be heard of."""

    join: timedelta = timedelta(hours=1)  # slices that begin to fire within this of the last one join it; later ones open another
    most_open: int = 5  # open incidents of one group; whatever more fires joins the newest
    update: timedelta = timedelta(minutes=5)  # before the first update; doubled for each further one, up to the rule's `renotify`
    flood: int = 20  # incidents of one rule within `join`; whatever more fires is one incident of the rule, however it groups
    flaps: int = 3  # openings of one incident after which it stays open until it was calm for `join`
    forget: timedelta = timedelta(days=1)  # nothing heard of any slice for so long: closed, and said to be unheard rather than mended


PACE: Final = Pace()
SEVERITIES: Final = {"critical": 0, "error": 1, "warning": 2, "info": 3}


def take(
    transitions: Iterable[Transition],
    incidents: Sequence[Incident],
    silences: Sequence[Silence],
    rules: Mapping[str, Rated],
    now: datetime,
    pace: Pace = PACE,
) -> tuple[list[Incident], list[Notification]]:
    """The incidents after these transitions, and what must be said now.

    incidents: all that the last call gave back. silences: those that hold or ended within the last days. rules: those in force, by name;
    alerts of others are closed. Call it with no transitions too, each minute: reminders, updates that waited and silences that end
    are told then. The same transitions again change nothing and say nothing.
    """
    transitions = list(transitions)
    book = _Book(incidents, rules, now, pace)
    book.brace(transitions)
    for transition in sorted(transitions, key=lambda one: (one.reading.at, one.reading.rule, slice_key(one.reading.slice))):
        book.note(transition)
    book.strike()
    book.silence(silences)
    said = book.ended(silences)
    kept = []
    for incident in book.incidents():
        after, told = _tell(incident, rules, {one.id: one for one in silences}, now, pace)
        if told is not None:
            said.append(told)
        if after is not None:
            kept.append(after)
    return kept, said


@dataclass(slots=True)
class _Open:
    """An incident being worked on."""

    incident: Incident
    members: dict[str, Member]
    latest: datetime  # when a slice of it began to fire last


class _Book:
    """The incidents during one call, with what finds them quickly."""

    def __init__(self, incidents: Sequence[Incident], rules: Mapping[str, Rated], now: datetime, pace: Pace) -> None:
        self._rules, self._now, self._pace = rules, now, pace
        self._all = [_Open(one, dict(one.members), max(each.since for each in one.members.values())) for one in incidents]
        self._of_group: dict[str, list[_Open]] = {}
        self._of_member: dict[str, _Open] = {}
        self._ended: dict[str, Tally] = {}
        self._flooded: set[str] = set()
        for one in self._all:
            self._of_group.setdefault(one.incident.group, []).append(one)
            for key in one.members:
                self._index(one, key)

    def brace(self, transitions: Iterable[Transition]) -> None:
        """Find the rules that would open too many incidents: their alerts are one."""
        groups: dict[str, set[str]] = {}
        for one in self._all:
            if self._near(one.incident.opened_at):
                for member in one.members.values():
                    groups.setdefault(member.rule, set()).add(one.incident.group)
        for transition in transitions:
            if transition.after == "firing":
                rule = transition.reading.rule
                groups.setdefault(rule, set()).add(self._group(rule, transition.reading.slice))
        self._flooded = {rule for rule, found in groups.items() if len(found) > self._pace.flood}

    def incidents(self) -> list[Incident]:
        """All of them as they are now, oldest first."""
        return [replace(one.incident, members=one.members) for one in self._all]

    def note(self, transition: Transition) -> None:
        """Put what changed where it belongs."""
        reading, after = transition.reading, transition.after
        key = member_key(reading.rule, reading.slice)
        known = self._of_member.get(key)
        if after == "firing":
            before = known.members[key] if known is not None else None
            if before is not None and before.condition == "resolved" and before.since == transition.since:
                return  # an old one, said again
            home = self._home(transition, key, known)
            before = home.members.get(key)
            again = before is None or before.condition == "resolved"
            home.members[key] = Member(
                reading.rule,
                dict(reading.slice),
                "firing",
                transition.since if before is None or again else before.since,
                reading.at,
                *(reading.value, reading.threshold, reading.baseline, reading.n, reading.message),
                told=before is not None and before.told and not again,
                silence_id=before.silence_id if before is not None else None,
                matches=(before.matches if before is not None else 0) + (again and before is not None and before.silence_id is not None),
            )
            home.latest = self._now
            self._index(home, key)
        elif known is not None and (member := known.members[key]).condition != "resolved" and after != "pending":
            condition: Condition = "lost" if after == "no_data" else "resolved"
            known.members[key] = replace(member, condition=condition, at=reading.at, message=reading.message or member.message)

    def strike(self) -> None:
        """Close what is of a rule that is no longer there: nobody would ever say that it is over."""
        for one in self._all:
            for key, member in one.members.items():
                if member.rule not in self._rules and member.condition != "resolved":
                    one.members[key] = replace(member, condition="resolved", at=self._now, message="its rule was taken away")

    def silence(self, silences: Sequence[Silence]) -> None:
        """Note which silence covers which slice, and lift those that ended."""
        holding = [one for one in silences if one.starts_at <= self._now < one.ends_at]
        holding.sort(key=lambda one: one.ends_at, reverse=True)  # of several the one that ends last
        for one in self._all:
            for key, known in one.members.items():
                if known.condition == "resolved" and known.silence_id is None:
                    continue
                member = known
                over = next((each for each in holding if each.covers(member.rule, member.slice, self._now)), None)
                if member.silence_id is not None and member.silence_id not in {each.id for each in holding}:
                    self._account(key, member)
                    member = replace(member, silence_id=None, matches=0)
                if over is not None and member.silence_id is None and member.condition != "resolved":
                    member = replace(member, silence_id=over.id, matches=1)
                one.members[key] = member

    def ended(self, silences: Sequence[Silence]) -> list[Notification]:
        """What each silence that ended held back."""
        known = {one.id: one for one in silences}
        return [silence_ended(id_, known.get(id_), tally, self._now) for id_, tally in sorted(self._ended.items())]

    def _account(self, key: str, member: Member) -> None:
        tally = self._ended.setdefault(member.silence_id or "", Tally())
        tally.matches += member.matches
        tally.slices += 1
        tally.rules[member.rule] += 1
        tally.since = min(tally.since or member.since, member.since)
        if member.condition != "resolved":
            tally.firing.append(key)

    def _index(self, one: _Open, key: str) -> None:
        """The newest incident that still knows the slice; one where it fires before one where it is over."""
        there = self._of_member.get(key)
        if there is None or there.members[key].condition == "resolved" or one.members[key].condition != "resolved":
            self._of_member[key] = one

    def _home(self, transition: Transition, key: str, known: _Open | None) -> _Open:
        """The incident a firing slice belongs to: where it is, one of its rule that has just begun or ended, or a new one."""
        if known is not None and known.incident.resolved_at is None:
            return known
        reading = transition.reading
        group = self._group(reading.rule, reading.slice)
        like = self._of_group.setdefault(group, [])
        open_ = [one for one in like if one.incident.resolved_at is None]
        if open_ and (self._near(open_[-1].latest) or len(open_) >= self._pace.most_open):
            return open_[-1]
        ended = [one for one in like if one.incident.resolved_at is not None and self._near(one.incident.resolved_at)]
        if ended:
            ended[-1].incident = replace(ended[-1].incident, resolved_at=None, opened_at=self._now)
            return ended[-1]
        id_ = sha256(f"{key}|{transition.since.isoformat()}".encode()).hexdigest()[:12]
        new = _Open(Incident(id_, group, "warning", self._now, {}), {}, self._now)
        self._all.append(new)
        like.append(new)
        return new

    def _group(self, rule: str, slice_: Mapping[str, str]) -> str:
        by = self._rules[rule].group_by if rule in self._rules and rule not in self._flooded else ()
        return ", ".join(f"rule={rule}" if key == "rule" else f"{key}={slice_.get(key, '')}" for key in by or ("rule",))

    def _near(self, time: datetime) -> bool:
        return abs(self._now - time) < self._pace.join


def _tell(
    incident: Incident, rules: Mapping[str, Rated], silences: Mapping[str, Silence], now: datetime, pace: Pace
) -> tuple[Incident | None, Notification | None]:
    """The incident afterwards (None: nobody needs it any more), and what to say of it."""
    members = incident.members.values()
    going_on = [one for one in members if one.condition != "resolved"]
    loud = [one for one in going_on if one.silence_id is None]
    told_at = min(incident.told_at or incident.opened_at, now)
    if incident.told_at is not None:
        incident = replace(incident, told_at=told_at)  # a clock that stepped back lets nothing wait for ever
    if going_on:
        gravest = min((rules[one.rule].severity for one in going_on), key=lambda one: SEVERITIES.get(one, 1))
        incident = replace(incident, severity=gravest)
    if not incident.told:
        if any(one.condition == "firing" for one in loud):
            again = incident.openings + 1
            after = _heard(incident, now, told=True, updates=0, openings=again)
            return after, notification(incident, "opened", loud, now, f" (for the {nth(again)} time)" if again > 1 else "")
        waits = going_on or any(one.silence_id is not None for one in members)
        recent = incident.resolved_at is not None and now - incident.resolved_at < pace.join
        return (incident if waits or recent else None), None
    over = _over(incident, going_on, now, pace)
    if over is not None:
        after = _heard(incident, now, told=False, resolved_at=now)
        return after, notification(incident, "resolved", list(members), now, over)
    if going_on and not loud and not incident.silenced:
        by = silences.get(going_on[0].silence_id or "")
        who = f" by {by.owner} until {by.ends_at:%Y-%m-%d %H:%M} UTC ({by.reason})" if by else ""
        return replace(incident, silenced=True), notification(incident, "silenced", going_on, now, who)
    if loud and incident.silenced:
        incident = replace(incident, silenced=False)
    waited = now - told_at
    remind = min((rules[one.rule].renotify for one in loud), default=timedelta.max)
    if any(not one.told for one in loud) and waited >= min(pace.update * 2 ** min(incident.updates, 20), remind):
        return _heard(incident, now, updates=incident.updates + 1), notification(incident, "updated", loud, now)
    if waited >= remind:
        return _heard(incident, now), notification(incident, "reminded", loud, now)
    return incident, None


def _over(incident: Incident, going_on: Sequence[Member], now: datetime, pace: Pace) -> str | None:
    """In which way a told incident has ended; None = it goes on."""
    latest = max(one.at for one in incident.members.values())
    if not going_on:
        return None if incident.openings >= pace.flaps and timedelta() <= now - latest < pace.join else ""
    if all(one.condition == "lost" for one in going_on) and now - latest >= pace.forget:
        return ": not heard of for a day, which does not say that it is mended"
    return None


def _heard(incident: Incident, now: datetime, **changes: object) -> Incident:
    members = {
        key: replace(one, told=True) if one.condition != "resolved" and one.silence_id is None and not one.told else one
        for key, one in incident.members.items()
    }
    given: dict[str, object] = {"members": members, "told_at": now, **changes}
    return replace(incident, **given)  # type: ignore[arg-type]
