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

from scoring.alerts.notifications import Condition, Incident, Kind, Member, Notification, Tally, notification, nth, silence_ended, slice_key
from scoring.alerts.states import Silence, Transition

__all__ = ["PACE", "Incident", "Kind", "Member", "Notification", "Pace", "Rated", "slice_key", "take"]


class Rated(Protocol):
    """What must be known of a rule here."""

    @property
    def severity(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often one incident may be heard of."""

    join: timedelta = timedelta(hours=1)  # slices that begin to fire within this of the last one join it; later ones open another
    most_open: int = 5  # open incidents of one rule; whatever more fires joins the newest
    update: timedelta = timedelta(minutes=5)  # before the first update; doubled for each further one, up to `remind`
    remind: timedelta = timedelta(hours=4)  # while it goes on; doubled for each, up to `remind_most`
    remind_most: timedelta = timedelta(days=1)
    flaps: int = 3  # openings of one incident after which it stays open until it was calm for `join`
    forget: timedelta = timedelta(days=1)  # nothing heard of any slice for so long: closed, and said to be unheard rather than mended


PACE: Final = Pace()


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
    an incident of another is closed. Call it with no transitions too, each minute: reminders, updates that waited and silences that end
    are told then. The same transitions again change nothing and say nothing.
    """
    book = _Book(incidents, rules, now, pace)
    for transition in sorted(transitions, key=lambda one: (one.reading.at, one.reading.rule, slice_key(one.reading.slice))):
        book.note(transition)
    book.silence(silences)
    said = book.ended(silences)
    kept = []
    for incident in book.incidents():
        after, notification = _tell(incident, rules, now, pace)
        if notification is not None:
            said.append(notification)
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
        self._of_rule: dict[str, list[_Open]] = {}
        self._of_slice: dict[tuple[str, str], _Open] = {}
        self._ended: dict[str, Tally] = {}
        for one in self._all:
            self._of_rule.setdefault(one.incident.rule, []).append(one)
            for key in one.members:
                self._index(one, key)

    def incidents(self) -> list[Incident]:
        """All of them as they are now, oldest first."""
        return [replace(one.incident, members=one.members) for one in self._all]

    def note(self, transition: Transition) -> None:
        """Put what changed where it belongs."""
        reading, after = transition.reading, transition.after
        key = slice_key(reading.slice)
        known = self._of_slice.get((reading.rule, key))
        if after == "firing":
            before = known.members[key] if known is not None else None
            if before is not None and before.condition == "resolved" and before.since == transition.since:
                return  # an old one, said again
            home = self._home(transition, key, known)
            before = home.members.get(key)
            again = before is None or before.condition == "resolved"
            home.members[key] = Member(
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

    def silence(self, silences: Sequence[Silence]) -> None:
        """Note which silence covers which slice, and lift those that ended."""
        holding = [one for one in silences if one.starts_at <= self._now < one.ends_at]
        holding.sort(key=lambda one: one.ends_at, reverse=True)  # of several the one that ends last
        for one in self._all:
            for key, known in one.members.items():
                if known.condition == "resolved" and known.silence_id is None:
                    continue
                member = known
                over = next((each for each in holding if each.covers(one.incident.rule, member.slice, self._now)), None)
                if member.silence_id is not None and member.silence_id not in {each.id for each in holding}:
                    self._account(one.incident.rule, key, member)
                    member = replace(member, silence_id=None, matches=0)
                if over is not None and member.silence_id is None and member.condition != "resolved":
                    member = replace(member, silence_id=over.id, matches=1)
                one.members[key] = member

    def ended(self, silences: Sequence[Silence]) -> list[Notification]:
        """What each silence that ended held back."""
        known = {one.id: one for one in silences}
        return [silence_ended(id_, known.get(id_), tally, self._now) for id_, tally in sorted(self._ended.items())]

    def _account(self, rule: str, key: str, member: Member) -> None:
        tally = self._ended.setdefault(member.silence_id or "", Tally())
        tally.matches += member.matches
        tally.slices += 1
        tally.rules[rule] += 1
        tally.since = min(tally.since or member.since, member.since)
        if member.condition != "resolved":
            tally.firing.append(key)

    def _index(self, one: _Open, key: str) -> None:
        """The newest incident that still knows the slice; one where it fires before one where it is over."""
        place = (one.incident.rule, key)
        there = self._of_slice.get(place)
        if there is None or there.members[key].condition == "resolved" or one.members[key].condition != "resolved":
            self._of_slice[place] = one

    def _home(self, transition: Transition, key: str, known: _Open | None) -> _Open:
        """The incident a firing slice belongs to: where it is, one of its rule that has just begun or ended, or a new one."""
        if known is not None and known.incident.resolved_at is None:
            return known
        rule = transition.reading.rule
        of_rule = self._of_rule.setdefault(rule, [])
        open_ = [one for one in of_rule if one.incident.resolved_at is None]
        if open_ and (self._near(open_[-1].latest) or len(open_) >= self._pace.most_open):
            return open_[-1]
        ended = [one for one in of_rule if one.incident.resolved_at is not None and self._near(one.incident.resolved_at)]
        if ended:
            ended[-1].incident = replace(ended[-1].incident, resolved_at=None, opened_at=self._now)
            return ended[-1]
        severity = self._rules[rule].severity if rule in self._rules else "warning"
        id_ = sha256(f"{rule}|{key}|{transition.since.isoformat()}".encode()).hexdigest()[:12]
        new = _Open(Incident(id_, rule, severity, self._now, {}), {}, self._now)
        self._all.append(new)
        of_rule.append(new)
        return new

    def _near(self, time: datetime) -> bool:
        return abs(self._now - time) < self._pace.join


def _tell(incident: Incident, rules: Mapping[str, Rated], now: datetime, pace: Pace) -> tuple[Incident | None, Notification | None]:
    """The incident afterwards (None: nobody needs it any more), and what to say of it."""
    members = incident.members.values()
    going_on = [one for one in members if one.condition != "resolved"]
    loud = [one for one in going_on if one.silence_id is None]
    told_at = min(incident.told_at or incident.opened_at, now)
    if incident.told_at is not None:
        incident = replace(incident, told_at=told_at)  # a clock that stepped back lets nothing wait for ever
    if incident.rule in rules:
        incident = replace(incident, severity=rules[incident.rule].severity)
    if not incident.told:
        if incident.rule in rules and any(one.condition == "firing" for one in loud):
            again = incident.openings + 1
            after = _heard(incident, now, told=True, updates=0, reminders=0, openings=again)
            return after, notification(incident, "opened", loud, now, f" (for the {nth(again)} time)" if again > 1 else "")
        waits = (going_on and incident.rule in rules) or any(one.silence_id is not None for one in members)
        if incident.resolved_at is not None and not waits:
            return (incident if now - incident.resolved_at < pace.join else None), None
        return (incident if waits else None), None
    over = _over(incident, going_on, rules, now, pace)
    if over is not None:
        after = _heard(incident, now, told=False, resolved_at=now)
        return after, notification(incident, "resolved", list(members), now, over)
    waited = now - told_at
    if any(not one.told for one in loud) and waited >= min(pace.update * 2**incident.updates, pace.remind):
        return _heard(incident, now, updates=incident.updates + 1), notification(incident, "updated", loud, now)
    if loud and waited >= min(pace.remind * 2**incident.reminders, pace.remind_most):
        return _heard(incident, now, reminders=incident.reminders + 1), notification(incident, "reminded", loud, now)
    return incident, None


def _over(incident: Incident, going_on: Sequence[Member], rules: Mapping[str, Rated], now: datetime, pace: Pace) -> str | None:
    """In which way a told incident has ended; None = it goes on."""
    if incident.rule not in rules:
        return ": its rule was taken away"
    latest = max(one.at for one in incident.members.values())
    if not going_on:
        return None if incident.openings >= pace.flaps and now - latest < pace.join else ""
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
