"""E-mail by SMTP, with TLS: plain text, one thread an incident.

The Message-ID is the notification's, the same for each try, so that mail servers and clients that drop copies can; every message of an
incident refers to one id, so that clients show them together. Sources: RFC 5322 (identification fields), RFC 3834 (Auto-Submitted),
RFC 8314 (TLS from the first byte, port 465).
"""

from __future__ import annotations

import re
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from config.options import is_loopback
from scoring.alerts.channels.contract import Environ, Kind, Mail, Options, Secret, plain
from scoring.alerts.incidents import Notification

SUBJECT: Final = 200
TEXT: Final = 50_000


def _address(value: str) -> str:
    if not re.fullmatch(r"[^\s@<>\",;:\\\x00-\x1f\x7f-\x9f]{1,64}@[A-Za-z0-9.-]{1,255}", value):
        raise ValueError("it must be one plain address such as ops@example.com")
    return value


Address = Annotated[str, AfterValidator(_address)]


class Email(Options):
    """`kind = "email"`: an SMTP server that takes mail for us."""

    host: str = Field(min_length=1, pattern=r"^[A-Za-z0-9.:\[\]-]+$", description="The SMTP server.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 for STARTTLS, 465 for TLS from the first byte.")
    tls: Literal["starttls", "tls", "none"] = Field(default="starttls", description='"none" only for a server on this machine.')
    sender: Address = Field(description="Address that it comes from.")
    to: tuple[Address, ...] = Field(min_length=1, max_length=50, description="Addresses that it goes to.")
    user: str | None = Field(default=None, description="Name to log in with; without one nobody logs in.")
    password: Secret | None = Field(default=None, description="Its password.")
    ca_file: Path | None = Field(default=None, description="PEM file of the authorities that its certificate is checked against.")

    @field_validator("to", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _safe(self) -> Email:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: set both or neither")
        if self.tls == "none" and not is_loopback(self.host):
            raise ValueError(f'tls = "none" would send incidents in the clear to {self.host}: take "starttls" or "tls"')
        return self


def compose(notification: Notification, options: Email, environ: Environ, at: datetime) -> Mail:
    """The mail and its server. Raises NoSecret."""
    return Mail(
        message(notification, options.sender, options.to, at, options.link),
        options.host,
        options.port,
        options.tls,
        options.to,
        options.user,
        options.password.read(environ) if options.password is not None else None,
        options.timeout,
        options.ca_file,
    )


def message(notification: Notification, sender: str, to: tuple[str, ...], at: datetime, link: str | None = None) -> EmailMessage:
    """The mail itself. Nothing of it can end a header: control characters are taken out first."""
    domain = sender.rpartition("@")[2]
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Subject"] = plain(f"[{notification.severity}] {notification.title}", SUBJECT, lines=False)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{notification.id}@{domain}>"
    mail["References"] = f"<{notification.incident_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    lines = [plain(notification.text, TEXT), "", f"since {notification.since:%Y-%m-%d %H:%M} UTC, incident {notification.incident_id}"]
    if notification.sql:
        lines += ["", "To see it:", plain(notification.sql, TEXT)]
    if notification.samples:
        lines += ["", "Samples:", *(plain(one, 100, lines=False) for one in notification.samples[:20])]
    if link:
        lines += ["", link]
    mail.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return mail


KIND: Final = Kind(Email, compose, deduplicates=False)
