"""The first line of a result file: what was run, on which set, at which prices, and whether the judge may be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import genai_prices

from config.settings import Settings
from proxy.accounting.pricing import Pricer
from proxy.service.assembly import price_overrides
from scoring.gate.calibrated import health, known, used
from scoring.gate.evaluators.judges import Judges
from scoring.gate.golden_files import Golden
from scoring.gate.results import BadInput, Header, Result, Results
from scoring.gate.rows import dataset
from scoring.gate.rules import Rules
from scoring.gate.targets.variants import Variant

if TYPE_CHECKING:
    from scoring.gate.asking import Spent


def prices(settings: Settings) -> Pricer:
    """Prices as the log uses them."""
    return Pricer(price_overrides(settings))


def price_version(settings: Settings) -> str:
    """Of the packaged prices and an operator's own."""
    own = price_overrides(settings)
    return f"genai-prices {genai_prices.__version__}" + (f" + {own.version}" if own is not None else "")


def header(settings: Settings, golden: Golden, variant: Variant, started: datetime, *, is_partial: bool) -> Header:
    """All that is known before the rows are."""
    version = price_version(settings)
    extra: dict[str, Any] = {
        "target": variant.as_json(),
        "started_at": started.isoformat(timespec="seconds"),
        "price_version": version,
        **({"partial": 1} if is_partial else {}),
    }
    return Header(
        target=variant.name, dataset=dataset(golden.cases), prices=version, made_at=started.isoformat(timespec="seconds"), extra=extra
    )


Complete = Callable[..., Header]


def judge_header(
    settings: Settings, rules: Rules, rows: Iterable[Result], judges: Judges | None, *, calibration: Path | None, folder: Path
) -> Complete:
    """A function that completes a header: the judge and its health where one decided anything, and what was spent."""
    marks = used(rows)
    said: dict[str, Any] = {}
    if judges is not None and marks:
        models = [one.judge.model for one in (judges.first, judges.second) if one is not None]
        found = health(marks, models, known(calibration, folder, settings))
        said = {"judge": judges.name, "judge_state": found.state, "judge_calibrated_on": found.on}
        if rules.pinned.rubric:
            words = "\n".join(f"{name} {one.version} {one.hash}" for name, one in sorted(judges.rubrics.items()))
            said["rubric"] = sha256(words.encode()).hexdigest()[:12]

    def complete(of: Header, spent: Spent | None = None) -> Header:
        extra = dict(of.extra)
        if spent is not None:
            extra |= {"cost_usd": round(spent.usd, 9), "calls": spent.asked, "known": spent.known}
        return replace(of, **said, extra=extra)

    return complete


def check_judges(base: Results, candidate: Results) -> None:
    """Raises BadInput where one case was graded by one instrument in the baseline and by another now: that would compare judges."""
    before = base.by_case
    for case, rows in candidate.by_case.items():
        was, now = _instruments(before.get(case, ())), _instruments(rows)
        moved = [name for name in was.keys() & now.keys() if was[name] != now[name]]
        if moved:
            raise BadInput(
                f"case {case}: {moved[0]} was graded with {', '.join(sorted(was[moved[0]]))} in {base.name} and with "
                f"{', '.join(sorted(now[moved[0]]))} now: that would compare judges or rubrics, not releases; make the baseline anew"
            )


def _instruments(rows: Iterable[Result]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        for grade in row.extra.get("grades") or ():
            mark = (grade.get("detail") or {}).get("fingerprint")
            if mark:
                found.setdefault(f"{grade['name']} by {grade.get('family')}", set()).add(str(mark))
    return found
