"""The shelf of channels, one file each, and how the `[channel.NAME]` tables of the rules file become them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from config.settings import ConfigError
from scoring.alerts.channels import alertmanager, email, log, pagerduty, slack, webhook
from scoring.alerts.channels.contract import Environ, Kind, Message, Options
from scoring.alerts.incidents import SEVERITIES, Notification
from scoring.alerts.rules import RuleFile, wrong

SHELF: Final[dict[str, Kind]] = {
    "slack": slack.KIND,
    "pagerduty": pagerduty.KIND,
    "alertmanager": alertmanager.KIND,
    "webhook": webhook.KIND,
    "email": email.KIND,
    "log": log.KIND,
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that an operator set up."""

    name: str
    kind: str
    options: Options

    @property
    def of(self) -> Kind:
        """What it is on the shelf."""
        return SHELF[self.kind]

    @property
    def repeats(self) -> timedelta | None:
        """How often it must hear again what goes on; None = never."""
        return None if getattr(self.options, "form", "api") == "webhook" else self.of.repeats

    def takes(self, notification: Notification) -> bool:
        """Whether it is told of this one."""
        if not self.options.enabled or (notification.kind == "resolved" and not self.options.resolved):
            return False
        # what a silence held back is told wherever it would have been told
        return notification.kind == "silence_ended" or SEVERITIES.get(notification.severity, 1) <= SEVERITIES[self.options.least]

    def message(self, notification: Notification, environ: Environ, at: datetime) -> Message | None:
        """The message to send now; None = there is no word for it here. Raises NoSecret."""
        return self.of.compose(notification, self.options, environ, at)


NO_CHANNEL: Final = Channel("log", "log", log.Log())
"""Where nothing is set up, the watcher's own output tells."""


def legible(file: RuleFile) -> tuple[Channel | str, ...]:
    """The channels of a rules file, and the bare names of those with a mistake: what is meant for them can wait until it is mended."""
    found: list[Channel | str] = []
    for name, table in file.channels.items():
        try:
            found.append(_channel(name, dict(table), file))
        except ConfigError:
            found.append(name)
    return tuple(found) or (NO_CHANNEL,)


def channels(file: RuleFile) -> tuple[Channel, ...]:
    """The channels of a rules file; the log where it has none. Raises ConfigError that names file, line, key and fix."""
    found = tuple(_channel(name, dict(table), file) for name, table in file.channels.items())
    return found or (NO_CHANNEL,)


def _channel(name: str, table: dict[str, Any], file: RuleFile) -> Channel:
    path = ("channel", name)
    kind = table.pop("kind", None)
    if not isinstance(kind, str) or kind not in SHELF:
        near = difflib.get_close_matches(str(kind), SHELF, n=1)
        known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(SHELF)}"
        what = f"it has no kind: {known}" if kind is None else f"{kind!r} is no kind of channel: {known}"
        raise wrong(file.text, file.source, path if kind is None else (*path, "kind"), what)
    options = SHELF[kind].options
    try:
        return Channel(name, kind, options.model_validate(table))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = [
            str(part) for part in first["loc"] if str(part) not in {"Secret", "function-after"} and not str(part).startswith("function")
        ]
        raise wrong(file.text, file.source, (*path, *place), _fix(first, place, options)) from error


def _fix(error: Any, place: list[str], options: type[BaseModel]) -> str:
    """What to do about it. The value is never shown: it may be the secret that should not be there."""
    if error["type"] == "extra_forbidden":
        known = list(options.model_fields) if len(place) == 1 else ["env", "file"]
        near = difflib.get_close_matches(place[-1], known, n=1)
        return f"no such key; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(known)}"
    if error["type"] == "missing":
        about = options.model_fields[place[0]].description or "" if place[0] in options.model_fields else ""
        return f"it is missing; add it ({about.rstrip('.')})"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
