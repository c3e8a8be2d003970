"""E-mail to a real SMTP server: STARTTLS, TLS from the first byte, a login, and nothing in the clear."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest

from scoring.alerts.channels.email import Email, compose
from scoring.alerts.sending import Outcome, send
from tests.helpers.certificates import Authority
from tests.helpers.goldwash import free_port
from tests.scoring.alerts.said import said

smtpd = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Box:
    """Keeps what it is given; `refuse` is a reply that it gives instead."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refuse: str | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        if self.refuse:
            return self.refuse
        self.mails.append(
            (session.ssl is not None or session.peer, envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default))
        )
        return "250 OK"


def _login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
    from aiosmtpd.smtp import AuthResult

    return AuthResult(success=(data.login, data.password) == (b"goldwash", b"pass-word-of-the-test"), handled=False)


@pytest.fixture
def served(authority: Authority) -> Iterator[tuple[Box, int]]:
    """A server that wants STARTTLS and a login."""
    box = Box()
    tls = authority.server("127.0.0.1", "localhost")
    controller = smtpd.Controller(
        box, hostname="127.0.0.1", port=free_port(), require_starttls=True, tls_context=tls, authenticator=_login, auth_required=True
    )
    controller.start()
    yield box, controller.port
    controller.stop()


def options(port: int, authority: Authority, **more: Any) -> Email:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "sender": "goldwash@example.com",
        "to": ["ops@example.com", "ann@example.com"],
        "ca_file": str(authority.ca_file),
    }
    return Email.model_validate({**given, **more})


LOGIN = {"user": "goldwash", "password": {"env": "MAIL"}}


def sent(chosen: Email, password: str = "pass-word-of-the-test") -> Outcome:
    return send(compose(said(), chosen, {"MAIL": password}, AT), AT)


def test_starttls_and_a_login(served: tuple[Box, int], authority: Authority) -> None:
    """The mail arrives, at everybody, over TLS."""
    box, port = served
    assert sent(options(port, authority, **LOGIN)) == Outcome(True)
    ((encrypted, to, mail),) = box.mails
    assert encrypted
    assert to == ["ops@example.com", "ann@example.com"]
    assert mail["Subject"] == "[critical] errors: firing – feature=search"
    assert "5.0% of search failed" in mail.get_body().get_content()


def test_a_wrong_password_is_told_without_it(served: tuple[Box, int], authority: Authority) -> None:
    """It may be mended: it is tried again, and the error holds no password."""
    _, port = served
    outcome = sent(options(port, authority, **LOGIN), "wrong-pass-word")
    assert (outcome.ok, outcome.hopeless) == (False, False)
    assert "535" in (outcome.error or "")
    assert "wrong-pass-word" not in (outcome.error or "")


def test_a_stranger_s_certificate_gets_nothing(served: tuple[Box, int], authority: Authority) -> None:
    """Without the authority's file the server is not trusted."""
    box, port = served
    outcome = sent(options(port, authority, ca_file=None, **LOGIN))
    assert "certificate is not trusted" in (outcome.error or "")
    assert box.mails == []


def test_what_the_server_says_decides(served: tuple[Box, int], authority: Authority) -> None:
    """451 is worth another try, 554 for the message is not."""
    box, port = served
    box.refuse = "451 try later"
    assert (first := sent(options(port, authority, **LOGIN))).error == "the server says 451: try later"
    assert not first.hopeless
    box.refuse = "554 no such mail here"
    assert sent(options(port, authority, **LOGIN)).hopeless


def test_no_starttls_no_mail(authority: Authority) -> None:
    """A server that offers none gets nothing, whoever took the offer away."""
    box = Box()
    controller = smtpd.Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        assert "no STARTTLS" in (sent(options(controller.port, authority)).error or "")
        assert sent(options(controller.port, authority, tls="none")).ok, "on this machine it may be chosen"
    finally:
        controller.stop()
    assert len(box.mails) == 1


def test_tls_from_the_first_byte(authority: Authority) -> None:
    """As port 465 does it."""
    box = Box()
    controller = smtpd.Controller(box, hostname="127.0.0.1", port=free_port(), ssl_context=authority.server("127.0.0.1"))
    with contextlib.suppress(ssl.SSLError):  # its own probe of the port does not know our authority
        controller.start()
    try:
        assert sent(options(controller.port, authority, tls="tls")).ok
    finally:
        controller.stop()
    assert len(box.mails) == 1
