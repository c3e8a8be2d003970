"""All judges of a log at once: which labels count for each, its calibration, and people against people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from proxy.service.client import Access
from scoring.calibration.calibrate import STANDARD, Calibration, Opinion, People, Policy, calibrations, people
from scoring.calibration.logged import opinions
from scoring.estimates.labels import choose
from scoring.estimates.logged import labels


@dataclass(frozen=True, slots=True)
class Report:
    """What `goldwash calibrate` prints."""

    at: datetime
    level: float
    calibrations: Sequence[Calibration]
    people: People | None
    discarded: Mapping[str, int]  # labels that do not count: why -> how many

    def of(self, fingerprint: str) -> Calibration | None:
        """The calibration of one judge; None = it gave no verdict. `stale` says whether it may be used."""
        return next((one for one in self.calibrations if one.fingerprint == fingerprint), None)


def report(
    access: Access, since: datetime, now: datetime, *, questions: bool, level: float, seed: int, policy: Policy = STANDARD
) -> Report:
    """Calibrate every judge that gave a verdict since then. Raises ServiceError."""
    overall: list[Opinion] = []
    single: dict[str, list[Opinion]] = {}
    for opinion in opinions(access, since, questions=questions):
        if opinion.is_question:
            single.setdefault(opinion.judge, []).append(opinion)
        else:
            overall.append(opinion)
    chosen = choose(labels(access), "calibrate")
    found = calibrations(overall, chosen, now, level=level, seed=seed, policy=policy)
    discarded = Counter(chosen.discarded)
    for name, group in sorted(single.items()):
        of_question = choose(labels(access, name=name), "calibrate")
        discarded.update(of_question.discarded)
        if of_question.truths:
            found += calibrations(group, of_question, now, level=level, seed=seed, policy=policy)
    return Report(now, level, found, people(chosen, level=level, seed=seed), dict(discarded))


def document(found: Report) -> dict[str, Any]:
    """The report as JSON objects; times as ISO 8601, None = not known."""
    return {
        "at": found.at.isoformat(),
        "level": found.level,
        "judges": [_judge(one) for one in found.calibrations],
        "people": None if found.people is None else {"n": found.people.n, **asdict(found.people.agreement)},
        "discarded": dict(found.discarded),
    }


def _judge(one: Calibration) -> dict[str, Any]:
    said = asdict(one)
    drift, orders = one.drift, one.orders
    return {
        **{key: said[key] for key in ("judge", "fingerprint", "models", "n_verdicts", "n_unscored", "n_labels")},
        **said["agreement"],
        "last_label": None if one.last_label is None else one.last_label.isoformat(),
        "last_verdict": one.last_verdict.isoformat(),
        "confidence": said["confidence"],
        "order_consistency": None if orders is None else {"n": orders.n, "share": orders.consistency, "flips": orders.flips},
        "drift": None
        if drift is None
        else {
            "anchors": drift.repeats.n,
            "flips": drift.repeats.flips,
            "to_fail": drift.to_fail,
            "floor": drift.floor,
            "p_value": drift.p_value,
            "drifted": drift.drifted,
        },
        "stale": list(one.stale),
    }
