"""Keeps `spend.json` at the heels of the log: what each proxy key has spent, so that the lane can stop a key whose budget is used up."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from proxy import keys, spending
from proxy.log.attach import Log
from proxy.log.ingest import Loaded

WRITE: Final = 1.0
"""Seconds between two writes at least."""
RECOUNT: Final = 600.0
"""Seconds after which all is counted anew: prices are corrected, and other log services write to a lake."""

SPENT: Final = """
    SELECT proxy_key, CAST(accepted_at AT TIME ZONE 'UTC' AS DATE) AS day, sum(cost_usd),
        count(*) FILTER (cost_usd IS NULL AND ending = 'complete' AND coalesce(status, 0) < 400)
    FROM exchanges WHERE accepted_at >= ? AND proxy_key IS NOT NULL GROUP BY ALL"""

log = structlog.get_logger("service")


class Budgets:
    """Called by the loading thread after each round; costs nothing where no proxy key was ever made."""

    def __init__(self, opened: Log, data_dir: Path) -> None:
        self._log = opened
        self._data_dir = data_dir
        self._spent: spending.Spending | None = None
        self._counted = self._written = 0.0
        self._changed = False

    def seen(self, done: Loaded) -> None:
        """Count what a round brought into the log."""
        now = time.monotonic()
        if self._spent is None or now - self._counted > RECOUNT:
            if not done.spent and not (self._data_dir / keys.FILE).exists():
                return
            self._spent = self._count()  # this round is in it
            self._counted, self._changed = now, True
        else:
            for key, at, dollars in done.spent:
                self._spent.add(key, at, dollars)
                self._changed = True
        if self._changed and now - self._written > WRITE:
            self._written, self._changed = now, False
            try:
                spending.write(self._data_dir, self._spent)
            except OSError as error:
                log.warning("what the proxy keys have spent cannot be written; budgets stand still", error=str(error))

    def _count(self) -> spending.Spending:
        month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        cursor = self._log.cursor()
        try:
            return spending.total(cursor.execute(SPENT, [month]).fetchall())
        finally:
            cursor.close()
