"""Brings users' words to the people who review: what they complained of joins the queue at once, and a correction is measured.

The night flags complaints too, under the same ids, so that whoever comes first, there is one flag. How far a correction went is the share
of the answer's words that changed (Levenshtein over words, 0 = none, 1 = all), and a row of `scores` under `edit_distance`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from rapidfuzz.distance import Levenshtein

from proxy.service.client import Access
from scoring.outbox import Outbox, record_id
from scoring.pages import rows
from scoring.population import FEEDBACK, UNHAPPY

DAYS: Final = 30
"""How far back feedback is looked at: later than that nobody remembers what was meant."""
MOST: Final = 2_000
SEVERITY: Final = 0.9
CORRECTIONS: Final = "lower(f.name) IN ('correction', 'corrected', 'edit')"
_JOINED: Final = f"{FEEDBACK} f JOIN exchanges e USING (exchange_id)"


def edit_distance(answer: str, correction: str) -> float:
    """Share of words that changed, 0 to 1; 0 for two empty texts."""
    return float(Levenshtein.normalized_distance(answer.split(), correction.split()))


def take_in(access: Access, outbox: Outbox) -> int:
    """Flag what users complained of and measure what they corrected, where nobody has yet; how many rows are new. Raises ServiceError."""
    since = {"since": (datetime.now(UTC) - timedelta(days=DAYS)).isoformat()}
    new = 0
    for row in rows(access, _COMPLAINTS, since):
        outbox.add("flags", _flag(row), record_id("flag", row["id"], "users", row["said"], like=row["id"]))
        new += 1
    for row in rows(access, _MEASURABLE, since):
        content = {
            "exchange_id": row["id"],
            "name": "edit_distance",
            "kind": "feedback",
            "value": round(edit_distance(row["output_text"] or "", row["value"]), 4),
            "evidence": row["value"][:300],
            "scorer": "goldwash",
            "feedback_id": row["feedback_id"],
        }
        outbox.add("scores", content, record_id("edit_distance", row["feedback_id"], like=row["id"]))
        new += 1
    return new


def of_exchange(access: Access, exchange_id: str) -> list[dict[str, Any]]:
    """What users said of an exchange, oldest first: name, score, value, comment, user. Raises ServiceError."""
    return rows(
        access,
        f"SELECT f.name, f.score, f.value, f.comment, f.user_id FROM {_JOINED} "  # noqa: S608  all of it is ours
        "WHERE e.exchange_id = CAST($id AS UUID) ORDER BY f.created_at, f.record_id",
        {"id": exchange_id},
    )


_COMPLAINTS: Final = f"""
    SELECT e.exchange_id::VARCHAR AS id, e.feature, e.task, bool_or({CORRECTIONS}) AS corrected,
        string_agg(coalesce(nullif(f.comment, ''), f.value, ''), ' / ' ORDER BY f.record_id) AS said
    FROM {_JOINED}
    WHERE {UNHAPPY} AND f.created_at >= CAST($since AS TIMESTAMPTZ) AND e.purpose = 'app'
        AND NOT EXISTS (SELECT 1 FROM flags g WHERE g.exchange_id = e.exchange_id AND g.kind = 'review' AND g.name = 'thumbs_down')
    GROUP BY ALL ORDER BY id LIMIT {MOST}"""  # noqa: S608  all of it is ours
_MEASURABLE: Final = f"""
    SELECT e.exchange_id::VARCHAR AS id, f.record_id::VARCHAR AS feedback_id, f.value, e.output_text
    FROM {_JOINED}
    WHERE {CORRECTIONS} AND f.value IS NOT NULL AND f.created_at >= CAST($since AS TIMESTAMPTZ)
        AND f.record_id::VARCHAR NOT IN (
            SELECT coalesce(properties ->> 'feedback_id', '') FROM scores WHERE kind = 'feedback' AND name = 'edit_distance')
    ORDER BY feedback_id LIMIT {MOST}"""  # noqa: S608  all of it is ours


def _flag(row: dict[str, Any]) -> dict[str, Any]:
    said = (row["said"] or "").strip(" /")[:300]
    words = "a user corrected the answer" if row["corrected"] else "a user was not content with the answer"
    return {
        "exchange_id": row["id"],
        "flag_id": sha256(f"review|{row['id']}".encode()).hexdigest()[:12],
        "name": "thumbs_down",
        "kind": "review",
        "severity": SEVERITY,
        "state": "open",
        "reason": f"{words}: {said}" if said else words,
        "by": "goldwash review",
        "item": row["id"],
        "feature": row["feature"],
        "task": row["task"],
        "names": ["thumbs_down"],
    }
