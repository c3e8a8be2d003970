"""Lets DuckDB clients read the log live over Quack, DuckDB's own remote protocol, by the same rules as all SQL here; off by default."""

from __future__ import annotations

from config.settings import Settings
from proxy.log.attach import Log


class Quack:
    """The Quack server of one open log."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self._log, self._address = log, settings.log.quack

    def start(self) -> None:
        """Serve, where [log] quack names an address."""

    def stop(self) -> None:
        """Stop serving."""
