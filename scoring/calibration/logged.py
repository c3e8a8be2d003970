"""The judges' verdicts as the log has them, in the terms of calibration."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from proxy.service.client import Access
from scoring.calibration.calibrate import Opinion
from scoring.pages import paged

_OPINIONS: Final = """
    WITH s AS (
        SELECT * FROM scores WHERE kind IN (SELECT unnest($kinds)) AND fingerprint IS NOT NULL AND exchange_id IS NOT NULL
            AND created_at >= CAST($since AS TIMESTAMPTZ)),
    e AS (SELECT exchange_id, trace_id, session_id FROM exchanges WHERE exchange_id IN (SELECT exchange_id FROM s)),
    l AS (SELECT exchange_id, any_value(label_probability) AS label_probability, any_value(trace_id) AS trace_id
        FROM score_ledger WHERE inclusion_probability IS NOT NULL GROUP BY exchange_id)
    SELECT s.record_id::VARCHAR AS key, s.exchange_id::VARCHAR AS exchange_id, s.name, s.kind, s.fingerprint,
        coalesce(s.response_model, s.request_model) AS model, s.passed, s.value, s.inclusion_probability AS p,
        l.label_probability AS p_label, coalesce(l.trace_id, e.trace_id, e.session_id) AS trace, s.properties ->> 'order' AS "order",
        s.kind IN ('anchor', 'second_anchor') OR coalesce(TRY_CAST(s.properties ->> 'anchor' AS BOOLEAN), false) AS anchor,
        s.created_at AS at
    FROM s LEFT JOIN e USING (exchange_id) LEFT JOIN l USING (exchange_id)"""
"""Exchanges are looked up for the scores at hand: a join with all of them would put ten million into memory."""

OVERALL: Final = ("judge", "second_judge", "anchor", "second_anchor")
QUESTIONS: Final = ("judge_item", "second_judge_item")
"""`kind` of the verdict on a whole rubric, and of those on its single questions."""


def opinions(access: Access, since: datetime, *, questions: bool = False) -> Iterator[Opinion]:
    """The judges' verdicts since then. Raises ServiceError."""
    kinds = [*OVERALL, *(QUESTIONS if questions else ())]
    for row in paged(access, _OPINIONS, "key", {"kinds": kinds, "since": since.isoformat()}):
        yield Opinion(
            item=row["exchange_id"],
            judge=row["name"],
            fingerprint=row["fingerprint"],
            model=row["model"],
            passed=row["passed"],
            confidence=row["value"] if row["value"] is not None and 0.0 <= row["value"] <= 1.0 else None,
            p=row["p"],
            p_label=row["p_label"],
            trace=row["trace"],
            order=row["order"] if row["order"] in ("ab", "ba") else None,
            anchor=row["anchor"],
            is_question=row["kind"] in QUESTIONS,
            at=row["at"],
            is_second=row["kind"].startswith("second_"),
        )
