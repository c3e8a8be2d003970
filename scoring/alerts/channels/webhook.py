"""A signed webhook for anything else: JSON, signed over its id, the time of sending and the body, as Standard Webhooks says.

    webhook-id         the message's id, the same for each try of it: whoever keeps the ids of the last days takes nothing twice
    webhook-timestamp  Unix seconds of this try: refuse what is older than five minutes, and a copy cannot be played again
    webhook-signature  "v1," and the base64 of HMAC-SHA256(secret, "{id}.{timestamp}.{body}")

The secret is `whsec_` and base64, or any text of at least 24 bytes. Source: standardwebhooks.com, specification 1.0.0.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import Field, field_validator

from config.options import is_secret_name
from scoring.alerts.channels.contract import Environ, Kind, NoSecret, Options, Request, Secret, UrlOrSecret, plain, rfc3339
from scoring.alerts.incidents import Notification

TOLERANCE: Final = 300
"""Seconds by which the clocks of sender and receiver may differ."""
LEAST: Final = 24
TEXT: Final = 20_000


class Webhook(Options):
    """`kind = "webhook"`: any address that takes a signed JSON POST."""

    url: UrlOrSecret = Field(description="Where it goes; where the address itself is secret, { env = … } or { file = … }.")
    secret: Secret = Field(description="What the signature is made with: whsec_ and base64, or a text of 24 bytes at least.")
    headers: Mapping[str, str] = Field(default_factory=dict, description="Further headers; none that carries a secret.")
    ca_file: Path | None = Field(default=None, description="PEM file of the authorities that its certificate is checked against.")

    @field_validator("headers")
    @classmethod
    def _no_secrets(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in headers.items():
            if is_secret_name(name.lower()):
                raise ValueError(f"the header {name} carries a secret, which no file should: the signature says who sends")
            if name.lower().startswith("webhook-") or "\n" in value or "\r" in value:
                raise ValueError(f"the header {name} is goldwash's own, or has line breaks: leave it out")
        return headers


def compose(notification: Notification, options: Webhook, environ: Environ, at: datetime) -> Request:
    """A signed POST. Raises NoSecret."""
    body = orjson.dumps(document(notification, options.link))
    stamp = int(at.timestamp())
    headers = {
        **options.headers,
        "Content-Type": "application/json",
        "webhook-id": notification.id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(options.secret.read(environ), notification.id, stamp, body),
    }
    url = options.url.read(environ) if isinstance(options.url, Secret) else options.url
    return Request(url, body, headers, options.timeout, options.ca_file)


def document(notification: Notification, link: str | None = None) -> dict[str, Any]:
    """The body as JSON. `slice` and `slices` hold names as traffic gave them, without control characters."""
    return {
        "type": f"goldwash.incident.{notification.kind}",
        "timestamp": rfc3339(notification.at),
        "data": {
            "incident_id": notification.incident_id,
            "kind": notification.kind,
            "severity": notification.severity,
            "rule": plain(notification.rule, 1000),
            "title": plain(notification.title, 1000, lines=False),
            "text": plain(notification.text, TEXT),
            "slice": _named(notification.slice),
            "slices": [_named(one) for one in notification.slices],
            "firing": notification.firing,
            "value": notification.value,
            "threshold": notification.threshold,
            "since": rfc3339(notification.since),
            "sql": plain(notification.sql, TEXT) if notification.sql else None,
            "samples": [plain(one, 100) for one in notification.samples[:20]],
            "link": link,
        },
    }


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header's value. Raises NoSecret where the secret is too short or its base64 is none."""
    mac = hmac.digest(_key(secret), f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(mac).decode()


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: int, seen: set[str] | None = None) -> bool:
    """Whether a receiver should take a request: signed with this secret, not older than TOLERANCE, and not seen before.

    headers: by lower-case name. now: Unix seconds. seen: ids that were taken; this one is added where it is taken.
    """
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE or (seen is not None and message_id in seen):
        return False
    wanted = signature(secret, message_id, int(stamp), body)
    if not any(hmac.compare_digest(wanted.encode(), given.encode()) for given in headers.get("webhook-signature", "").split()):
        return False
    if seen is not None:
        seen.add(message_id)
    return True


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise NoSecret("the webhook's secret begins with whsec_, and what follows is no base64") from error
    else:
        key = secret.encode()
    if len(key) < LEAST:
        raise NoSecret(f"the webhook's secret has {len(key)} bytes: take {LEAST} or more, such as `openssl rand -base64 32`")
    return key


def _named(slice_: Mapping[str, str]) -> dict[str, str]:
    return {plain(key, 200): plain(value, 1000) for key, value in slice_.items()}


KIND: Final = Kind(Webhook, compose, deduplicates=True)
