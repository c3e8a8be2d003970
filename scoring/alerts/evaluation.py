"""The watcher's main job: each minute every rule looks, alerts move through their states, and what changed is stored and handed on.

What an alert's state is stands in `alerts`, a row a change, written through the spool; a watcher that starts again takes up from there.
Changes between "inactive" and "no_data" are stored for a rule's whole alone: thousands of quiet slices come and go. What changed is
handed to the incidents before it is stored, so that one who is killed in between says it again rather than never.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from config.settings import Settings
from proxy.service.client import Access, ServiceError
from scoring.alerts import cause, delivery, watchdogs
from scoring.alerts.in_force import begin
from scoring.alerts.kinds import Burn, Rule, Watchdog
from scoring.alerts.looking import Eyes, Key, key_of, look
from scoring.alerts.rules import RuleFile, reload
from scoring.alerts.states import Reading, Standing, Transition, advance
from scoring.outbox import Outbox, record_id
from scoring.pages import rows
from scoring.watch import Job

EVERY: Final = 60.0
AWAY: Final = frozenset({502, 503, 504})
"""Status by which the log service says that it cannot be asked now."""

_NEWEST: Final = """
    SELECT rule, state, CAST(properties AS VARCHAR) AS properties FROM alerts WHERE rule IS NOT NULL AND state IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY rule, CAST(properties -> '$.slice' AS VARCHAR)
        ORDER BY coalesce(CAST(properties ->> '$.seq' AS BIGINT), 0) DESC, created_at DESC) = 1"""

log = structlog.get_logger("alerts")


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule in one slice, and where it stands."""

    slice: Mapping[str, str]
    standing: Standing


