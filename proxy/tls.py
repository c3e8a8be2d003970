"""TLS towards clients, where an operator configured it."""

from __future__ import annotations

import ssl
from pathlib import Path


def server_tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The context to serve HTTPS with; None where nothing is configured. Raises OSError, ssl.SSLError for files that cannot be used."""
    if cert is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    return context
