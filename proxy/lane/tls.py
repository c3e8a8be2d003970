"""TLS towards upstreams: every certificate is checked, and a new connection resumes the last one's session where the upstream allows."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any, Final

MAX_SESSIONS: Final = 256
"""Hosts that a session is remembered of; regions in host names come from clients."""


class UpstreamContext(ssl.SSLContext):
    """A client's context that offers each host the session it gave last (RFC 8446, 2.2; RFC 5077).

    A resumed handshake sends no certificates and checks no signatures: the session stands for the ones that were checked with this
    very context. asyncio knows of no sessions, but it asks the context for its SSL object, and there one can be added.
    """

    def __init__(self, *_: Any) -> None:
        self._sessions: dict[str, ssl.SSLSession] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As SSLContext.wrap_bio, with the host's last session where none is given."""
        if session is None and isinstance(server_hostname, str):
            session = self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, host: str, connection: ssl.SSLObject | None) -> None:
        """Keep the session of a connection that has been read from: with TLS 1.3 tickets come after the handshake."""
        session = connection.session if connection is not None else None
        if session is not None and session.has_ticket:
            if len(self._sessions) >= MAX_SESSIONS:
                self._sessions.clear()
            self._sessions[host] = session


def upstream_tls(ca_file: str | None) -> UpstreamContext:
    """How upstreams' certificates are checked: the system's CAs, and a private one where configured. Raises OSError, ssl.SSLError."""
    context = UpstreamContext(ssl.PROTOCOL_TLS_CLIENT)  # checks host names, TLS 1.2 at least
    if sys.version_info >= (3, 13):  # as ssl.create_default_context does there
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(Path(ca_file))
    context.set_alpn_protocols(["http/1.1"])
    return context
