"""A report for scripts: the verdict, what the release changed, figures of the set, the story of each case, and every row. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from scoring.gate.figures import figures
from scoring.gate.reports.contract import Report
from scoring.gate.reports.release import release
from scoring.gate.reports.story import stories
from scoring.gate.results import lines
from scoring.golden.case import clean


def render(reports: Sequence[Report]) -> str:
    """One object; a list of them where there are several targets."""
    found = [clean(value(report)) for report in reports]
    return json.dumps(found[0] if len(found) == 1 else found, indent=1, ensure_ascii=False) + "\n"


def value(report: Report) -> dict[str, Any]:
    """JSON values."""
    return {
        "target": report.candidate.header.target,
        **report.verdict.as_json(),
        "release": asdict(release(report)),
        "figures": figures(report.candidate).as_json(),
        "stories": [asdict(one) for one in stories(report)],
        "results": [json.loads(line) for line in lines(report.candidate)],
    }
