"""Reads from the log where review stands: flags, labels, what the judges said, and how far people agree with them and with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from proxy.service.client import Access
from scoring.estimates.agreement import Agreement, agreement
from scoring.estimates.sample import Sample
from scoring.pages import paged, rows
from scoring.review.queue import Flagged, Labelled, pairs

LEVEL: Final = 0.95
_FLAGS: Final = """
    SELECT f.flag_id, f.exchange_id::VARCHAR AS exchange_id, f.kind, coalesce(f.severity, 0) AS severity, coalesce(f.reason, '') AS reason,
        f.properties ->> 'group' AS "group", f.properties ->> 'theme' AS theme, f.properties ->> 'feature' AS feature,
        CASE WHEN f.kind = 'audit' THEN l.label_probability END AS p_label
    FROM flags f LEFT JOIN (SELECT exchange_id, arg_max(label_probability, created_at) AS label_probability FROM score_ledger
        GROUP BY exchange_id) l USING (exchange_id)
    WHERE f.flag_id IS NOT NULL AND f.exchange_id IS NOT NULL AND f.kind IN ('failure', 'review', 'audit')
    QUALIFY row_number() OVER (PARTITION BY f.flag_id ORDER BY f.created_at DESC, f.record_id DESC) = 1
        AND coalesce(f.state, 'open') = 'open'"""


def flags(access: Access) -> list[Flagged]:
    """The open flags. Raises ServiceError."""
    return [Flagged(**row) for row in paged(access, _FLAGS, "flag_id")]


def labels(access: Access) -> list[Labelled]:
    """People's labels of whole answers, skips too. Raises ServiceError."""
    found = paged(
        access,
        "SELECT record_id::VARCHAR AS key, exchange_id::VARCHAR AS exchange_id, coalesce(labeler, '?') AS who, passed, created_at AS at "
        "FROM labels WHERE exchange_id IS NOT NULL AND (passed IS NOT NULL OR value = 'skip') "
        "AND (name IS NULL OR name NOT IN (SELECT DISTINCT name FROM scores WHERE kind IN ('judge_item', 'second_judge_item')))",
        "key",
    )
    return [Labelled(row["exchange_id"], row["who"], row["passed"], row["at"]) for row in found]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge or a check said of an exchange, to be shown once it is labelled."""

    name: str
    kind: str  # judge | second_judge | check …
    passed: bool | None
    reason: str | None
    scorer: str | None


def verdicts(access: Access, exchange_id: str) -> list[Verdict]:
    """Judges' verdicts and failed checks, the newest of each. Raises ServiceError."""
    found = rows(
        access,
        "SELECT name, kind, passed, coalesce(reason, unscored) AS reason, scorer FROM scores WHERE exchange_id = CAST($id AS UUID) "
        "AND (kind IN ('judge', 'second_judge') OR (kind = 'check' AND passed = false)) "
        "QUALIFY row_number() OVER (PARTITION BY kind, name, scorer ORDER BY created_at DESC) = 1 ORDER BY kind DESC, name",
        {"id": exchange_id},
    )
    return [Verdict(row["name"], row["kind"], row["passed"], row["reason"], row["scorer"]) for row in found]


@dataclass(frozen=True, slots=True)
class Standing:
    """Labels so far, and how far they agree."""

    labelled: int  # exchanges
    twice: int
    people: Agreement  # the second person's labels against the first's
    judge: Agreement  # the judge's verdicts against people's last labels

    @property
    def share_twice(self) -> float | None:
        """Of the labelled exchanges that two people labelled; None without labels."""
        return self.twice / self.labelled if self.labelled else None


def standing(access: Access, known: Sequence[Labelled]) -> Standing:
    """Where review stands. Raises ServiceError."""
    last = {label.exchange_id: label.passed for label in sorted(known, key=lambda one: one.at) if label.passed is not None}
    both = pairs(known)
    judged = _judged(access, sorted(last))
    return Standing(
        len(last),
        len(both),
        _agreement([first for first, _ in both], [second for _, second in both]),
        _agreement([judged[one] for one in judged], [bool(last[one]) for one in judged]),
    )


def _judged(access: Access, ids: Sequence[str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for start in range(0, len(ids), 2000):
        for row in rows(
            access,
            "SELECT exchange_id::VARCHAR AS id, arg_max(passed, created_at) AS passed FROM scores "
            "WHERE kind = 'judge' AND passed IS NOT NULL AND exchange_id IN (SELECT CAST(unnest($ids) AS UUID)) GROUP BY exchange_id",
            {"ids": list(ids[start : start + 2000])},
        ):
            found[row["id"]] = row["passed"]
    return found


def _agreement(first: Sequence[bool], second: Sequence[bool]) -> Agreement:
    sample = Sample.of(np.array([not one for one in first], np.float64), np.array([not one for one in second], np.float64))
    return agreement(sample, level=LEVEL, seed=1)


def as_json(found: Standing) -> dict[str, Any]:
    """The figures for programs."""
    return {
        "labelled": found.labelled,
        "labelled_twice": found.twice,
        **{
            f"{name}_{key}": getattr(of, key)
            for name, of in (("people", found.people), ("judge", found.judge))
            for key in ("kappa", "kappa_low", "kappa_high", "accuracy", "n")
        },
    }
