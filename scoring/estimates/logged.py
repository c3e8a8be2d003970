"""People's labels as the log has them, in the terms of the label policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from proxy.service.client import Access
from scoring.estimates.labels import Label
from scoring.pages import paged, rows

PAGE: Final = 2_000
"""Ids of one question to the log."""

_LABELS: Final = """
    SELECT record_id::VARCHAR AS key, exchange_id::VARCHAR AS exchange_id, name, passed, labeler, origin, split,
        inclusion_probability AS p_label, created_at AS at,
        coalesce(TRY_CAST(properties ->> 'saw_verdict' AS BOOLEAN), false) AS saw_verdict
    FROM labels WHERE exchange_id IS NOT NULL"""


def labels(access: Access, exchange_ids: Sequence[str] | None = None, name: str | None = None) -> Iterator[Label]:
    """People's labels, of those exchanges (None = all).

    name: of one question of a rubric, `rubric.question`; left out: labels of the whole answer, whatever they are called, but none of a
    question that a judge was asked. Raises ServiceError.
    """
    parameters: dict[str, Any] = {"question": name}
    about = (
        "name = $question"
        if name is not None
        else "(name IS NULL OR name NOT IN (SELECT DISTINCT name FROM scores WHERE kind IN ('judge_item', 'second_judge_item'))) "
        "AND $question IS NULL"
    )
    if exchange_ids is None:
        yield from map(_label, paged(access, f"{_LABELS} AND {about}", "key", parameters))
        return
    ids = sorted(set(exchange_ids))
    for start in range(0, len(ids), PAGE):
        sql = f"{_LABELS} AND {about} AND exchange_id IN (SELECT CAST(unnest($ids) AS UUID))"
        yield from map(_label, rows(access, sql, {**parameters, "ids": ids[start : start + PAGE]}))


def _label(row: dict[str, Any]) -> Label:
    return Label(
        row["exchange_id"], row["passed"], row["labeler"], row["origin"], row["split"], row["p_label"], row["at"], row["saw_verdict"]
    )
