"""Whether the judge that graded a run may be believed: its calibration from a committed file, or from the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from config.settings import Settings
from proxy.service.client import Access, NoLog
from scoring.gate.results import BadInput, Result
from scoring.gate.words import JudgeState

FILE: Final = "calibration.json"
"""Beside the golden files: what `goldwash calibrate --json` printed, for machines without the log."""
LOOK_BACK: Final = timedelta(days=90)


class Health(NamedTuple):
    """Of all judges that decided something in a run, the worst."""

    state: JudgeState
    on: str | None  # the day of the last label, YYYY-MM-DD


def used(rows: Iterable[Result]) -> frozenset[str]:
    """Fingerprints of the judges whose opinion stands in these rows."""
    found = set()
    for row in rows:
        for grade in row.extra.get("grades") or ():
            if grade.get("family"):
                found.add(str((grade.get("detail") or {}).get("fingerprint") or "(not stated)"))
    return frozenset(found)


def health(fingerprints: Iterable[str], models: Sequence[str], judges: Sequence[Mapping[str, Any]]) -> Health:
    """The worst state of some fingerprints. judges: as `goldwash calibrate --json` lists them.

    A rubric of the gate's own is never asked in production: then the judge's other calibrations speak for it.
    """
    by_mark = {str(one.get("fingerprint")): one for one in judges}
    by_model = [one for one in judges if set(models) & set(one.get("models") or ())]
    states: list[JudgeState] = []
    days: list[str] = []
    for mark in fingerprints:
        said = [by_mark[mark]] if mark in by_mark else by_model
        if not said or all(not one.get("n_labels") for one in said):
            states.append("uncalibrated")
            continue
        fit = [one for one in said if not one.get("stale")]
        states.append("calibrated" if fit else "stale")
        days += [str(one["last_label"])[:10] for one in fit or said if one.get("last_label")]
    order: tuple[JudgeState, ...] = ("uncalibrated", "stale", "calibrated")
    return Health(next((state for state in order if state in states), "uncalibrated"), min(days, default=None))


def known(file: Path | None, beside: Path, settings: Settings) -> list[dict[str, Any]]:
    """Calibrations from a named file, from the one beside the golden files, or from the log; [] where there are none. Raises BadInput."""
    here = beside / FILE
    if file is not None or here.is_file():
        return of_file(file or here)
    from scoring.calibration.report import document, report
    from scoring.estimates.posterior import SEED

    now = datetime.now(UTC)
    try:
        with Access(settings) as log:
            found = report(log, now - LOOK_BACK, now, questions=True, level=0.95, seed=SEED)
    except NoLog:
        return []
    return list(document(found)["judges"])


def of_file(file: Path) -> list[dict[str, Any]]:
    """What `goldwash calibrate --json` printed. Raises BadInput."""
    try:
        value = orjson.loads(file.read_bytes())
        judges = value["judges"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadInput(f"{file}: is no calibration ({error}): write it with `goldwash calibrate --json > {file}`") from error
    if not isinstance(judges, list) or not all(isinstance(one, dict) for one in judges):
        raise BadInput(f"{file}: 'judges' must be a list of objects: write it with `goldwash calibrate --json > {file}`")
    return judges
