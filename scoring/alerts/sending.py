"""Sends one message over HTTP or SMTP, and says what came of it: taken, worth another try (and when), or refused for good.

The only outbound calls of the alerts, to the addresses of the rules file alone: no redirect is followed; HTTPS_PROXY and NO_PROXY hold.
What an error says of itself is cut short and never holds an address or a header, which may be secret.
"""

from __future__ import annotations

import http.client
import os
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final
from urllib.parse import urlsplit

import structlog

from config.egress import bypasses
from scoring.alerts.channels.contract import Line, Mail, Message, Request, plain

REFUSED: Final = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431})
"""Statuses that say that this very message will never be taken. All else may be mended: a key, an address, a server."""
MOST_ANSWER: Final = 4_096
MOST_WHY: Final = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try."""

    ok: bool
    error: str | None = None  # in a sentence
    hopeless: bool = False  # this message will not be taken, however often it is tried
    wait: float | None = None  # seconds that the other side asked for


TAKEN: Final = Outcome(True)


def send(message: Message, now: datetime) -> Outcome:
    """Try once; never raises. now: for answers that name a time."""
    try:
        if isinstance(message, Request):
            return _post(message, now)
        if isinstance(message, Mail):
            return _mail(message)
        _say(message)
    except (OSError, http.client.HTTPException, smtplib.SMTPException, ValueError) as error:
        return Outcome(False, _why(error))
    return TAKEN


def _post(request: Request, now: datetime) -> Outcome:
    parts = urlsplit(request.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return Outcome(False, "its address is no http or https URL: correct it where it is kept")
    tls = ssl.create_default_context(cafile=str(request.ca_file) if request.ca_file else None)
    through = urllib.request.ProxyHandler(_egress(parts.scheme, parts.hostname))
    opener = urllib.request.build_opener(_NoRedirect, through, urllib.request.HTTPSHandler(context=tls))
    headers = {"User-Agent": "goldwash", **request.headers}
    asked = urllib.request.Request(request.url, request.body, headers, method="POST")  # noqa: S310  the scheme was looked at
    try:
        with opener.open(asked, timeout=request.timeout) as answer:
            status, said, given = answer.status, b"", answer.headers
    except urllib.error.HTTPError as error:
        with error:
            status, said, given = error.code, _read(error), error.headers
    if 200 <= status < 300:
        return TAKEN
    why = f"status {status}" + (f": {words}" if (words := plain(said.decode("utf-8", "replace"), MOST_WHY, lines=False)) else "")
    return Outcome(False, why, status in REFUSED, retry_after(given, now) if status in {429, 500, 502, 503, 504} else None)


def _egress(scheme: str, host: str) -> dict[str, str]:
    """The company's proxy for https, as upstreams follow it: HTTP_PROXY is not honoured, and this machine is always reached directly."""
    proxy = next((os.environ[name] for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY") if os.environ.get(name)), None)
    if scheme != "https" or not proxy or bypasses(host, os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""):
        return {}
    return {"https": proxy}


def retry_after(headers: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds that a Retry-After asks for, in either of its forms (RFC 9110, 10.2.3); None where there is none that can be read."""
    value = str(headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())


def _mail(mail: Mail) -> Outcome:
    tls = ssl.create_default_context(cafile=str(mail.ca_file) if mail.ca_file else None)
    made = (
        smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.timeout, context=tls)
        if mail.tls == "tls"
        else smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout)
    )
    try:
        with made as server:
            if mail.tls == "starttls":
                server.starttls(context=tls)  # raises where it is not offered: nothing is sent in the clear
            if mail.user is not None and mail.password is not None:
                server.login(mail.user, mail.password)
            refused = server.send_message(mail.message, to_addrs=list(mail.recipients))
    except smtplib.SMTPRecipientsRefused as error:
        return _rejected(error.recipients)
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        is_data = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500
        return Outcome(False, f"the server says {error.smtp_code}: {plain(said, MOST_WHY, lines=False)}", is_data)
    if refused:  # some got it: a second try would give it to them twice
        structlog.get_logger("alerts").warning("an e-mail did not reach everybody", why=_rejected(refused).error)
    return TAKEN


def _rejected(recipients: Mapping[str, tuple[int, bytes]]) -> Outcome:
    code, said = next(iter(recipients.values()), (550, b""))
    words = plain(said.decode("utf-8", "replace"), MOST_WHY, lines=False)
    return Outcome(False, f"{len(recipients)} recipients were refused, the first with {code}: {words}")


def _say(line: Line) -> None:
    log = structlog.get_logger("alerts")
    tell = log.error if line.severity == "critical" else log.warning if line.severity in {"error", "warning"} else log.info
    tell("incident", **line.facts)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would send a signature or a key where nobody configured it to go."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""


def _read(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(MOST_ANSWER)
    except (OSError, http.client.HTTPException):
        return b""


def _why(error: Exception) -> str:
    """What went wrong, without the address: of some channels it is the secret."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {plain(reason.verify_message, MOST_WHY, lines=False)}"
    if isinstance(reason, smtplib.SMTPNotSupportedError):
        return "the server offers no STARTTLS (or no login): nothing was sent in the clear"
    if isinstance(reason, OSError) and reason.strerror:
        return f"it cannot be reached: {plain(reason.strerror, MOST_WHY, lines=False)}"
    return f"the connection failed ({type(reason).__name__})"
