"""What each proxy key has spent this month, day by day (UTC): written by the log service, which knows costs, read by the lane.

A budget is a brake and no wall: a cost is known a second or so after an exchange ended, and what is under way then still ends. What has no
known price counts nothing, and is counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from proxy.keys import Period

FILE: Final = "spend.json"
ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Spending:
    """Dollars by key and day (UTC) of one month, and how many exchanges had no price."""

    month: str = ""  # 2026-11
    days: dict[str, dict[str, Decimal]] = field(default_factory=dict)  # key -> day -> dollars
    unpriced: dict[str, int] = field(default_factory=dict)

    def add(self, key: str, at: datetime, dollars: Decimal | None) -> None:
        """Count one exchange; one of an earlier month counts no more."""
        month = f"{at:%Y-%m}"
        if month != self.month:
            if month < self.month:
                return
            self.month, self.days, self.unpriced = month, {}, {}
        if dollars is None:
            self.unpriced[key] = self.unpriced.get(key, 0) + 1
            return
        days = self.days.setdefault(key, {})
        day = f"{at:%Y-%m-%d}"
        days[day] = days.get(day, ZERO) + dollars

    def of(self, key: str, per: Period, now: datetime) -> Decimal:
        """What a key has spent in the day or month that `now` lies in."""
        if f"{now:%Y-%m}" != self.month:
            return ZERO
        days = self.days.get(key, {})
        return sum(days.values(), ZERO) if per == "month" else days.get(f"{now:%Y-%m-%d}", ZERO)

    def json(self) -> dict[str, Any]:
        """As it lies in the file: dollars as decimal text."""
        days = {key: {day: format(dollars, "f") for day, dollars in sorted(found.items())} for key, found in sorted(self.days.items())}
        return {"month": self.month, "usd": days, "unpriced": self.unpriced}


def read(data_dir: Path) -> Spending:
    """What was written last; nothing where nothing was, or where it cannot be read: then no budget stops anybody."""
    try:
        found = json.loads((data_dir / FILE).read_bytes())
        days = {key: {day: Decimal(dollars) for day, dollars in spent.items()} for key, spent in found["usd"].items()}
        return Spending(found["month"], days, dict(found["unpriced"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation):
        return Spending()


def write(data_dir: Path, spent: Spending) -> None:
    """Whole or not at all, 0600. Raises OSError."""
    partial = data_dir / f".{FILE}.{os.getpid()}"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as handle:
        json.dump(spent.json(), handle)
    partial.replace(data_dir / FILE)


def total(rows: Iterable[tuple[str, date, Decimal | None, int]]) -> Spending:
    """From rows of (key, day, dollars, exchanges without a price) of one month."""
    spent = Spending()
    for key, day, dollars, unpriced in rows:
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        spent.add(key, at, dollars or ZERO)
        if unpriced:
            spent.unpriced[key] = spent.unpriced.get(key, 0) + unpriced
    return spent


def next_period(per: Period, now: datetime) -> datetime:
    """When the day or month that `now` lies in is over."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=1) if per == "day" else (day.replace(day=1) + timedelta(days=32)).replace(day=1)