@dataclass(slots=True)
class Evaluator:
    """Follows all alerts. One thread calls `run` again and again; `now` comes from outside."""

    settings: Settings
    file: RuleFile
    alerts: dict[tuple[str, Key], Alert] = field(default_factory=dict)
    eyes: Eyes = field(default_factory=Eyes)
    seq: int = 0  # of the newest stored change
    restored: bool = False
    away_since: datetime | None = None  # when the log service was first found silent
    text: bytes | None = None  # of the rules file when it was read last
    wrong: str | None = None  # with the rules file
    failing: dict[str, str] = field(default_factory=dict)  # rule -> why it could not look
    seconds: float = 0.0  # of the last run's questions to the log

    def run(self, access: Access, now: datetime) -> list[Transition]:
        """One look by every rule; what changed, which is stored and handed on by then. Raises ServiceError, SpoolFull."""
        self._reload()
        try:
            if not self.restored:
                self._restore(access, now)
            found = self._look(access, now)
            self.away_since = None
        except (ServiceError, OSError, HTTPException) as error:
            if isinstance(error, ServiceError) and error.status not in AWAY:
                raise
            self.eyes = Eyes()  # what was seen before it broke off is seen again
            self.away_since = min(self.away_since or now, now)
            found = self._look_without_log(now)
        moved = self._advance(found, now)
        for rule, key in self._gone():
            moved.append(self._removed(rule, key, now))
        changed = [one for one in moved if one is not None]
        if changed:
            try:
                delivery.receive(access, changed, self.file, now, cause.explainer(access, self.file, now))
                self._store(changed)
            except BaseException:
                self.alerts, self.eyes, self.restored = (
                    {},
                    Eyes(),
                    False,
                )  # the next run begins where the log says that alerts stand, and says it again
                raise
        return changed

    # -- what is in force

    def _reload(self) -> None:
        text = _text(self.settings.alerts.rules)
        if text == self.text:
            return
        self.text = text
        before = self.file.fingerprint()
        self.file, wrong = reload(self.settings.alerts.rules, self.file)
        if wrong != self.wrong:
            self.wrong = wrong
            if wrong:
                log.warning("the rules file cannot be used", why=wrong)
            else:
                log.info("the rules file can be used again", file=self.file.source)
        if self.file.fingerprint() != before:
            self.eyes = Eyes()
            log.info("the rules changed", file=self.file.source, rules=len(self.file.enabled))

    def _restore(self, access: Access, now: datetime) -> None:
        """Where each alert stood when the last watcher ended."""
        names = {rule.name for rule in self.file.enabled}
        for row in rows(access, _NEWEST):
            said = orjson.loads(row["properties"] or "{}")
            self.seq = max(self.seq, int(said.get("seq") or 0))
            slice_ = said.get("slice")
            if row["rule"] not in names or not isinstance(slice_, dict):
                continue
            since = _time(said.get("since")) or now
            last = now if row["state"] == "firing" else _time(said.get("at"))
            self.alerts[row["rule"], key_of(slice_)] = Alert(slice_, Standing(row["state"], min(since, now), last))
        self.restored = True

    # -- looking

    def _look(self, access: Access, now: datetime) -> list[tuple[Rule, list[Reading]]]:
        began = time.monotonic()
        found = []
        for rule in self.file.enabled:
            try:
                readings = look(access, rule, self.file, now, self.eyes)
            except ServiceError as error:
                if error.status in AWAY:
                    raise
                if self.failing.get(rule.name) != str(error):
                    self.failing[rule.name] = str(error)
                    log.warning("a rule cannot look; it stands where it stood", rule=rule.name, why=str(error))
                continue
            self.failing.pop(rule.name, None)
            if readings is not None:
                found.append((rule, readings))
        self.seconds = time.monotonic() - began
        log.debug("rules evaluated", seconds=round(self.seconds, 3), rules=len(self.file.enabled))
        return found

    def _look_without_log(self, now: datetime) -> list[tuple[Rule, list[Reading]]]:
        assert self.away_since is not None
        lagging = [rule for rule in self.file.enabled if isinstance(rule, Watchdog) and rule.watch == "log_lag"]
        return [(rule, [watchdogs.out_of_reach(rule, now, self.away_since)]) for rule in lagging]

    # -- moving on

    def _advance(self, found: Iterable[tuple[Rule, Sequence[Reading]]], now: datetime) -> list[Transition | None]:
        moved: list[Transition | None] = []
        for rule, readings in found:
            at = max((reading.at for reading in readings), default=now)
            whole = [*readings, *self._unseen(rule, {key_of(reading.slice) for reading in readings}, at)]
            seen = {key_of(reading.slice) for reading in whole}
            for reading in whole:
                key = rule.name, key_of(reading.slice)
                known = self.alerts.get(key)
                standing, transition = advance(known.standing if known else None, reading, rule)
                self.alerts[key] = Alert(reading.slice, standing)
                moved.append(transition)
            for one in [key for key, alert in self.alerts.items() if key[0] == rule.name and key[1] not in seen and _rests(alert)]:
                del self.alerts[one]
        return [one for one in moved if one is not None and _is_news(one)]

    def _unseen(self, rule: Rule, seen: set[Key], at: datetime) -> list[Reading]:
        """Alerts that are on and of whose slice nothing is heard any more; and the rule's whole, of which there is always a state."""
        whole: set[Key] = {()} if "all" in rule.slices and not isinstance(rule, Burn) else set()
        on = {key for (name, key), alert in self.alerts.items() if name == rule.name and not _rests(alert)}
        return [Reading(rule.name, dict(key), at, message="nothing is heard of it") for key in sorted((on | whole) - seen)]

    def _gone(self) -> list[tuple[str, Key]]:
        names = {rule.name for rule in self.file.enabled}
        return [key for key in self.alerts if key[0] not in names]

    def _removed(self, rule: str, key: Key, now: datetime) -> Transition | None:
        alert = self.alerts.pop((rule, key))
        if _rests(alert):
            return None
        return Transition(
            Reading(rule, alert.slice, now, message="the rule is not in force any more"), alert.standing.state, "inactive", now
        )

    # -- storing

    def _store(self, changed: Iterable[Transition]) -> None:
        with Outbox(self.settings, "watch") as outbox:
            for one in changed:
                self.seq += 1
                outbox.add(
                    "alerts", self._row(one), record_id("alert", one.reading.rule, key_of(one.reading.slice), one.after, one.reading.at)
                )

    def _row(self, one: Transition) -> dict[str, Any]:
        reading = one.reading
        return {
            "rule": reading.rule,
            "feature": reading.slice.get("feature"),
            "day": reading.at.astimezone(UTC).date().isoformat(),
            "state": one.after,
            "value": reading.value,
            "threshold": reading.threshold,
            "n": reading.n,
            "message": reading.message,
            "slice": dict(sorted(reading.slice.items())),
            "before": one.before,
            "since": one.since.isoformat(),
            "at": reading.at.isoformat(),
            "baseline": reading.baseline,
            "by": reading.by or None,
            "onset": reading.onset.isoformat() if reading.onset else None,
            "rules": self.file.fingerprint(),
            "seq": self.seq,
        }


def job(settings: Settings) -> Job:
    """For the watcher: every rule each minute. A rules file with a mistake at the start is told; the rules before it watch meanwhile."""
    file, wrong = begin(settings)
    if wrong:
        log.warning("the rules file cannot be used", why=wrong)
    evaluator = Evaluator(settings, file, wrong=wrong)

    def run(access: Access, now: datetime) -> None:
        evaluator.run(access, now)

    return Job("alert rules", EVERY, run, needs_log=False)


def _text(file: Path | None) -> bytes | None:
    """What stands in the rules file; None = there is none, or it cannot be read, which `reload` tells."""
    try:
        return file.read_bytes() if file else None
    except OSError:
        return None


def _rests(alert: Alert) -> bool:
    return alert.standing.state in ("inactive", "no_data")


def _is_news(one: Transition) -> bool:
    quiet = {one.before, one.after} <= {"inactive", "no_data"}
    return not quiet or not one.reading.slice


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
