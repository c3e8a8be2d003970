"""Notifications for the tests of channels and delivery: ordinary ones, and ones made of what an attacker would name a feature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scoring.alerts.incidents import Notification

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOSTILE = "<!channel> *a* `b` ``` & <http://evil.example|click> \r\nBcc: all@example.com\x1b[31m\u202egnp.exe\x00 \ud800"


def said(**changes: Any) -> Notification:
    """An ordinary notification with these changes."""
    given = Notification(
        "a1b2c3d4e5f6",
        "opened",
        "critical",
        "errors: firing – feature=search",
        "5.0% of search failed in the last hour (limit 2%)",
        "errors",
        {"feature": "search"},
        0.05,
        0.02,
        AT - timedelta(minutes=10),
        "SELECT * FROM exchanges WHERE feature = 'search' AND status >= 500",
        ("019caf2e-0000-7000-8000-000000000001",),
        AT,
        ({"feature": "search"},),
        1,
    )
    return replace(given, **changes)


def hostile(**changes: Any) -> Notification:
    """One whose every word comes from somebody who means harm, and is far too long."""
    long = HOSTILE * 3000
    slice_ = {"feature": HOSTILE, "severity": "info", "1 odd-key": long}
    return said(
        title=long,
        text=long,
        rule=HOSTILE,
        slice=slice_,
        slices=(slice_,) * 50,
        sql=long,
        samples=(HOSTILE,) * 500,
        firing=10_000,
        **changes,
    )
