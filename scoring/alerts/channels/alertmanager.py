"""Prometheus's Alertmanager, both ways: as a client of its API v2, and as a sender of the webhook form that its own receivers know.

`form = "api"` posts alerts to /api/v2/alerts, and again each minute while they fire, with an end five minutes ahead, as its documentation
asks of clients; Alertmanager groups, silences and passes on. `form = "webhook"` posts what Alertmanager would post to a webhook receiver
(version "4"), so that whatever takes Alertmanager's webhooks takes these.
Sources: Alertmanager's api/v2/openapi.yaml and docs/alerts_api.md; the configuration page's webhook_config; its template data.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from pydantic import Field, model_validator

from scoring.alerts.channels.contract import Environ, Kind, Options, Request, Secret, Url, plain, rfc3339
from scoring.alerts.incidents import Notification

ALIVE: Final = timedelta(minutes=5)
"""How far ahead an alert's end lies: Alertmanager resolves what it does not hear of by then."""
REPEATS: Final = timedelta(minutes=1)
NEVER: Final = "0001-01-01T00:00:00Z"
"""How the webhook form writes that there is no end yet."""
OURS: Final = frozenset({"alertname", "severity", "service"})
LABEL: Final = 1000
ANNOTATION: Final = 10_000


class Alertmanager(Options):
    """`kind = "alertmanager"`: an Alertmanager, or what takes the webhooks of one."""

    url: Url = Field(
        description='Of form "api" the Alertmanager\'s address, such as http://127.0.0.1:9093; of form "webhook" the receiver\'s.'
    )
    form: Literal["api", "webhook"] = Field(default="api", description="Whether it is an Alertmanager, or takes what Alertmanagers send.")
    token: Secret | None = Field(default=None, description="A bearer token, where one is asked for.")
    user: str | None = Field(default=None, description="Of basic authentication.")
    password: Secret | None = Field(default=None, description="Of basic authentication.")
    ca_file: Path | None = Field(default=None, description="PEM file of the authorities that its certificate is checked against.")
    receiver: str = Field(default="goldwash", description='Of form "webhook": what it calls the receiver.')

    @model_validator(mode="after")
    def _one_way_in(self) -> Alertmanager:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: set both or neither")
        if self.token is not None and self.user is not None:
            raise ValueError("token and user are two ways to authenticate: leave one out")
        return self


def compose(notification: Notification, options: Alertmanager, environ: Environ, at: datetime) -> Request | None:
    """A POST of the incident's alerts; None for what is no alert. Raises NoSecret."""
    if notification.kind in ("silence_ended", "silenced"):
        return None
    if options.form == "api":
        address = options.url.rstrip("/")
        url = address if address.endswith("/api/v2/alerts") else f"{address}/api/v2/alerts"
        body = orjson.dumps(alerts(notification, at, options.link))
    else:
        url, body = options.url, orjson.dumps(webhook(notification, options.receiver, options.link))
    headers = {"Content-Type": "application/json"}
    if options.token is not None:
        headers["Authorization"] = f"Bearer {options.token.read(environ)}"
    elif options.user is not None and options.password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{options.user}:{options.password.read(environ)}".encode()).decode()
    return Request(url, body, headers, options.timeout, options.ca_file)


def alerts(notification: Notification, at: datetime, link: str | None = None) -> list[dict[str, Any]]:
    """The postableAlerts of API v2: one a slice, told apart by its labels alone."""
    end = notification.at if notification.kind == "resolved" else at + ALIVE
    return [
        {
            "labels": labels(notification, slice_),
            "annotations": said_of(notification),
            "startsAt": rfc3339(min(notification.since, end)),
            "endsAt": rfc3339(end),
            **({"generatorURL": link} if link else {}),
        }
        for slice_ in notification.slices or (notification.slice,)
    ]


def webhook(notification: Notification, receiver: str = "goldwash", link: str | None = None) -> dict[str, Any]:
    """The body of a webhook as Alertmanager sends it, version 4."""
    over = notification.kind == "resolved"
    status = "resolved" if over else "firing"
    each = [labels(notification, slice_) for slice_ in notification.slices or (notification.slice,)]
    said = said_of(notification)
    return {
        "version": "4",
        "groupKey": f'{{}}:{{incident="{notification.incident_id}"}}',
        "truncatedAlerts": max(0, notification.firing - len(each)),
        "status": status,
        "receiver": receiver,
        "groupLabels": {"incident": notification.incident_id},
        "commonLabels": {key: value for key, value in each[0].items() if all(one.get(key) == value for one in each)},
        "commonAnnotations": said,
        "externalURL": link or "",
        "alerts": [
            {
                "status": status,
                "labels": one,
                "annotations": said,
                "startsAt": rfc3339(notification.since),
                "endsAt": rfc3339(notification.at) if over else NEVER,
                "generatorURL": link or "",
                "fingerprint": sha256(repr(sorted(one.items())).encode()).hexdigest()[:16],
            }
            for one in each
        ],
    }


def labels(notification: Notification, slice_: Mapping[str, str]) -> dict[str, str]:
    """What tells an alert apart: its rule, and its slice under names that Prometheus knows as labels."""
    named = {"alertname": notification.rule, "severity": notification.severity, "service": "goldwash"}
    for key, value in slice_.items():
        name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
        name = f"slice_{name}" if name in OURS or not re.match(r"[a-zA-Z]", name) else name
        named[name] = value
    return {key: plain(value, LABEL, lines=False) for key, value in named.items() if value}


def said_of(notification: Notification) -> dict[str, str]:
    """What is said of it."""
    said = {
        "summary": plain(notification.title, LABEL, lines=False),
        "description": plain(notification.text, ANNOTATION),
        "incident": notification.incident_id,
        "sql": plain(notification.sql or "", ANNOTATION),
        "samples": plain(", ".join(notification.samples[:20]), ANNOTATION),
        "value": "" if notification.value is None else f"{notification.value:.6g}",
        "threshold": "" if notification.threshold is None else f"{notification.threshold:.6g}",
    }
    return {key: value for key, value in said.items() if value}


KIND: Final = Kind(Alertmanager, compose, deduplicates=True, repeats=REPEATS)
