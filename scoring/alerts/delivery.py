"""Turns what changed into messages, and gets each to its channels: again and again, later each time, until it is taken or given up.

`receive` puts incidents and messages on the desk in one transaction; `deliver` empties the desk, a thread a channel, so that one that is
down or slow holds up no other. A message is marked only after it was taken: a process that is killed in between sends it again, under the
same key (dedup_key, webhook-id, labels, Message-ID), by which a channel that can deduplicate shows it once. Messages of one channel go in
their order. After the last try a message becomes a dead letter: a row of `notifications`, and a line of the log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from config.settings import ConfigError, Settings
from proxy.service.client import Access, ServiceError
from scoring.alerts import rules, silences
from scoring.alerts.channels import Channel, channels, legible
from scoring.alerts.channels.contract import Environ, NoSecret
from scoring.alerts.desk import ChannelStanding, Desk, Waiting
from scoring.alerts.in_force import begin, keep
from scoring.alerts.incidents import Incident, Notification, take
from scoring.alerts.notifications import notification
from scoring.alerts.rules import RuleFile
from scoring.alerts.sending import Outcome, send
from scoring.alerts.states import Silence, Transition
from scoring.outbox import Outbox, record_id
from scoring.watch import Job

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 900.0
"""Seconds between two tries at a channel; doubled each time, with jitter."""
LONGEST_ASKED: Final = 6 * 3600.0
"""Seconds that a Retry-After is obeyed at most; what lies further ahead is a clock that stepped back."""
FEWEST_TRIES: Final = 20
"""Tries before a message is given up for its age: a clock that jumped ahead makes everything old at once."""
BUDGET: Final = 30.0
"""Seconds after which one run stops beginning new messages."""
PATIENCE: Final = 5.0
"""Seconds that one run waits for its channels: who is slow is not waited for."""
RECENT: Final = timedelta(days=30)
"""How long ago a silence may have ended that is still looked at: what it held back is told when a watcher that was off comes back."""
RESOLVED_AGAIN: Final = timedelta(minutes=5)
"""How long Alertmanager asks to be told again that something is over."""
EVERY: Final = 10.0

log = structlog.get_logger("alerts")
Explain = Callable[[Notification], Notification]
"""Adds what is known of the cause: text, SQL, sample exchanges. It may ask the log; if it fails, the notification goes as it is."""


def receive(
    access: Access,
    transitions: Iterable[Transition],
    file: RuleFile,
    now: datetime,
    explain: Explain | None = None,
) -> list[Notification]:
    """Take in what changed, and put down what must be said; what is said now comes back.

    Call it before the transitions are stored as done, and again after a crash: the same ones again say nothing. Works while the log is
    down (with the silences that were known last). What is meant for a channel whose table has a mistake waits until it is mended.
    """
    to = legible(file)
    with _alone(access.settings.data_dir), Desk(access.settings.data_dir) as desk:
        known = _silences(access, desk, now)
        before = desk.incidents()
        after, said = take(transitions, before, known, {rule.name: rule for rule in file.enabled}, now)
        said = [_explained(one, explain) for one in said]
        desk.keep(before, after, [(_name(channel), one) for one in said for channel in to if _goes(one, channel, file)], now)
    for one in said:
        if not any(_goes(one, channel, file) for channel in to):
            log.info("an incident that no channel takes", incident=one.incident_id, kind=one.kind, title=one.title)
    return said


@dataclass(slots=True)
class Delivery:
    """Empties the desk. `now` is asked again for each try; chance: in [0, 1), for jitter."""

    data_dir: Path
    environ: Environ
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: Callable[[], float] = random.random
    sending: Callable[[Any, datetime], Outcome] = send
    _busy: dict[str, threading.Thread] = field(default_factory=dict)

    def run(self, to: Sequence[Channel], patience: float = PATIENCE) -> None:
        """Give each channel what waits for it; returns when all are done, or after `patience` seconds.

        A channel that is still at work then (its server answers a byte a minute) goes on by itself, and is left alone until it is done.
        """
        self._busy = {name: thread for name, thread in self._busy.items() if thread.is_alive()}
        for channel in to:
            if channel.name not in self._busy:
                thread = threading.Thread(target=self._guarded, args=(channel,), name=f"channel {channel.name}", daemon=True)
                self._busy[channel.name] = thread
                thread.start()
        until = time.monotonic() + patience
        for thread in self._busy.values():
            thread.join(max(0.0, until - time.monotonic()))
        with Desk(self.data_dir) as desk:
            desk.tidy(self.now())

    def _guarded(self, channel: Channel) -> None:
        try:
            with Desk(self.data_dir) as desk:
                if channel.options.enabled:
                    self._drain(channel, desk)
                    self._repeat(channel, desk)
        except Exception:  # one channel's fault is its own
            log.exception("a channel could not be served", channel=channel.name)

    def _drain(self, channel: Channel, desk: Desk) -> None:
        began = self.now()
        if self._rests(channel, desk, began):
            return
        while messages := desk.waiting(channel.name):
            for message in messages:
                if not self._one(channel, message, desk) or abs((self.now() - began).total_seconds()) > BUDGET:
                    return

    def _one(self, channel: Channel, message: Waiting, desk: Desk) -> bool:
        """Try one message; whether the channel can take the next."""
        now = self.now()
        outcome = self._tried(channel, message.notification, now)
        if outcome is None:  # this channel has no word for it
            desk.done(message, "merged", now)
        elif outcome.ok:
            desk.done(message, "sent", now)
        elif outcome.hopeless:
            self._give_up(channel, message, desk, now, outcome)
        else:
            pause = min(FIRST_PAUSE * 2.0 ** min(self._failures(channel, desk), 20), LONGEST_PAUSE) * (0.5 + self.chance() / 2)
            pause = max(pause, min(outcome.wait or 0.0, LONGEST_ASKED))
            desk.failed(message, outcome.error or "it failed", now, now + timedelta(seconds=pause))
            if now - message.made_at > channel.options.give_up_after and message.tries + 1 >= FEWEST_TRIES:
                self._give_up(channel, message, desk, now, outcome)
            return False
        return True

    def _give_up(self, channel: Channel, message: Waiting, desk: Desk, now: datetime, outcome: Outcome) -> None:
        desk.done(message, "dead", now, outcome.error)
        log.error("a notification was given up", channel=channel.name, title=message.notification.title, why=outcome.error)

    def _tried(self, channel: Channel, what: Notification, now: datetime) -> Outcome | None:
        try:
            made = channel.message(what, self.environ, now)
        except NoSecret as error:
            return Outcome(False, str(error))
        return None if made is None else self.sending(made, now)

    def _repeat(self, channel: Channel, desk: Desk) -> None:
        """Tell a channel that forgets what goes on, and what has just ended."""
        every, now = channel.repeats, self.now()
        last = desk.repeated_at(channel.name)
        if every is None or self._rests(channel, desk, now) or (last is not None and timedelta() <= now - last < every):
            return
        error = None
        heard = desk.heard(channel.name)
        for incident in desk.incidents():
            what = _again(incident, now)
            if what is None or incident.id not in heard or not channel.takes(what):
                continue
            outcome = self._tried(channel, what, now)
            if outcome is not None and not outcome.ok:
                error = outcome.error or "it failed"
                break
        else:
            if last is None and not desk.incidents():
                return
        desk.repeated(channel.name, now, error)

    def _rests(self, channel: Channel, desk: Desk, now: datetime) -> bool:
        standing = next((one for one in desk.standing() if one.name == channel.name), None)
        until = standing.not_before if standing else None
        return until is not None and timedelta() < until - now <= timedelta(seconds=LONGEST_ASKED)

    def _failures(self, channel: Channel, desk: Desk) -> int:
        return next((one.failures for one in desk.standing() if one.name == channel.name), 0)


def standing(data_dir: Path) -> list[ChannelStanding]:
    """How each channel does. Touches neither the log nor the network: for the watchdog of channels, and for people."""
    with Desk(data_dir) as desk:
        return desk.standing()


def incidents(data_dir: Path) -> list[Incident]:
    """The incidents that are open, or were until an hour ago, oldest first."""
    with Desk(data_dir) as desk:
        return desk.incidents()


def job(settings: Settings) -> Job:
    """For the watcher: reminders, silences that end, and all that waits, every few seconds."""
    in_force, told = begin(settings)
    to = channels(in_force)
    text = _text(settings.alerts.rules)
    kept: RuleFile | None = None
    delivery = Delivery(settings.data_dir, os.environ)

    def run(access: Access, now: datetime) -> None:
        nonlocal in_force, kept, to, text, told
        if text != (now_there := _text(settings.alerts.rules)):
            text = now_there
            fresh, wrong = rules.reload(settings.alerts.rules, in_force)
            try:
                to, in_force = channels(fresh), fresh
            except ConfigError as error:
                wrong = f"{error}. The channels that were in force stay in force"
            if wrong and wrong != told:
                log.warning("the rules file cannot be used", why=wrong)
            told = wrong
        receive(access, (), in_force, now)
        if told is None:
            if in_force is not kept:
                with contextlib.suppress(OSError):
                    keep(settings, in_force)
                    kept = in_force
            with Desk(settings.data_dir) as desk:
                desk.retire((channel.name for channel in to if channel.options.enabled), now)
        delivery.run(to)
        note(settings)

    return Job("alert delivery", EVERY, run, needs_log=False)


def _text(file: Path | None) -> bytes | None:
    try:
        return file.read_bytes() if file else None
    except OSError:
        return None


def note(settings: Settings) -> int:
    """Write what became of messages into the log, each state once; how many rows. Raises SpoolFull."""
    with Desk(settings.data_dir) as desk, Outbox(settings, "alerts") as outbox:
        said = desk.unlogged()
        for message, state, error in said:
            outbox.add("notifications", _row(message, state, error), _identity(message, state))
        if said:
            desk.logged((message.id, state) for message, state, _ in said)
    return len(said)


def _row(message: Waiting, state: str, error: str | None) -> dict[str, Any]:
    what = message.notification
    return {
        "incident_id": what.incident_id,
        "kind": what.kind,
        "severity": what.severity,
        "rule": what.rule,
        "slice": dict(what.slice),
        "channel": message.channel,
        "state": state,
        "tries": message.tries,
        "title": what.title,
        "error": error,
        "told_at": what.at.isoformat(),
        "value": what.value,
        "threshold": what.threshold,
        "firing": what.firing,
        "samples": list(what.samples),
    }


def _identity(message: Waiting, state: str) -> bytes:
    """The same message in the same state is one row, however often it is written."""
    return record_id("notification", message.channel, message.notification.id, state)


def _again(incident: Incident, now: datetime) -> Notification | None:
    if incident.told:
        going_on = [one for one in incident.members.values() if one.condition != "resolved" and one.silence_id is None]
        return notification(incident, "reminded", going_on, now) if going_on else None
    if incident.resolved_at is not None and timedelta() <= now - incident.resolved_at < RESOLVED_AGAIN:
        return notification(incident, "resolved", list(incident.members.values()), incident.resolved_at)
    return None


def _goes(what: Notification, channel: Channel | str, file: RuleFile) -> bool:
    named = {name for rule in file.rules if rule.name in what.rule.split(", ") for name in (rule.channels or (_name(channel),))}
    return (isinstance(channel, str) or channel.takes(what)) and (not named or _name(channel) in named)


def _name(channel: Channel | str) -> str:
    return channel if isinstance(channel, str) else channel.name


def _explained(what: Notification, explain: Explain | None) -> Notification:
    if explain is None or what.kind not in {"opened", "updated"}:
        return what
    try:
        return explain(what)
    except Exception as error:  # whoever must hear of it hears of it, cause or not
        log.warning("the cause of an incident could not be looked for", incident=what.incident_id, why=str(error)[:200])
        return what


def _silences(access: Access, desk: Desk, now: datetime) -> list[Silence]:
    try:
        found = silences.read(access, now - RECENT)
    except (ServiceError, OSError):
        return desk.silences()
    desk.keep_silences(found)
    return found


@contextlib.contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """One at a time over the incidents of a data directory: they are read, worked on and put back."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(data_dir / "alerts.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
