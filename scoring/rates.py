"""Failure rates of a day's slices (features, models, prompt versions), corrected for what the judge gets wrong, with their intervals.

Rows come from the ledger with the probability that each was drawn, labels from people's random audit with the probability that each was
looked at. Labels of the queue are left out, for they were picked because something looked wrong, and so are those that were not blind.
Where a day has no labels yet, older ones under the same judge say how often it errs (Rogan-Gladen), and the method says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from proxy.service.client import Access
from scoring.estimates.estimate import LEVEL, Estimate, estimate
from scoring.estimates.following import Bounds, follow
from scoring.estimates.labels import Truth, choose
from scoring.estimates.logged import labels
from scoring.estimates.posterior import DRAWS, SEED
from scoring.estimates.rogan_gladen import corrected
from scoring.estimates.sample import Sample
from scoring.estimates.slices import slices
from scoring.judge.decision import DISAGREE
from scoring.pages import paged

OLD_DAYS: Final = 28
"""How far back labels are taken from, where a day has none."""
KINDS: Final = ("feature", "model", "prompt_version")
MOST_SLICES: Final = 30
"""Slices of a kind that are shown, the largest first."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One item of the ledger as the statistics take it; 1 = failure."""

    item: str
    day: date
    verdict: float  # nan: unscored
    label: float  # nan: none
    p: float
    p_label: float
    stratum: str
    cluster: str
    fingerprint: str | None
    names: Mapping[str, str]  # by KINDS


@dataclass(frozen=True, slots=True)
class Rate:
    """One slice on one day."""

    kind: str  # all | feature | model | prompt_version
    name: str
    n: int
    judge_rate: float | None
    rate: float | None
    low: float
    high: float
    n_labels: int
    method: str
    differs: bool  # from the rest of the day, all slices of the kind looked at together (Holm)
    warnings: tuple[str, ...]


def judged(
    access: Access, start: date, end: date, truths: Mapping[str, Truth] | None = None, *, labelled_only: bool = False
) -> list[Judged]:
    """The sampled items of the days from `start` to before `end`, with people's labels where they count. Raises ServiceError.

    What a judge has not seen (skipped, failed) is in the population too, without a verdict. truths: by exchange, if they are read already.
    """
    known = audited(access) if truths is None else truths
    given = {"first": start.isoformat(), "last": end.isoformat(), "all": not labelled_only, "ids": list(known) if labelled_only else [""]}
    sql = """
        WITH l AS (
            SELECT * FROM score_ledger WHERE day >= CAST($first AS DATE) AND day < CAST($last AS DATE) AND inclusion_probability IS NOT NULL
                AND ($all OR exchange_id::VARCHAR IN (SELECT unnest($ids)))),
        e AS (SELECT exchange_id, trace_id, session_id FROM exchanges WHERE exchange_id IN (SELECT exchange_id FROM l))
        SELECT l.item || '|' || l.day::VARCHAR AS key, l.item, l.exchange_id::VARCHAR AS exchange_id, l.day, l.passed, l.why,
            l.inclusion_probability AS p, l.label_probability AS p_label, l.stratum, l.fingerprint, l.feature, l.model, l.prompt_version,
            coalesce(l.trace_id, e.trace_id, e.session_id, l.item) AS cluster
        FROM l LEFT JOIN e USING (exchange_id)"""
    found = []
    for row in paged(access, sql, "key", given):
        doubt = "/disagree" if (row["why"] or "").startswith(DISAGREE) else ""
        names = {
            "feature": row["feature"] or "(none)",
            "model": row["model"] or "(none)",
            "prompt_version": f"{row['feature'] or '(none)'} {row['prompt_version'] or '(none)'}",
        }
        truth = known.get(row["exchange_id"])
        chance = truth.p_label if truth is not None and truth.p_label is not None else row["p_label"]
        found.append(
            Judged(
                row["item"],
                row["day"],
                _failure(row["passed"]),
                _failure(truth.passed if truth is not None else None),
                row["p"],
                chance or 0.0,
                f"{row['stratum']}{doubt}",
                row["cluster"],
                row["fingerprint"],
                names,
            )
        )
    return found


def audited(access: Access) -> Mapping[str, Truth]:
    """What people say of exchanges, by the labels that estimates may rest on (estimates/labels). Raises ServiceError."""
    return choose(labels(access), "estimate").truths


def rates(rows: Sequence[Judged], older: Sequence[Judged] = (), *, level: float = LEVEL, seed: int = SEED) -> list[Rate]:
    """All slices of a day, the whole first. older: earlier items, whose labels serve where the day has none. Pure."""
    if not rows:
        return []
    sample = sample_of(rows)
    found = [_rate("all", "all", estimate(sample, level=level, seed=seed), differs=False)]
    for kind in KINDS:
        names = [row.names[kind] for row in rows]
        of_kind = slices(sample, names, level=level, seed=seed)
        largest = sorted(of_kind.items(), key=lambda one: (-one[1].estimate.n, one[0]))[:MOST_SLICES]
        for name, one in largest:
            found.append(_rate(kind, name, one.estimate, differs=one.p_adjusted is not None and one.p_adjusted < 1 - level))
    if older and not sample.has_label.any():
        return [_from_older(one, rows, older, level, seed) for one in found]
    return found


def sample_of(rows: Sequence[Judged]) -> Sample:
    """Rows as a sample of the estimates' room."""
    return Sample.of(
        np.array([row.verdict for row in rows]),
        np.array([row.label for row in rows]),
        p=np.array([row.p for row in rows]),
        p_label=np.array([row.p_label if row.p_label > 0 else (1.0 if not np.isnan(row.label) else 0.0) for row in rows]),
        stratum=[row.stratum for row in rows],
        cluster=[row.cluster for row in rows],
    )


def followed(access: Access, day: date) -> Bounds | None:
    """The mean failure rate of the whole days before `day`, with bounds that may be looked at every day; None = no verdict yet."""
    history = judged(access, before(day, OLD_DAYS), day)
    return follow(sample_of(history), [row.day for row in history]) if history else None


def before(day: date, days: int) -> date:
    """So many days earlier."""
    return day - timedelta(days=days)


def _from_older(one: Rate, rows: Sequence[Judged], older: Sequence[Judged], level: float, seed: int) -> Rate:
    """The rate of a slice from how the judge erred on older labels."""
    new = [row for row in rows if one.kind == "all" or row.names[one.kind] == one.name]
    marks = {row.fingerprint for row in new}
    old = [row for row in older if not np.isnan(row.label) and not np.isnan(row.verdict) and row.fingerprint in marks]
    if not old:
        return one
    found = corrected(sample_of([*new, *old]), level, seed, DRAWS)
    said = f"no labels of this day: corrected by {len(old)} older ones, right while the judge errs as it did then"
    return Rate(
        one.kind,
        one.name,
        one.n,
        one.judge_rate,
        found.rate,
        found.low,
        found.high,
        len(old),
        "rogan-gladen",
        differs=False,
        warnings=(said,),
    )


def _rate(kind: str, name: str, found: Estimate, *, differs: bool) -> Rate:
    return Rate(
        kind,
        name,
        found.n,
        found.judge_rate,
        found.rate,
        found.low,
        found.high,
        found.n_labels,
        found.method,
        differs,
        found.warnings,
    )


def _failure(passed: Any) -> float:
    return float("nan") if passed is None else float(not passed)
