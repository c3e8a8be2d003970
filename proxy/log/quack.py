"""Lets DuckDB clients read the log live over Quack, DuckDB's own remote protocol, under the guard of all SQL here; off by default.

Quack asks a function of ours before it runs a statement; that function is the guard itself, so that both ways in obey the same
rules. What Quack cannot do is stop a query: it is for people who are trusted, and its token opens nothing else.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import duckdb
import structlog

from proxy.log.guard import Guard, Refused

EXTENSIONS: Final = ("httpfs", "quack")
"""In this order: Quack speaks through httpfs."""
TOKEN: Final = "quack.token"  # noqa: S105  a file name
DECIDES: Final = "goldwash_may_read"

log = structlog.get_logger("quack")


class Quack:
    """The Quack server of one open log, whose instance has EXTENSIONS loaded. start() and stop() once each."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, guard: Guard, address: str, token: str) -> None:
        """cursor: a connection of its own; it is closed by stop(). address: as `quack:localhost:9494`."""
        self._cursor, self._guard, self._address, self._token = cursor, guard, address, token
        self._serving = False

    def start(self) -> None:
        """Serve from now on. Raises duckdb.Error where the address cannot be listened on."""
        # side_effects: never folded, never cached
        self._cursor.create_function(DECIDES, self._decide, ["VARCHAR", "VARCHAR"], "BOOLEAN", side_effects=True)
        self._cursor.execute(f"SET GLOBAL quack_authorization_function = '{DECIDES}'")
        elsewhere = not is_local(self._address)
        if elsewhere:
            log.warning("Quack listens beyond this machine, without TLS: put a proxy with TLS before it", address=self._address)
        self._cursor.execute(
            "CALL quack_serve($address, token = $token, allow_other_hostname = $elsewhere)",
            {"address": self._address, "token": self._token, "elsewhere": elsewhere},
        )
        self._cursor.execute("SET lock_configuration = true")  # a second line behind the guard
        self._serving = True
        log.info("Quack serves", address=self._address)

    def stop(self) -> None:
        """Stop serving; running queries are cut off."""
        if self._serving:
            self._cursor.execute("CALL quack_stop($1)", [self._address])
            self._serving = False
        self._cursor.close()

    def _decide(self, session: str, statement: str) -> bool:
        """Whether a statement may run; anything but a clear yes is no."""
        try:
            self._guard.check(statement)
        except Refused as error:
            log.info("a statement over Quack was refused", why=str(error))
            return False
        except Exception as error:
            log.warning("a statement over Quack could not be checked", error=str(error))
            return False
        return True


def is_local(address: str) -> bool:
    """Whether `quack:host:port` is reached from this machine alone."""
    return (urlsplit(address.replace("quack:", "quack://", 1)).hostname or "localhost") in {"localhost", "127.0.0.1", "::1"}
