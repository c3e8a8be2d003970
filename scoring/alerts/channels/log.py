"""Goldwash's own log, a line a notification: what is there where no other channel is set up."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from scoring.alerts.channels.contract import Environ, Kind, Line, Options, plain
from scoring.alerts.incidents import Notification


class Log(Options):
    """`kind = "log"`: the watcher's own output."""


def compose(notification: Notification, _options: Log, _environ: Environ, _at: datetime) -> Line:
    """The line's facts."""
    return Line(
        notification.severity,
        {
            "incident": notification.incident_id,
            "kind": notification.kind,
            "severity": notification.severity,
            "rule": plain(notification.rule, 1000, lines=False),
            "title": plain(notification.title, 1000, lines=False),
            "text": plain(notification.text, 4000),
            "firing": notification.firing,
            "since": notification.since.isoformat(timespec="seconds"),
            **({"sql": plain(notification.sql, 4000)} if notification.sql else {}),
            **({"samples": [plain(one, 100) for one in notification.samples[:5]]} if notification.samples else {}),
        },
    )


KIND: Final = Kind(Log, compose, deduplicates=False)
