"""PagerDuty's Events API v2: trigger, acknowledge and resolve, tied together by one dedup_key an incident.

Source: PagerDuty's developer documentation, "Events API v2 overview" and "Send an alert event": routing_key of 32 characters, dedup_key up
to 255, summary up to 1,024, severity critical, error, warning or info, bodies up to 512 KB; 202 is taken, 400 is not worth another try,
429 and 5xx are. Events for a dedup_key that is open join its alert: a message that is sent twice is one there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import Field

from scoring.alerts.channels.contract import Environ, Kind, Options, Request, Secret, Url, plain, rfc3339
from scoring.alerts.incidents import Notification

SUMMARY: Final = 1024
DETAIL: Final = 20_000
ACTIONS: Final = {
    "opened": "trigger",
    "updated": "trigger",
    "reminded": "trigger",
    "silenced": "acknowledge",
    "resolved": "resolve",
}
"""What ended silences held back is no alert: it has no action here. An incident that somebody silenced is acknowledged by that."""
SEVERITIES: Final = {"critical": "critical", "error": "error", "warning": "warning"}


class PagerDuty(Options):
    """`kind = "pagerduty"`: a service's integration of the type Events API v2."""

    routing_key: Secret = Field(description="The integration key, 32 characters.")
    url: Url = Field(
        default="https://events.pagerduty.com/v2/enqueue", description="Where events go; EU accounts have a host of their own."
    )
    source: str = Field(default="goldwash", min_length=1, max_length=200, description="What the incident is of, such as this host's name.")


def compose(notification: Notification, options: PagerDuty, environ: Environ, _at: datetime) -> Request | None:
    """A POST of the event; None for what is no alert. Raises NoSecret."""
    made = event(notification, options.source, options.link)
    if made is None:
        return None
    body = orjson.dumps({"routing_key": options.routing_key.read(environ), **made})
    return Request(options.url, body, {"Content-Type": "application/json"}, options.timeout)


def event(notification: Notification, source: str, link: str | None = None) -> dict[str, Any] | None:
    """The event as JSON, without its routing_key."""
    action = ACTIONS.get(notification.kind)
    if action is None:
        return None
    tied = {"event_action": action, "dedup_key": f"goldwash/{notification.incident_id}"[:255]}
    if action != "trigger":
        return tied
    details = {
        "what": plain(notification.text, DETAIL),
        "slice": {plain(key, 200): plain(value, 1000) for key, value in notification.slice.items()},
        "slices_firing": notification.firing,
        "value": notification.value,
        "threshold": notification.threshold,
        "sql": plain(notification.sql, DETAIL) if notification.sql else None,
        "samples": [plain(one, 100) for one in notification.samples[:20]],
    }
    return {
        **tied,
        "payload": {
            "summary": plain(notification.title, SUMMARY, lines=False),
            "source": source,
            "severity": SEVERITIES.get(notification.severity, "info"),
            "timestamp": rfc3339(notification.since),
            "component": plain(notification.slice.get("feature", "all"), 200, lines=False),
            "group": "goldwash",
            "class": plain(notification.rule, 200, lines=False),
            "custom_details": details,
        },
        "client": "Goldwash",
        **({"client_url": link, "links": [{"href": link, "text": "Goldwash"}]} if link else {}),
    }


KIND: Final = Kind(PagerDuty, compose, deduplicates=True)
