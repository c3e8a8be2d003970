"""Silences as the log keeps them: who wants not to hear of what, until when and why; lifting one is a row of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from config.settings import Settings
from proxy.commands.submission import Submission
from proxy.service.client import Access
from scoring.alerts.states import Silence
from scoring.outbox import record_id

LONGEST: Final = timedelta(days=90)
"""A silence that lasts longer is a rule to switch off."""

_READ: Final = """
    SELECT silence_id, event, rule, slice, starts_at::VARCHAR AS starts_at, ends_at::VARCHAR AS ends_at, owner, reason FROM silences
    WHERE silence_id IN (SELECT silence_id FROM silences WHERE ends_at > CAST($since AS TIMESTAMPTZ))
    ORDER BY created_at, record_id"""


class BadSilence(ValueError):
    """A silence that cannot be; the text says what to write instead."""

    exit_code = 2


def read(access: Access, since: datetime) -> list[Silence]:
    """The silences that hold, will hold, or ended after `since`, as they stand after what was lifted early. Raises ServiceError."""
    return standing(access.rows(_READ, {"since": since.isoformat()}))


def standing(rows: list[dict[str, Any]]) -> list[Silence]:
    """Silences of their rows, oldest first; of a row that cannot be read nothing is known, and nothing is silenced by it."""
    found: dict[str, Silence] = {}
    for row in rows:
        start, end = _time(row["starts_at"]), _time(row["ends_at"])
        if start is None or end is None or not row["silence_id"]:
            continue
        known = found.get(row["silence_id"])
        if row["event"] == "lifted":
            if known is not None:
                found[known.id] = replace(known, ends_at=min(end, known.ends_at))
            continue
        slice_ = row["slice"] if isinstance(row["slice"], dict) else orjson.loads(row["slice"] or "{}")
        named = {str(key): str(value) for key, value in slice_.items()}
        found[row["silence_id"]] = Silence(
            row["silence_id"], row["owner"] or "somebody", row["reason"] or "no reason given", start, end, row["rule"], named
        )
    return list(found.values())


def add(
    settings: Settings, rule: str | None, slice_: Mapping[str, str], until: datetime, owner: str, reason: str, now: datetime
) -> Silence:
    """Write a silence that holds from now. Raises BadSilence, and what the log raises."""
    if until <= now:
        raise BadSilence(f"--until {until:%Y-%m-%d %H:%M} UTC is over: name a time ahead, or a length such as 2h")
    if until - now > LONGEST:
        raise BadSilence(f"a silence lasts {LONGEST.days} days at most: switch the rule off with enabled = false instead")
    if not owner.strip() or not reason.strip():
        raise BadSilence("a silence has an owner and a reason: whoever finds it must know whom to ask")
    about = record_id("silence", rule, sorted(slice_.items()), until.isoformat(), owner, now.isoformat()).hex()[-12:]
    made = Silence(about, owner.strip(), reason.strip(), now, until, rule, dict(slice_))
    _write(settings, made, "silenced")
    return made


def lift(settings: Settings, silence: Silence, now: datetime) -> Silence:
    """End a silence now; what it held back is told then. Raises what the log raises."""
    ended = replace(silence, ends_at=min(now, silence.ends_at))
    _write(settings, ended, "lifted")
    return ended


def _write(settings: Settings, silence: Silence, event: str) -> None:
    with Submission(settings, "alerts") as submission:
        submission.add(
            "silences",
            {
                "silence_id": silence.id,
                "event": event,
                "rule": silence.rule,
                "slice": dict(silence.slice),
                "starts_at": silence.starts_at.isoformat(),
                "ends_at": silence.ends_at.isoformat(),
                "owner": silence.owner,
                "reason": silence.reason,
            },
        )


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return None if value is None else value if value.tzinfo else value.replace(tzinfo=UTC)
