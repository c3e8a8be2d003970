"""The shelf of reports: one line a format. All are pure functions of result files and the verdict on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scoring.gate.reports import as_json, github, junit, markdown, sarif, terminal
from scoring.gate.reports.contract import Known, Render, Report

FORMATS: Final[Mapping[str, Render]] = {
    "terminal": terminal.render,
    "markdown": markdown.render,
    "junit": junit.render,
    "sarif": sarif.render,
    "annotations": github.render,
    "json": as_json.render,
}


def render(kind: str, reports: Sequence[Report]) -> str:
    """The text of a report; kind: a key of FORMATS."""
    return FORMATS[kind](reports)


__all__ = ["FORMATS", "Known", "Render", "Report", "render"]
