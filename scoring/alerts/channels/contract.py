"""What a channel is: options that check themselves, and one pure function that makes a notification into a message.

A message is a value; `scoring.alerts.sending` alone opens sockets. Names of slices and samples come from traffic: `plain` takes out what
steers terminals and text direction, and each channel escapes what its own format reads as markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from config.options import Seconds, Section
from scoring.alerts.incidents import Notification
from scoring.alerts.kinds import Length

Environ = Mapping[str, str]


class NoSecret(Exception):
    """A secret is not where the channel says that it is; the text names the place and the fix, and never the secret."""


class Secret(Section):
    """Where a secret lies: `{ env = "NAME" }` or `{ file = "path" }`. It is read when it is used and never kept."""

    env: str | None = Field(default=None, min_length=1, description="Environment variable of the watcher that holds it.")
    file: Path | None = Field(default=None, description="File that holds it; white space around it is left out.")

    @model_validator(mode="before")
    @classmethod
    def _never_itself(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError('a secret never stands in this file: write { env = "NAME" } or { file = "path" }')  # noqa: TRY004  pydantic's way
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError('name one place: { env = "NAME" } or { file = "path" }')
        return self

    def read(self, environ: Environ) -> str:
        """The secret. Raises NoSecret."""
        if self.env is not None:
            value = environ.get(self.env, "").strip()
            if not value:
                raise NoSecret(f"the environment variable {self.env} is empty or not set: set it where `goldwash up` is started")
        else:
            assert self.file is not None
            try:
                value = self.file.expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise NoSecret(f"{self.file} cannot be read ({getattr(error, 'strerror', None) or 'no UTF-8 text'})") from error
            if not value:
                raise NoSecret(f"{self.file} is empty: put the secret into it")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise NoSecret(f"what lies in {self.env or self.file} holds line breaks or control characters: it is no key")
        return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it must be a full URL such as https://hooks.example.com/goldwash")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            'it carries a name, a password or a query, which may be a secret: leave it out, or, of a webhook, write { env = "NAME" } '
            'or { file = "path" } for the whole address'
        )
    return value


Url = Annotated[str, AfterValidator(_address)]
UrlOrSecret = Url | Secret
"""An address; where it is a secret itself, as Slack's is, the place where it lies."""


class Options(Section):
    """What every `[channel.NAME]` can say."""

    enabled: bool = Field(default=True, description="false = nothing is sent.")
    least: Literal["critical", "warning", "info"] = Field(
        default="info", description="Severity from which on it is told; less grave incidents are left out."
    )
    resolved: bool = Field(default=True, description="Whether the end of an incident is told here.")
    timeout: Seconds = Field(default=10.0, le=60, description="Seconds for one try.")
    give_up_after: Annotated[Length, PlainSerializer(str)] = Field(
        default=timedelta(days=3), description="How long a message is tried before it becomes a dead letter; longer than an outage lasts."
    )
    link: Url | None = Field(default=None, description="Address of your Goldwash page, for links in messages.")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP POST to be. `url` and `headers` may hold secrets: a message is made when it is sent, and never stored."""

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail to be, and the server that takes it."""

    message: EmailMessage
    host: str
    port: int
    tls: Literal["starttls", "tls", "none"]
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = 10.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of Goldwash's own log to be."""

    severity: str
    facts: Mapping[str, Any]


Message = Request | Mail | Line
Compose = Callable[[Notification, Any, Environ, datetime], Message | None]
"""(notification, options, environment, time of sending) -> the message; None = this channel has no word for it. Raises NoSecret."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of channel on the shelf."""

    options: type[Options]
    compose: Compose
    deduplicates: bool  # the same notification sent twice is one there
    repeats: timedelta | None = None  # how often it must hear that an incident goes on; None = never


CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
"""What steers a terminal, hides or turns text round; not the tab and the line feed."""


def plain(text: str, most: int, *, lines: bool = True) -> str:
    """Text without control characters and lone surrogates, cut to `most` characters with an ellipsis; lines=False: in one line."""
    text = text[: 4 * most + 100]  # what is cut anyway is not looked at
    text = CONTROLS.sub("\ufffd", text.replace("\r\n", "\n")).encode("utf-8", "replace").decode()
    if not lines:
        text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def rfc3339(time: datetime) -> str:
    """A time as RFC 3339 says, in UTC with milliseconds: 2026-03-02T09:00:00.000Z."""
    from datetime import UTC

    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
