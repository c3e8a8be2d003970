"""The judged sample of some days as the log has it, with the labels that may speak for the rest: what nightly rates are estimated from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from proxy.service.client import Access
from scoring.estimates.labels import Chosen, Label, Truth, choose
from scoring.estimates.sample import Sample
from scoring.pages import paged, rows

PAGE: Final = 2_000
"""Ids of one question to the log."""

_LABELS: Final = """
    SELECT record_id::VARCHAR AS key, exchange_id::VARCHAR AS exchange_id, name, passed, labeler, origin, split,
        inclusion_probability AS p_label, created_at AS at,
        coalesce(TRY_CAST(properties ->> 'saw_verdict' AS BOOLEAN), false) AS saw_verdict
    FROM labels WHERE exchange_id IS NOT NULL"""

_ITEMS: Final = """
    SELECT l.day::VARCHAR || '|' || l.item AS key, l.day, l.exchange_id::VARCHAR AS exchange_id, l.passed, l.stratum,
        l.inclusion_probability AS p, l.label_probability AS p_label, l.feature, l.task, l.model, l.prompt_version,
        coalesce(l.trace_id, e.trace_id, e.session_id, l.item) AS trace
    FROM score_ledger l LEFT JOIN exchanges e USING (exchange_id)
    WHERE l.day >= CAST($first AS DATE) AND l.day <= CAST($last AS DATE) AND l.inclusion_probability > 0"""


@dataclass(frozen=True, slots=True)
class Judged:
    """One sampled item, judged or not (no judge, no money, an answer that could not be read)."""

    day: date
    exchange_id: str  # the last one, for a trace
    passed: bool | None  # what the judges decided; None = unscored
    stratum: str
    p: float  # that it was drawn
    p_label: float | None  # that a drawn item is labelled
    feature: str | None
    task: str | None
    model: str | None
    prompt_version: str | None
    trace: str


def judged(access: Access, first: date, last: date) -> list[Judged]:
    """The sampled items of those days, both included. Raises ServiceError."""
    found = paged(access, _ITEMS, "key", {"first": first.isoformat(), "last": last.isoformat()})
    return [Judged(**{name: row[name] for name in Judged.__slots__}) for row in found]


def truths(access: Access, items: Sequence[Judged]) -> Chosen:
    """What people say of those items, as far as it may be used for estimates. Raises ServiceError."""
    return choose(labels(access, [item.exchange_id for item in items]), "estimate")


def sample(items: Sequence[Judged], known: Mapping[str, Truth]) -> Sample:
    """The items as a sample; `known` by exchange id. A label's own probability stands before the audit's."""
    of = [known.get(item.exchange_id) for item in items]
    chances = [
        truth.p_label if truth is not None and truth.p_label is not None else item.p_label for item, truth in zip(items, of, strict=True)
    ]
    said = all(chance is not None and (chance > 0 or truth is None) for chance, truth in zip(chances, of, strict=True))
    return Sample.of(
        [_failure(item.passed) for item in items],
        [None if truth is None else _failure(truth.passed) for truth in of],
        p=np.array([item.p for item in items], np.float64),
        p_label=np.array(chances, np.float64) if said else None,
        stratum=[item.stratum for item in items],
        cluster=[item.trace for item in items],
    )


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


def _failure(passed: Any) -> float | None:
    return None if passed is None else float(not passed)
